"""How long do the measures of a sample of words take, against the formulas pair by pair?

    python bench/samples.py                        # 91 layers × 768 neurons, 1,000 words: 4,095 pairs
    python bench/samples.py --kendall              # Kendall's correlation too, which is pair by pair here as well
    python bench/samples.py --layers 12 --neurons 384 --words 500

Synthetic layers that share information go through the engine, all measures together. The baseline, in the same run,
computes a few pairs as rsatoolbox, ReSi and the Platonic repository do, both layers anew for every pair, in numpy and
scipy with all threads, and is scaled up.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import numpy.typing as npt
import scipy.linalg
import scipy.stats
import torch

from layeratlas.measures.declaration import Measure
from layeratlas.measures.engine import How, compare_pairs, tiles_of
from layeratlas.measures.registry import configure
from layeratlas.measures.sources.activations import ArrayRows

Matrix = npt.NDArray[Any]
NAMES = (
    "rsa", "rsm_difference", "distance_correlation", "cka_rbf", "mutual_knn", "jaccard_knn", "rank_similarity", "cknna",
    "second_order_cosine", "imd",
)  # fmt: skip


def main() -> None:
    """Make layers, time both, print the ratio."""
    options = _options()
    torch.set_num_threads(options.threads)
    layers = make(options.layers, options.neurons, options.words)
    pairs = list(itertools.combinations(range(options.layers), 2))
    print(f"{options.layers} layers × {options.neurons} neurons, {options.words:,} words: {len(pairs):,} pairs, "
          f"{options.threads} threads")  # fmt: skip
    chosen = [configure(name, parameters={"words": options.words}) for name in NAMES]
    before = _peak()
    ours = run(layers, pairs, chosen, options.memory)
    print(f"layeratlas, {len(chosen)} measures {ours:21.1f} s, {1e3 * ours / len(pairs):.2f} ms a pair")
    print(f"peak memory {_peak() / 2**30:.2f} GiB, {before / 2**30:.2f} of it before", flush=True)
    theirs = 0.0
    for name, formula in BASELINE.items():
        took = baseline(layers, pairs[:: len(pairs) // options.sample][: options.sample], formula)
        theirs += took
        print(f"  pair by pair {name:24} {1e3 * took:8.1f} ms a pair", flush=True)
    theirs *= len(pairs)
    print(f"pair by pair, scaled up {theirs:22.0f} s; pair by pair / ours {theirs / ours:.0f} × (target at least 20)")
    if options.kendall:
        few = pairs[: options.kendall]
        ours = run(layers, few, [configure("rsa", parameters={"words": options.words, "compare_by": "kendall"})])
        took = baseline(layers, few[:4], lambda a, b: scipy.stats.kendalltau(rdm(a), rdm(b)).statistic)
        print(f"Kendall: {1e3 * ours / len(few):.0f} ms a pair ({len(few)} pairs), scipy's {1e3 * took:.0f} ms")


def make(count: int, neurons: int, words: int) -> list[Matrix]:  # each [words, neurons], float32
    """Make layers, each a step away from the one before, with means of their own and repeated words in the first."""
    rng = np.random.default_rng(0)
    state, mean = rng.standard_normal((words, neurons)), 3 * rng.standard_normal(neurons)
    layers = []
    for _ in range(count):
        state = 0.9 * state + 0.5 * np.tanh(state) @ (rng.standard_normal((neurons, neurons)) / np.sqrt(neurons))
        layers.append((state / state.std() + mean).astype(np.float32))
    layers[0][1::7] = layers[0][0]
    return layers


def run(layers: list[Matrix], pairs: list[tuple[int, int]], chosen: list[Measure], memory: int = 2 * 2**30) -> float:
    """Return the seconds that the engine takes for all pairs."""
    sources = [ArrayRows(f"l{index}", layer) for index, layer in enumerate(layers)]
    tiles = tiles_of("activations", sources, pairs, chosen, memory)
    began, processor = time.perf_counter(), time.process_time()
    for outcomes in compare_pairs("activations", sources, pairs, chosen, How(torch.float32, memory=memory)):
        assert not any(one.reasons() for one in outcomes)
    took = time.perf_counter() - began
    print(f"  {len(tiles)} tiles, {time.process_time() - processor:.1f} s of processor time")
    return took


def baseline(layers: list[Matrix], pairs: list[tuple[int, int]], formula: Callable[[Matrix, Matrix], float]) -> float:
    """Return the seconds a pair of a formula."""
    began = time.perf_counter()
    for a, b in pairs:
        formula(layers[a], layers[b])
    return (time.perf_counter() - began) / len(pairs)


def rdm(x: Matrix) -> Matrix:  # [words, neurons] -> [pairs of words]
    """Cosine dissimilarities of rows less their mean."""
    x = x - x.mean(axis=0)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return (1 - x @ x.T)[np.triu_indices(len(x), 1)]


def distances(x: Matrix) -> Matrix:  # [words, words]
    """Euclidean distances."""
    own = (x * x).sum(axis=1)
    return np.sqrt(np.maximum(own + own[:, None] - 2 * x @ x.T, 0))


def u_centred(matrix: Matrix) -> Matrix:
    """Centring without the diagonal."""
    n = len(matrix)
    np.fill_diagonal(matrix, 0)
    means = matrix.sum(axis=0) / (n - 2)
    means -= means.sum() / (2 * (n - 1))
    matrix -= means[:, None]
    matrix -= means
    np.fill_diagonal(matrix, 0)
    return matrix


def cosine(x: Matrix, y: Matrix) -> float:
    """Cosine of two matrices."""
    return float(np.vdot(x, y) / (np.linalg.norm(x) * np.linalg.norm(y)))


def gaussian(x: Matrix) -> Matrix:
    """Kernel with the median as its width."""
    squared = distances(x) ** 2
    return np.exp(-squared / (2 * 0.25 * np.median(squared)))


def kernel(x: Matrix) -> Matrix:
    """Cosines of rows."""
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    return x @ x.T


def neighbours(similarity: Matrix, k: int = 10) -> Matrix:  # [words, k]
    """The k most similar, in order."""
    similarity = similarity.copy()
    np.fill_diagonal(similarity, -np.inf)
    found = np.argpartition(-similarity, k, axis=1)[:, :k]
    order = np.take_along_axis(-similarity, found, axis=1).argsort(axis=1)
    return np.take_along_axis(found, order, axis=1)


def mask(lists: Matrix) -> Matrix:
    """1 where a word is a neighbour."""
    found = np.zeros((len(lists), len(lists)), np.float32)
    np.put_along_axis(found, lists, 1, axis=1)
    return found


def mutual_knn(a: Matrix, b: Matrix) -> float:
    """Platonic repository: masks and their product."""
    return float((mask(neighbours(kernel(a))) * mask(neighbours(kernel(b)))).sum(axis=1).mean() / 10)


def jaccard_knn(a: Matrix, b: Matrix) -> float:
    """ReSi: sets, word by word."""
    lists = zip(neighbours(kernel(a)), neighbours(kernel(b)), strict=True)
    return float(np.mean([len(set(p) & set(q)) / len(set(p) | set(q)) for p, q in lists]))


def rank_similarity(a: Matrix, b: Matrix) -> float:
    """ReSi: sets, word by word."""
    values = []
    for p, q in zip(neighbours(kernel(a)), neighbours(kernel(b)), strict=True):
        common, r, s = np.intersect1d(p, q, assume_unique=True, return_indices=True)
        agreement = (2 / ((1 + np.abs(r - s)) * (r + s + 2))).sum()
        values.append(agreement / (1 / np.arange(1, len(common) + 1)).sum() if len(common) else 0)
    return float(np.mean(values))


def hsic(k: Matrix, m: Matrix) -> float:
    """Unbiased dependence, with the Platonic repository's products."""
    n = len(k)
    return float((k * m.T).sum() + k.sum() * m.sum() / ((n - 1) * (n - 2)) - 2 * (k @ m).sum() / (n - 2))


