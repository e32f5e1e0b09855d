"""How long do a million scores take to share, and how near is a transfer to a bare copy of the same bytes?

    python bench/remotes.py

999,000 scores (40 models × 25 layers) are exported, imported into an empty store, and pulled from another store's
folder. Then the 2 GB that a model of 26 layers × 768 neurons × 25,000 words takes are pushed to a bucket of an S3
server in a process of its own (moto), and pulled from it; the floor is a bare copy of the same files by boto3, eight at
a time, in turns. A pull is on disk when it ends (`fsync`), so that it is also compared with a bare copy that is.
"""

from __future__ import annotations

import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import catalog as million
import numpy as np

from layeratlas.store.artifacts.activations import ActivationWriter
from layeratlas.store.files import readable_size, sync
from layeratlas.store.identity import ArtifactIdentity, Settings
from layeratlas.store.sharing import share
from layeratlas.store.sharing.selection import Selection
from layeratlas.store.store import Store

LAYERS, NEURONS, WORDS = 26, 768, 25_000
REPEAT = 3
ALL = Selection()


def main() -> None:
    """Print seconds and ratios."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = f"{folder}/cache"
        scores(Path(folder))
        with s3_server() as client:
            artifacts(Path(folder), client)


def scores(folder: Path) -> None:
    """A million scores: one file there and back, and from folder to folder."""
    store, file = Store(folder / "million"), folder / "million.atlas.zip"
    million.fill(store)
    store.merge()
    log = sum(path.stat().st_size for path in (store.root / "results").rglob("*.parquet"))
    catalog = (store.root / "catalog.duckdb").stat().st_size
    count = million.MODELS * million.LAYERS * (million.MODELS * million.LAYERS - 1)
    print(f"{count:,} scores: log {readable_size(log)}, catalog {readable_size(catalog)}: {log / catalog:.0%} on top")
    exported = million.seconds(lambda: share.export(store, file, Selection(scores_only=True)))
    imported = million.seconds(lambda: share.import_bundle(Store(folder / "imported"), file, ALL))
    wholly, partly = Selection(scores_only=True), Selection(models=("model-1",), scores_only=True)
    pulled = million.seconds(lambda: share.pull(Store(folder / "pulled"), str(store.root), wholly))
    part = million.seconds(lambda: share.pull(Store(folder / "part"), str(store.root), partly))
    print(f"export {exported:.1f} s, import and merge {imported:.1f} s, pull and merge {pulled:.1f} s (target 10 each)")
    print(f"pull of one model's scores {part:.1f} s")


def artifacts(folder: Path, client: object) -> None:
    """Artifacts over the wire, in turns with a bare copy."""
    store = Store(folder / "layers")
    for layer in range(LAYERS):
        write(store, layer)
    store.write("models", [{"weights": "v1:m", "name": "m", "family": "f", "layers": LAYERS, "source": "own"}])
    store.write("corpora", [{"corpus": "v1:c", "name": "c", "sentences": 1, "words": WORDS}])
    store.merge()
    files = sorted((store.root / "activations").rglob("*.parquet"))
    size = sum(path.stat().st_size for path in files)
    found: dict[str, list[float]] = {name: [] for name in ("put", "push", "get", "get and sync", "pull")}
    for turn in range(REPEAT):
        found["put"].append(million.seconds(lambda turn=turn: bare(client, files, f"bare{turn}")))
        found["push"].append(million.seconds(lambda turn=turn: share.push(store, f"s3://lab/{turn}", ALL)))
        found["get"].append(million.seconds(lambda turn=turn: back(client, files, f"bare{turn}", folder)))
        shutil.rmtree(folder / f"bare{turn}")
        found["get and sync"].append(
            million.seconds(lambda turn=turn: back(client, files, f"bare{turn}", folder, sync))
        )
        shutil.rmtree(folder / f"bare{turn}")
        pulled = Store(folder / f"pulled-{turn}")
        found["pull"].append(
            million.seconds(lambda turn=turn, pulled=pulled: share.pull(pulled, f"s3://lab/{turn}", ALL))
        )
        shutil.rmtree(pulled.root)
        for page in client.get_paginator("list_objects_v2").paginate(Bucket="lab"):  # type: ignore[attr-defined]
            for each in page["Contents"]:
                client.delete_object(Bucket="lab", Key=each["Key"])  # type: ignore[attr-defined]
    middle = {name: statistics.median(times) for name, times in found.items()}
    for ours, floor in (("push", "put"), ("pull", "get"), ("pull", "get and sync")):
        print(
            f"{ours} of {readable_size(size)} {middle[ours]:.2f} s, bare {floor} {middle[floor]:.2f} s: "
            f"{middle[floor] / middle[ours]:.0%} of its rate (target 70 %)"
        )


def write(store: Store, layer: int) -> None:
    """One layer of noise."""
    values = np.random.default_rng(layer).standard_normal((WORDS, NEURONS), np.float32)
    with ActivationWriter(store.root, ArtifactIdentity("v1:m", "v1:c", layer, Settings()), "m", NEURONS) as writer:
        writer.write(np.arange(WORDS, dtype=np.int32), np.zeros(WORDS, np.int32), ["word"] * WORDS, values)
    assert writer.artifact is not None
    store.write_artifact(writer.artifact, "bench")


def bare(client: object, files: list[Path], prefix: str) -> None:
    """Copy files into the bucket, and no more."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda path: client.upload_file(str(path), "lab", f"{prefix}/{path.name}"), files))  # type: ignore[attr-defined]


def back(
    client: object, files: list[Path], prefix: str, folder: Path, then: Callable[[Path], None] | None = None
) -> None:
    """Copy them back, and do something with each copy."""
    (folder / prefix).mkdir()

    def copy(path: Path) -> None:
        client.download_file("lab", f"{prefix}/{path.name}", str(folder / prefix / path.name))  # type: ignore[attr-defined]
        if then:
            then(folder / prefix / path.name)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(copy, files))


@contextmanager
def s3_server() -> Iterator[object]:
    """An S3 server in a process of its own, with one bucket."""
    import boto3

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
    }  # fmt: skip
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.05)
        client = boto3.client("s3")
        client.create_bucket(Bucket="lab")
        yield client
    finally:
        server.kill()


if __name__ == "__main__":
    main()
