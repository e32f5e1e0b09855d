"""The attention measures in float64, a query at a time: what the fused products are held against."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Attention = npt.NDArray[Any]  # [heads, query, key] of one sentence
Sentences = list[Attention]


def attention(
    rng: np.random.Generator, heads: int, lengths: list[int], peak: float = 2.0, zeros: float = 0.0
) -> list[Attention]:
    """Random softmax attention; a share of the weights exactly 0."""
    found = []
    for words in lengths:
        weights = np.exp(peak * rng.standard_normal((heads, words, words)))
        weights *= (rng.random(weights.shape) >= zeros) | np.eye(words, dtype=bool)
        found.append(weights / weights.sum(axis=2, keepdims=True))
    return found


def rows(p: Attention, q: Attention, causal: bool, single_key: str) -> list[tuple[Attention, Attention]]:
    """The queries of two heads [query, key] that enter, each over the keys it may see."""
    pairs = []
    for query in range(len(p)):
        keys = query + 1 if causal else len(p)
        if keys > 1 or single_key == "count":
            left, right = p[query, :keys], q[query, :keys]
            pairs.append((left / left.sum(), right / right.sum()))
    return pairs


def correlation(p: Attention, q: Attention) -> float:
    if len(p) < 2 or np.ptp(p) < 1e-12 or np.ptp(q) < 1e-12:
        return 0.0
    return float(np.corrcoef(p, q)[0, 1])


def pearson(pairs: list[tuple[Attention, Attention]]) -> float:
    return sum(correlation(p, q) for p, q in pairs)


def pearson_nonzero(pairs: list[tuple[Attention, Attention]]) -> float:
    return sum(correlation(p[(p > 0) & (q > 0)], q[(p > 0) & (q > 0)]) for p, q in pairs)


def jensen_shannon(pairs: list[tuple[Attention, Attention]]) -> float:
    def divergence(p: Attention, m: Attention) -> float:
        return float(np.sum(p[p > 0] * np.log2(p[p > 0] / m[p > 0])))

    return sum(1 - (divergence(p, (p + q) / 2) + divergence(q, (p + q) / 2)) / 2 for p, q in pairs)


def frobenius(pairs: list[tuple[Attention, Attention]]) -> float:
    distance = np.sqrt(sum(np.sum((p - q) ** 2) for p, q in pairs))
    return float(len(pairs) * (1 - distance / np.sqrt(2 * len(pairs)))) if pairs else 0.0


ORACLES: dict[str, Callable[[list[tuple[Attention, Attention]]], float]] = {
    "frobenius": frobenius, "pearson": pearson, "pearson_nonzero": pearson_nonzero, "jensen_shannon": jensen_shannon,
}  # fmt: skip


def released(pairs: list[tuple[Attention, Attention]], similarity: str) -> float:
    """One sentence's sum as Wu et al.'s code has it: distances whole, correlations with a sample deviation, nats."""
    if similarity == "frobenius":
        return 1 - float(np.sqrt(sum(np.sum((p - q) ** 2) for p, q in pairs)))
    if similarity == "pearson":
        return sum(correlation(p, q) * (len(p) - 1) / len(p) for p, q in pairs)
    if similarity == "jensen_shannon":
        return sum(1 - (1 - jensen_shannon([pair])) * np.log(2) for pair in pairs)
    return sum(_released_nonzero(p, q) for p, q in pairs)


def _released_nonzero(p: Attention, q: Attention) -> float:
    count = np.sum((p > 0) & (q > 0))
    spread = [count * np.sum(x**2) - np.sum(x) ** 2 for x in (p, q)]
    if spread[0] <= 0 or spread[1] <= 0:
        return 0.0
    return float((count * np.sum(p * q) - np.sum(p) * np.sum(q)) / np.sqrt(spread[0] * spread[1]))


def attsim(
    a: list[Attention], b: list[Attention], similarity: str = "pearson", causal: bool = False,
    single_key: str = "leave-out", convention: str = "bounded",
) -> tuple[float, npt.NDArray[np.float64]]:  # fmt: skip
    """The score of a towards b, and the similarity of every head of a with every head of b."""
    heads = np.zeros((len(a[0]), len(b[0])))
    for i in range(len(a[0])):
        for j in range(len(b[0])):
            some = [rows(x[i], y[j], causal, single_key) for x, y in zip(a, b, strict=True)]
            some = [pairs for pairs in some if pairs]
            if convention == "released":
                total, counted = sum(released(pairs, similarity) for pairs in some), len(some)
                if similarity != "frobenius":
                    counted = sum(map(len, some))
            else:
                total, counted = sum(ORACLES[similarity](pairs) for pairs in some), sum(map(len, some))
            heads[i, j] = total / counted
    return float(heads.max(axis=1).mean()), heads


def positions(
    sentences: list[Attention], causal: bool = False, single_key: str = "leave-out"
) -> npt.NDArray[np.float64]:  # [positions, heads]
    """Attention as a representation."""
    found = []
    for sentence in sentences:
        for query in range(sentence.shape[1]):
            keys = query + 1 if causal else sentence.shape[1]
            if keys > 1 or single_key == "count":
                seen = sentence[:, query, :keys]
                found.append((seen / seen.sum(axis=1, keepdims=True)).T)
    return np.concatenate(found)
