"""How well do two Ray nodes of one core each share a study, against one process on one core, with S3 between them?

    python bench/scale.py                          # needs ray; minutes
    python bench/scale.py --kill                   # the same with a node killed in the middle

Layers are pushed to a bucket of an S3 server in a process of its own (moto); each way measures a copy of it under the
five measures, with caches of its own. Efficiency is the time of one process over twice that of two nodes, which are up
when the clock starts, as a cluster is; the workers on them are not. The driver and the S3 server run on the same cores.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("OMP_NUM_THREADS", "1")

from measure import fill
from remotes import s3_server

from layeratlas import running
from layeratlas.executors.base import Executor, InProcess
from layeratlas.executors.on_ray import OnRay
from layeratlas.store.sharing import share
from layeratlas.store.sharing.selection import Selection
from layeratlas.store.store import Store, store_at

SETTLED = 20.0  # seconds: nodes' own agents start in them, some ten processes of Python on the nodes' two cores


def main() -> None:
    """Fill buckets, measure one way and the other, print efficiency and agreement."""
    options = _options()
    with tempfile.TemporaryDirectory() as folder, s3_server():
        fill(Path(folder) / "here", options.layers, options.neurons, options.words)
        took, found = {}, {}
        for name in ("one", "two"):
            os.environ["XDG_CACHE_HOME"] = str(Path(folder) / f"cache-{name}")
            share.push(Store(Path(folder) / "here"), f"s3://lab/{name}", Selection())
            if name == "one":
                took[name] = measure(f"s3://lab/{name}", InProcess())
            else:
                took[name] = on_two_nodes(f"s3://lab/{name}", kill_after=took["one"] / 4 if options.kill else None)
            found[name] = scores(f"s3://lab/{name}")
    print(f"{options.layers} layers × {options.neurons} neurons × {options.words:,} words")
    print(f"one process {took['one']:.1f} s, two nodes {took['two']:.1f} s")
    print(f"efficiency {took['one'] / 2 / took['two']:.2f} (target 0.85)")
    largest = max(abs(value - found["two"][key]) for key, value in found["one"].items())
    print(f"{len(found['one']):,} and {len(found['two']):,} scores, which differ by {largest:.1e} at most")


def measure(address: str, executor: Executor) -> float:
    """Measure what is in a bucket; return the seconds that it took."""
    begun = time.perf_counter()
    done = running.measure(store_at(address), running.Means("cpu", memory=2**28, executor=executor), figures=["none"])
    assert done.exit_code == 0, done.lines()
    return time.perf_counter() - begun


def on_two_nodes(address: str, *, kill_after: float | None) -> float:
    """Measure it on a cluster of two nodes with a core each, one of which may be killed after some seconds."""
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    ray.init(cluster.address, logging_level="ERROR", log_to_driver=False)
    time.sleep(SETTLED)
    try:
        if kill_after is not None:
            threading.Timer(kill_after, lambda: cluster.remove_node(nodes[0], allow_graceful=False)).start()
        return measure(address, OnRay(cluster.address))
    finally:
        ray.shutdown()
        cluster.shutdown()


def scores(address: str) -> dict[tuple[object, ...], float]:
    """Return all scores of a store."""
    sql = "SELECT measure, model_a, layer_a, model_b, layer_b, value FROM layer_pairs"
    return {tuple(key): value for *key, value in store_at(address).rows(sql)}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=16)
    parser.add_argument("--neurons", type=int, default=768)
    parser.add_argument("--words", type=int, default=12_000)
    parser.add_argument("--kill", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
