"""How long does a pair of small layers take, against the bare arithmetic that it needs?

    python bench/small.py                          # 520 layers × 64 neurons × 3,000 words: 134,940 pairs, minutes
    python bench/small.py --layers 100

Synthetic layers that share information go to a store in a temporary folder, and `measure` computes the five measures of
all pairs as the command does. The floor, in the same run: for each pair the float32 product over the words and the
eigenvalue problem of one [64, 64] matrix in float64, which any way of computing canonical correlations must solve, one
after the other on as many cores.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import torch
from measure import measure
from threadpoolctl import threadpool_limits
from torch import Tensor

from layeratlas.store.artifacts.activations import ActivationWriter
from layeratlas.store.identity import ArtifactIdentity, Settings
from layeratlas.store.store import Store

LAYERS_A_MODEL = 13


def main() -> None:
    """Fill a store, time both, print the ratio."""
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        layers = fill(Path(folder), options.layers, options.neurons, options.words)
        pairs = options.layers * (options.layers - 1) // 2
        took, peak = measure(Path(folder), options.threads)
        sample = min(pairs, 4000)
        bare = floor(layers, sample, options.threads) / sample * pairs
    print(f"{options.layers} layers × {options.neurons} neurons × {options.words:,} words: {pairs:,} pairs")
    print(f"measure, five measures, both directions {took:8.1f} s, {1e3 * took / pairs:.3f} ms a pair")
    print(f"bare product and eigenvalue problem     {bare:8.1f} s; measure takes {took / bare:.1f} × that")
    print(f"peak memory of measure {peak / 2**30:.2f} GiB")


def fill(root: Path, count: int, neurons: int, words: int) -> list[Tensor]:  # each [words, neurons]
    """Write layers of as many models as needed, each a mixture of 200 common directions and its own noise."""
    rng = np.random.default_rng(0)
    store = Store(root)
    common = rng.standard_normal((words, 200), dtype=np.float32)
    layers = []
    for index in range(count):
        mixed = 0.1 * common @ rng.standard_normal((200, neurons), dtype=np.float32)
        layer = mixed + 0.5 * rng.standard_normal((words, neurons), dtype=np.float32)
        layers.append(torch.from_numpy(layer))
        model, number = divmod(index, LAYERS_A_MODEL)
        identity = ArtifactIdentity(f"v1:model-{model}", "v1:corpus", number, Settings())
        with ActivationWriter(root, identity, f"model-{model}", neurons) as writer:
            place = np.arange(words, dtype=np.int32)
            writer.write(place, np.zeros(words, np.int32), ["w"] * words, layer)
        assert writer.artifact is not None
        store.write_artifact(writer.artifact, "bench")
    store.write("models", [
        {"weights": f"v1:model-{m}", "name": f"model-{m}", "family": f"family-{m % 4}", "layers": LAYERS_A_MODEL - 1,
         "neurons": neurons, "source": "own"}
        for m in range(-(-count // LAYERS_A_MODEL))
    ])  # fmt: skip
    store.write("corpora", [{"corpus": "v1:corpus", "name": "synthetic", "sentences": words, "words": words}])
    store.merge()
    return layers


def floor(layers: list[Tensor], pairs: int, threads: int) -> float:
    """Seconds for products and eigenvalue problems of some pairs, spread over the cores."""
    chosen = list(itertools.islice(itertools.combinations(range(len(layers)), 2), pairs))
    together = torch.cat(layers, dim=1).numpy()
    width = layers[0].shape[1]
    last = max(b for _, b in chosen) + 1
    grams = np.random.default_rng(0).standard_normal((len(chosen), width, width))
    grams = grams @ grams.transpose(0, 2, 1)
    began = time.perf_counter()
    for a in sorted({a for a, _ in chosen}):
        together[:, a * width : (a + 1) * width].T @ together[:, : last * width]
    with threadpool_limits(1), ThreadPoolExecutor(threads) as pool:
        torch.set_num_threads(1)
        list(pool.map(lambda part: torch.linalg.eigh(torch.from_numpy(part)), np.array_split(grams, 4 * threads)))
    return time.perf_counter() - began


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=520)
    parser.add_argument("--neurons", type=int, default=64)
    parser.add_argument("--words", type=int, default=3_000)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser.parse_args()


if __name__ == "__main__":
    main()
