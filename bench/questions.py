"""How long does every question take, its process from start to end?

    python bench/questions.py

On what Wu et al. published (studies/wu2020-published.toml, 45,110 scores), on a catalog of a million (18 models × 25
layers) and on one of many small layers (20 × 26, 1.35 million scores); five measures, single neurons among the first 60
layers and of one layer towards all. Targets: 0.3 s, and 1 s for both large ones.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from layeratlas.measures import configuration, configure
from layeratlas.measures.registry import configuration_row
from layeratlas.store.identity import ArtifactIdentity, Settings
from layeratlas.store.store import Store

ROOT = Path(__file__).resolve().parent.parent
LARGE, SMALL_LAYERS = (18, 25, 768), (20, 26, 64)  # models, layers each, neurons each
DETAILED = 60  # layers with scores of single neurons
NAMES = ("neuronsim", "mixedsim", "svsim", "pwsim", "ckasim")
TIMES = 5


def main() -> None:
    """Build both catalogs, ask, print seconds."""
    with tempfile.TemporaryDirectory() as folder:
        published, large, many = (Path(folder) / name for name in ("published", "large", "many"))
        run(["run", "studies/wu2020-published.toml", "--store", str(published)])
        fill(Store(large), *LARGE)
        fill(Store(many), *SMALL_LAYERS)
        ask(published, "bert_base_cased", "xlnet_large_cased", "published figures", 0.3)
        ask(large, "model-0", "model-5", "a million scores", 1.0)
        ask(many, "model-0", "model-5", "520 small layers", 1.0)


def ask(store: Path, model: str, other: str, what: str, target: float) -> None:
    """Time every question on one catalog."""
    questions = [
        ["top-pairs"], ["top-pairs", "--across", "families", "--least"], ["nearest", f"{model}:3"],
        ["heatmap", model, other], ["heatmap"], ["models"], ["measures"], ["consistency"], ["coverage"],
        ["families"], ["localization"], ["correspondence", model, other], ["factors"],
    ]  # fmt: skip
    if what != "published figures":
        questions.append(["neurons", f"{model}:3"])
    print(f"{what} (target {target} s, median of {TIMES})")
    for question in questions:
        taken = [run(["query", *question, "--store", str(store)]) for _ in range(TIMES)]
        middle = statistics.median(taken)
        late = "" if middle < target else "  LATE"
        print(f"  {' '.join(question):<45} {middle:5.2f} s  ({min(taken):.2f} to {max(taken):.2f}){late}")


def fill(store: Store, models: int, layers: int, size: int) -> None:
    """Fill a store with random scores of every ordered pair of layers under every measure."""
    random = np.random.default_rng(0)
    weights = [f"v1:{model}" for model in range(models)]
    artifacts = [ArtifactIdentity(w, "v1:c", layer, Settings()).artifact for w in weights for layer in range(layers)]
    store.write("models", [{"weights": w, "name": f"model-{i}", "family": f"family-{i % 6}", "layers": layers - 1,
                            "source": "own"} for i, w in enumerate(weights)])  # fmt: skip
    store.write("corpora", [{"corpus": "v1:c", "name": "corpus", "sentences": 1, "words": 25_000}])
    store.write("artifacts", [{"artifact": artifact, "weights": weights[i // layers], "corpus": "v1:c",
                               "kind": "activations", "layer": i % layers, "words_from_tokens": "last", "words": 25_000,
                               "units": size, "word_set": "w", "path": f"{i}", "bytes": 1, "sha256": "s"}
                              for i, artifact in enumerate(artifacts)])  # fmt: skip
    for name in NAMES:
        identity = configuration(configure(name))
        store.write("configurations", [configuration_row(configure(name))])
        values = random.random((len(artifacts), len(artifacts))) / (2 if name == "neuronsim" else 1)
        values = (values + values.T) / 2
        rows = [{"configuration": identity.configuration, "artifact_a": a, "artifact_b": b, "words": 25_000,
                 "value": float(values[i, j]), "diagnostics": '{"words": 25000}', "run": "bench",
                 **(neurons(random, size) if name == "neuronsim" and (i == 3 or max(i, j) < DETAILED) else {})}
                for i, a in enumerate(artifacts) for j, b in enumerate(artifacts) if i != j]  # fmt: skip
        store.write("scores", rows)
    store.merge()


def neurons(random: np.random.Generator, size: int) -> dict[str, object]:
    """Scores and matches of single neurons."""
    return {"units": random.random(size).tolist(), "matches": random.integers(0, size, size).tolist()}


def run(arguments: list[str]) -> float:
    """Run layeratlas to its end; return its seconds."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "cli.py", *arguments], cwd=ROOT, check=True, capture_output=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
