"""How long do a million scores take: to merge, and to ask?

    python bench/catalog.py

40 models × 25 layers, one symmetric measure: 999,000 scores. Merging is held against a bare DuckDB statement that
copies the same file of the log into a table; `query top-pairs`, a process of its own, against a process that imports
duckdb and click, opens the catalog and runs one bare `ORDER BY value LIMIT 10` over the scores.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import duckdb
import numpy as np

from layeratlas.measures import configuration, configure
from layeratlas.measures.registry import configuration_row
from layeratlas.store.identity import ArtifactIdentity, Settings
from layeratlas.store.store import Store

ROOT = Path(__file__).resolve().parent.parent
MODELS, LAYERS = 40, 25
BARE = (
    "import sys, click, duckdb; c = duckdb.connect(sys.argv[1], read_only=True); "
    "c.execute('SELECT * FROM base.scores ORDER BY value DESC LIMIT 10').fetchall()"
)


def main() -> None:
    """Log, merge and ask; print seconds and ratios."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        fill(store)
        file = next((store.root / "results" / "scores").glob("*.parquet"))
        copied = seconds(lambda: duckdb.connect(f"{folder}/bare.duckdb").execute(f"CREATE TABLE t AS FROM '{file}'"))
        merged = seconds(store.merge)
        ask = [sys.executable, "cli.py", "query", "top-pairs", "--across", "families", "--store", folder]
        bare = [sys.executable, "-c", BARE, f"{folder}/catalog.duckdb"]
        asked, floor = (median(lambda c=command: run(c)) for command in (ask, bare))
    count = MODELS * LAYERS * (MODELS * LAYERS - 1)
    print(
        f"merge of {count:,} scores {merged:5.2f} s, {merged / copied:.1f} × a bare copy of {copied:.2f} s (target 5 s)"
    )
    print(
        f"query top-pairs, all in {asked:5.2f} s, {asked / floor:.1f} × a bare script of {floor:.2f} s (target 0.5 s)"
    )


def fill(store: Store) -> None:
    """Log models, artifacts and a random score for every ordered pair of layers."""
    weights = [f"v1:{model}" for model in range(MODELS)]
    artifacts = [ArtifactIdentity(w, "v1:c", layer, Settings()).artifact for w in weights for layer in range(LAYERS)]
    store.write("models", [{"weights": w, "name": f"model-{i}", "family": f"family-{i % 6}", "layers": LAYERS - 1,
                            "source": "own"} for i, w in enumerate(weights)])  # fmt: skip
    store.write("corpora", [{"corpus": "v1:c", "name": "corpus", "sentences": 1, "words": 25_000}])
    store.write("artifacts", [{"artifact": artifact, "weights": weights[i // LAYERS], "corpus": "v1:c",
                               "kind": "activations", "layer": i % LAYERS, "words_from_tokens": "last", "words": 25_000,
                               "units": 768, "word_set": "w", "path": f"{i}", "bytes": 1, "sha256": "s"}
                              for i, artifact in enumerate(artifacts)])  # fmt: skip
    identity = configuration(configure("ckasim"))
    store.write("configurations", [configuration_row(configure("ckasim"))])
    store.merge()
    values = np.random.default_rng(0).random((len(artifacts), len(artifacts)))
    values = (values + values.T) / 2
    store.write("scores", [{"configuration": identity.configuration, "artifact_a": a, "artifact_b": b, "words": 25_000,
                            "value": float(values[i, j]), "diagnostics": '{"words": 25000}', "run": "bench"}
                           for i, a in enumerate(artifacts) for j, b in enumerate(artifacts) if i != j])  # fmt: skip


def seconds(work: Callable[[], object]) -> float:
    """Time `work` once."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def median(work: Callable[[], object], times: int = 5) -> float:
    """Return the median time of `work`."""
    return statistics.median(seconds(work) for _ in range(times))


def run(command: list[str]) -> None:
    """Run a process to its end."""
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)


if __name__ == "__main__":
    main()
