"""How fast are the attention measures, against their formulas layer pair by layer pair?

    python bench/attention.py                        # two models of 12 layers × 12 heads, 400 sentences, all cores
    python bench/attention.py --layers 4 --sentences 100 --repeat 1

Random softmax attention, as peaked as trained heads are, over sentences as long as the first of EWT's development part.
For each similarity, in turns: all 144 × 144 pairs of heads of the two models by `compare_attention_pairs`, from arrays
in memory, checks included; and the formulas as torch code states them, a layer pair and a sentence at a time, on a
sample of the layer pairs, scaled up. A warm-up goes first; nothing else is set up. Both sides have the same threads,
and start from float32. With one thread, seconds are the processor's, which other work disturbs less than the clock's.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import numpy.typing as npt
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

from layeratlas import measures
from layeratlas.measures.engine import compare_pairs
from layeratlas.measures.sources.attention import ArraySentences

ROOT = Path(__file__).resolve().parent.parent
TARGETS = {"frobenius": 20, "pearson": 20, "jensen_shannon": 8}


def main() -> None:
    """Time each similarity's two ways in turns, print the ratios."""
    options = _options()
    torch.set_num_threads(options.threads)
    lengths = ewt_lengths(options.sentences)
    layers = [
        ArraySentences(f"layer {index}", attention(index, options.heads, lengths))
        for index in range(2 * options.layers)
    ]
    pairs = list(itertools.product(range(options.layers), range(options.layers, 2 * options.layers)))
    sample = pairs[:: max(1, len(pairs) // options.sample)][: options.sample]
    print(
        f"2 models × {options.layers} layers × {options.heads} heads, {len(lengths)} sentences of "
        f"{np.mean(lengths):.1f} words ({sum(n * n for n in lengths):,} positions a head), {options.threads} threads"
    )
    with threadpool_limits(options.threads, user_api="blas"):
        for similarity, formula in FORMULAS.items():
            clock = time.process_time if options.threads == 1 else time.perf_counter
            ours, theirs = turns(similarity, formula, layers, pairs, sample, repeat=options.repeat, clock=clock)
            report(similarity, ours, theirs, difference(similarity, formula, layers, sample[0]))
    print(f"peak memory, inputs included {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


def turns(
    similarity: str, formula: Callable[[Tensor, Tensor], Tensor], layers: list[ArraySentences],
    pairs: list[tuple[int, int]], sample: list[tuple[int, int]], *, repeat: int, clock: Callable[[], float],
) -> tuple[list[float], list[float]]:  # fmt: skip
    """Time one similarity both ways, in turns; return seconds for all pairs."""
    ours, theirs = [], []
    fused(similarity, layers, pairs)
    for _ in range(repeat):
        began = clock()
        fused(similarity, layers, pairs)
        ours.append(clock() - began)
        began = clock()
        pair_by_pair(formula, layers, sample)
        theirs.append((clock() - began) * len(pairs) / len(sample))
    return ours, theirs


def difference(
    similarity: str, formula: Callable[[Tensor, Tensor], Tensor], layers: list[ArraySentences], pair: tuple[int, int]
) -> float:
    """How far the two ways are apart on a pair."""
    return abs(fused(similarity, layers, [pair])[pair] - pair_by_pair(formula, layers, [pair])[pair])


def report(similarity: str, ours: list[float], theirs: list[float], apart: float) -> None:
    """Print medians, all figures, and the ratio."""
    quick, slow = statistics.median(ours), statistics.median(theirs)
    print(
        f"{similarity:15} {quick:6.2f} s {[round(x, 2) for x in ours]}, pair by pair {slow:6.2f} s "
        f"{[round(x, 1) for x in theirs]}: {slow / quick:.1f} × (target {TARGETS[similarity]}); {apart:.0e} apart",
        flush=True,
    )


def fused(similarity: str, layers: list[ArraySentences], pairs: list[tuple[int, int]]) -> dict[tuple[int, int], float]:
    """Score all pairs by the engine."""
    measure = measures.configure("attsim", parameters={"similarity": similarity})
    scores = {}
    for some in compare_pairs("attention", layers, pairs, [measure]):
        for outcomes in some:
            for pair, score in outcomes.single():
                assert isinstance(score, measures.Score), score
                scores[pair] = score.value
    return scores


def pair_by_pair(
    formula: Callable[[Tensor, Tensor], Tensor], layers: list[ArraySentences], pairs: list[tuple[int, int]]
) -> dict[tuple[int, int], float]:
    """Score pairs as the formulas stand, sentence by sentence."""
    scores = {}
    for a, b in pairs:
        total, queries = torch.zeros(layers[a].units, layers[b].units), 0
        for left, right in zip(layers[a].sentences, layers[b].sentences, strict=True):
            if left.shape[1] > 1:
                total += formula(torch.from_numpy(left), torch.from_numpy(right))
                queries += left.shape[1]
        scores[a, b] = float((total / queries).amax(dim=1).mean())
    return scores


def frobenius(a: Tensor, b: Tensor) -> Tensor:  # [heads, query, key] twice -> [heads_a, heads_b]
    """Sum over queries of one minus the distance over its largest value."""
    words = a.shape[1]
    return words * (1 - (a[:, None] - b[None]).flatten(2).norm(dim=2) / (2 * words) ** 0.5)


def pearson(a: Tensor, b: Tensor) -> Tensor:
    """Sum over queries of the correlation of two rows."""
    left, right = ((x - x.mean(2, keepdim=True)) / x.std(2, keepdim=True, correction=0) for x in (a, b))
    return (left[:, None] * right[None]).mean(3).sum(2)


def jensen_shannon(a: Tensor, b: Tensor) -> Tensor:
    """Sum over queries of one minus the divergence in bits."""
    p, q = a[:, None], b[None]
    middle = (p + q) / 2
    divergence = sum(torch.where(x > 0, x * (x / middle).log(), 0).sum(3) for x in (p, q)) / 2
    return (1 - divergence / np.log(2)).sum(2)


FORMULAS = {"frobenius": frobenius, "pearson": pearson, "jensen_shannon": jensen_shannon}


def ewt_lengths(count: int) -> list[int]:
    """How many words the first sentences have."""
    with gzip.open(ROOT / "corpora" / "ewt" / "en_ewt-ud-dev.conllu.gz", "rt", encoding="utf-8") as lines:
        sentences = lines.read().strip().split("\n\n")[:count]
    return [sum(line.split("\t")[0].isdigit() for line in sentence.splitlines()) for sentence in sentences]


def attention(seed: int, heads: int, lengths: list[int]) -> list[npt.NDArray[np.float32]]:
    """Random softmax attention of one layer."""
    rng = np.random.default_rng(seed)
    found = []
    for words in lengths:
        scores = np.exp(2 * rng.standard_normal((heads, words, words), dtype=np.float32))
        found.append(scores / scores.sum(axis=2, keepdims=True))
    return found


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--heads", type=int, default=12)
    parser.add_argument("--sentences", type=int, default=400)
    parser.add_argument("--sample", type=int, default=12, help="layer pairs that the formulas are timed on")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser.parse_args()


if __name__ == "__main__":
    main()
