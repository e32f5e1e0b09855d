"""Every measure of activations in float64, written the slow, obvious way: what the fast kernels are held against.

An oracle takes two arrays [words, neurons] and the measure's parameters. A measure without one fails the tests.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attention_oracles
import numpy as np
import numpy.typing as npt
import sample_oracles
import scipy.linalg

Matrix = npt.NDArray[np.float64]


def standardised(x: npt.NDArray[Any]) -> Matrix:
    """Centre, and divide live neurons by their spread; dead ones become 0."""
    x = x.astype(np.float64)
    x = x - x.mean(axis=0)
    spread = x.std(axis=0)
    dead = spread < 1e-9 * np.abs(x).max()
    return np.where(dead, 0, x / np.where(dead, 1, spread))


def neuronsim(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> float:
    left, right = standardised(a), standardised(b)
    best = np.abs(left.T @ right / len(a)).max(axis=1)
    return float(best[left.any(axis=0)].mean())


def mixedsim(a: npt.NDArray[Any], b: npt.NDArray[Any], rank_tolerance: float = 1e-6) -> float:
    left, right = standardised(a), standardised(b)
    left = left[:, left.any(axis=0)]
    cut = np.sqrt(rank_tolerance * len(a)) / scipy.linalg.svdvals(right)[0]
    weights = scipy.linalg.lstsq(right, left, cond=cut)[0]
    fitted = right @ weights
    return float(np.mean([np.corrcoef(fitted[:, k], left[:, k])[0, 1] for k in range(left.shape[1])]))


def canonical(
    a: npt.NDArray[Any], b: npt.NDArray[Any], variance: float = 0.99, cut: str = "reach"
) -> tuple[Matrix, Matrix]:
    """Return the canonical correlations and a's canonical variables [words, shared]."""
    bases = []
    for x in (a, b):
        vectors, values, _ = scipy.linalg.svd(standardised(x), full_matrices=False)
        share = np.cumsum(values**2) / np.sum(values**2)
        bases.append(vectors[:, : int(np.searchsorted(share, variance)) + (cut == "reach")])
    left, correlations, _ = scipy.linalg.svd(bases[0].T @ bases[1], full_matrices=False)
    return correlations, bases[0] @ left


def svsim(a: npt.NDArray[Any], b: npt.NDArray[Any], **cut: Any) -> float:
    return float(canonical(a, b, **cut)[0].mean())


def pwsim(a: npt.NDArray[Any], b: npt.NDArray[Any], **cut: Any) -> float:
    correlations, variables = canonical(a, b, **cut)
    weights = np.abs(variables.T @ (a.astype(np.float64) - a.mean(axis=0, dtype=np.float64))).sum(axis=1)
    return float(weights @ correlations / weights.sum())


def ckasim(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> float:
    """CKA by its definition over words: the similarity of two [words, words] kernels."""
    kernels = []
    for x in (a, b):
        centred = x.astype(np.float64) - x.mean(axis=0, dtype=np.float64)
        kernels.append(centred @ centred.T)
    left, right = kernels
    return float((left * right).sum() / np.sqrt((left**2).sum() * (right**2).sum()))


def over_positions(oracle: Callable[..., float]) -> Callable[..., float]:
    """Return the oracle of a measure of activations over the positions of attention."""

    def of_attention(
        a: attention_oracles.Sentences, b: attention_oracles.Sentences, causal: bool = False,
        single_key: str = "leave-out", zeros: str = "keep", **parameters: Any,
    ) -> float:  # fmt: skip
        rows = [attention_oracles.positions(layer, causal, single_key) for layer in (a, b)]
        if zeros == "drop":
            kept = (rows[0] != 0).all(axis=1)
            rows = [positions[kept] for positions in rows]
        return oracle(*rows, **parameters)

    return of_attention


#: By the measure's name.
ORACLES: dict[str, Callable[..., float]] = {
    "neuronsim": neuronsim, "mixedsim": mixedsim, "svsim": svsim, "pwsim": pwsim, "ckasim": ckasim,
    "attention_ckasim": over_positions(ckasim), "attention_svsim": over_positions(svsim),
    "attention_pwsim": over_positions(pwsim),
    "attsim": lambda a, b, **parameters: attention_oracles.attsim(a, b, **parameters)[0],
    **sample_oracles.ORACLES,
}  # fmt: skip