def cknna(a: Matrix, b: Matrix) -> float:
    """Platonic repository, one direction."""
    k, m = kernel(a), kernel(b)
    own, other = mask(neighbours(k)), mask(neighbours(m))
    both = own * other
    return hsic(k * both, m * both) / np.sqrt(hsic(k * own, k * own) * hsic(m * other, m * other))


def second_order(a: Matrix, b: Matrix) -> float:
    """ReSi: word by word."""
    k, m = kernel(a), kernel(b)
    values = []
    for word, (p, q) in enumerate(zip(neighbours(k), neighbours(m), strict=True)):
        either = np.union1d(p, q)
        values.append(cosine(k[word, either], m[word, either]))
    return float(np.mean(values))


def heat_trace(x: Matrix) -> Matrix:
    """Exact, of the graph of five nearest."""
    joined = mask(neighbours(-distances(x), 5))
    joined = np.maximum(joined, joined.T).astype(np.float64)
    scale = 1 / np.sqrt(joined.sum(axis=1))
    values = scipy.linalg.eigvalsh(np.eye(len(x)) - joined * scale * scale[:, None])
    return np.exp(-np.logspace(-1, 1, 256)[:, None] * values).mean(axis=1)


BASELINE: dict[str, Callable[[Matrix, Matrix], float]] = {
    "rsa": lambda a, b: float(scipy.stats.spearmanr(rdm(a), rdm(b)).statistic),
    "rsm_difference": lambda a, b: float(np.linalg.norm(distances(a) - distances(b)) / np.sqrt(2)),
    "distance_correlation": lambda a, b: cosine(u_centred(distances(a)), u_centred(distances(b))),
    "cka_rbf": lambda a, b: cosine(u_centred(gaussian(a)), u_centred(gaussian(b))),
    "mutual_knn": mutual_knn, "jaccard_knn": jaccard_knn, "rank_similarity": rank_similarity, "cknna": cknna,
    "second_order_cosine": second_order,
    "imd": lambda a, b: float(np.abs(heat_trace(a) - heat_trace(b)).max()),
}  # fmt: skip


def _peak() -> int:
    """Return the most bytes that this process has had in memory."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=91)
    parser.add_argument("--neurons", type=int, default=768)
    parser.add_argument("--words", type=int, default=1_000)
    parser.add_argument("--sample", type=int, default=3, help="pairs of the baseline")
    parser.add_argument("--kendall", type=int, nargs="?", const=20, default=0, help="pairs of Kendall's correlation")
    parser.add_argument("--memory", type=int, default=2 * 2**30)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser.parse_args()


if __name__ == "__main__":
    main()
