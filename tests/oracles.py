"""Every measure of activations in float64, written the slow, obvious way: what the fast kernels are held against.

An oracle takes two arrays [words, neurons] and the measure's parameters. A measure without one fails the tests.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import attention_oracles
import numpy as np
import numpy.typing as npt
import sample_oracles
import scipy.linalg
import scipy.optimize

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


def ckasim(a: npt.NDArray[Any], b: npt.NDArray[Any], form: str = "similarity") -> float:
    """CKA by its definition over words: the similarity of two [words, words] kernels."""
    kernels = []
    for x in (a, b):
        centred = x.astype(np.float64) - x.mean(axis=0, dtype=np.float64)
        kernels.append(centred @ centred.T)
    left, right = kernels
    return as_form((left * right).sum() / np.sqrt((left**2).sum() * (right**2).sum()), form)


def cka_of_kernels(
    a: npt.NDArray[Any], b: npt.NDArray[Any], form: str = "similarity", diagonal: str = "unbiased"
) -> float:
    """CKA of U-centred kernels (Székely and Rizzo 2014), diagonals left out; or of centred ones without diagonals."""
    kernels = []
    for x in (a, b):
        n, kernel = len(x), centred(x) @ centred(x).T
        np.fill_diagonal(kernel, 0)
        rows = kernel.sum(axis=0) * (diagonal == "unbiased")
        kernel = kernel - (rows[:, None] + rows) / (n - 2) + rows.sum() / ((n - 1) * (n - 2))
        np.fill_diagonal(kernel, 0)
        kernels.append(kernel)
    left, right = kernels
    return as_form((left * right).sum() / np.sqrt((left**2).sum() * (right**2).sum()), form)


def as_form(similarity: float, form: str) -> float:
    """A form of a similarity (`measures/kernels/_forms.py`)."""
    s = min(max(similarity, -1), 1)
    return {
        "similarity": s, "complement": 1 - s, "squared": 2 - 2 * s, "distance": np.sqrt(2 - 2 * s),
        "angular": np.arccos(s),
    }[form]  # fmt: skip


def centred(x: npt.NDArray[Any], about_mean: bool = True) -> Matrix:
    x = x.astype(np.float64)
    return x - x.mean(axis=0) if about_mean else x


def basis(x: npt.NDArray[Any], scales: bool = True, about_mean: bool = True) -> tuple[Matrix, Matrix]:
    """Left singular vectors [words, rank] and singular values; of neurons of one scale, where none may be lost."""
    x = centred(x, about_mean)
    rms = np.sqrt((x**2).mean(axis=0))
    x = x[:, rms > 1e-9 * np.abs(x).max()] / (rms[rms > 1e-9 * np.abs(x).max()] if scales else 1)
    vectors, values, _ = scipy.linalg.svd(x, full_matrices=False)
    rank = int((values > 1e-6 * values[0]).sum())
    return vectors[:, :rank], values[:rank]


def directions(x: npt.NDArray[Any]) -> Matrix:
    return basis(x)[0]


def correlations(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> Matrix:
    return np.minimum(scipy.linalg.svdvals(directions(a).T @ directions(b)), 1)


def cca(a: npt.NDArray[Any], b: npt.NDArray[Any], form: str = "similarity", summary: str = "mean") -> float:
    found, ranks = correlations(a, b), (directions(a).shape[1], directions(b).shape[1])
    value = {
        "mean": found.mean(), "r2": (found**2).mean(), "yanai": (found**2).sum() / np.sqrt(ranks[0] * ranks[1]),
    }[summary]  # fmt: skip
    return as_form(value, form)


def pwcca(a: npt.NDArray[Any], b: npt.NDArray[Any], form: str = "similarity") -> float:
    left, found, _ = scipy.linalg.svd(directions(a).T @ directions(b), full_matrices=False)
    weights = np.abs((directions(a) @ left).T @ centred(a)).sum(axis=1)
    return as_form(weights @ np.minimum(found, 1) / weights.sum(), form)


def svcca(
    a: npt.NDArray[Any], b: npt.NDArray[Any], form: str = "similarity", variance: float = 0.99, components: int = 0
) -> float:
    bases = []
    for x in (a, b):
        vectors, values, _ = scipy.linalg.svd(centred(x), full_matrices=False)
        reach = int((np.cumsum(values**2) / np.sum(values**2) < variance - 1e-12).sum()) + 1
        bases.append(vectors[:, : components or reach])
    return as_form(scipy.linalg.svdvals(bases[0].T @ bases[1]).mean(), form)


def moved(overlap: float, a: Matrix, b: Matrix, form: str) -> float:
    if form.startswith("size"):
        distance = np.sqrt(max(0, (a**2).sum() + (b**2).sum() - 2 * overlap))
        return float(distance if form == "size-of-all" else distance / np.sqrt(len(a)))
    return as_form(overlap / (np.linalg.norm(a) * np.linalg.norm(b)), form)


def procrustes(
    a: npt.NDArray[Any], b: npt.NDArray[Any], form: str = "similarity", centred: bool = True
) -> float:  # fmt: skip
    left, right = (_centred(x, centred) for x in (a, b))
    return moved(scipy.linalg.svdvals(left.T @ right).sum(), left, right, form)


def permutation_shape(
    a: npt.NDArray[Any], b: npt.NDArray[Any], form: str = "angular", centred: bool = True, signed: bool = True
) -> float:
    left, right = (_centred(x, centred) for x in (a, b))
    products = left.T @ right if signed else np.abs(left.T @ right)
    rows, columns = scipy.optimize.linear_sum_assignment(-products)
    return moved(products[rows, columns].sum(), left, right, form)


def aligned_cosine(a: npt.NDArray[Any], b: npt.NDArray[Any], move: str = "rotation") -> float:
    """Word by word, padded to the wider one."""
    width = max(a.shape[1], b.shape[1])
    left, right = (np.pad(x, ((0, 0), (0, width - x.shape[1]))) for x in (a, b))
    if move == "rotation":
        left = left @ scipy.linalg.orthogonal_procrustes(left, right)[0]
    else:
        left = left[:, np.argsort(scipy.optimize.linear_sum_assignment(-left.T @ right)[1])]
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    return float(((left * right).sum(axis=1) / lengths).mean())


def shape(
    a: npt.NDArray[Any], b: npt.NDArray[Any], form: str = "angular", alpha: float = 0.5, scale: str = "one"
) -> float:
    whitened = []
    for x in (a, b):
        vectors, values = basis(x)
        if alpha > 0:
            rank = len(values)
            vectors, values, _ = scipy.linalg.svd(centred(x), full_matrices=False)
            vectors, values = vectors[:, :rank], values[:rank]
        of = {"one": np.linalg.norm(values), "scatter": 1, "covariance": np.sqrt(len(x))}[scale]
        part = vectors * (alpha * values / of + 1 - alpha)
        whitened.append(part / np.linalg.norm(part))
    return as_form(scipy.linalg.svdvals(whitened[0].T @ whitened[1]).sum(), form)


def regression(a: npt.NDArray[Any], b: npt.NDArray[Any], adjusted: bool = False, folds: int = 0) -> float:
    if folds:
        return held_out(a, b, folds, lambda right, left: np.linalg.pinv(right) @ left)
    left, right = centred(a), directions(b)
    value = ((right.T @ left) ** 2).sum() / (left**2).sum()
    return float(1 - (1 - value) * (len(a) - 1) / (len(a) - right.shape[1] - 1) if adjusted else value)


def ridge(a: npt.NDArray[Any], b: npt.NDArray[Any], lambda_: float = 0.01, folds: int = 0) -> float:
    """By the closed form, of b scaled to total variance 1."""

    def slopes(right: npt.NDArray[Any], left: npt.NDArray[Any]) -> npt.NDArray[Any]:
        penalty = lambda_ * (right**2).sum() * np.eye(right.shape[1])
        found: npt.NDArray[Any] = np.linalg.solve(right.T @ right + penalty, right.T @ left)
        return found

    if folds:
        return held_out(a, b, folds, slopes)
    left, right = centred(a), centred(b)
    return float(1 - ((left - right @ slopes(right, left)) ** 2).sum() / (left**2).sum())


def held_out(a: npt.NDArray[Any], b: npt.NDArray[Any], folds: int, slopes: Any) -> float:
    """Each stretch of words predicted by a fit on the others; each word is a sentence."""
    edges, left_over, squares = [round(len(a) * fold / folds) for fold in range(folds + 1)], 0.0, 0.0
    for first, last in itertools.pairwise(edges):
        own = np.zeros(len(a), bool)
        own[first:last] = True
        means = a[~own].mean(0), b[~own].mean(0)
        fit = slopes(b[~own] - means[1], a[~own] - means[0])
        about = a[own] - means[0]
        left_over += ((about - (b[own] - means[1]) @ fit) ** 2).sum()
        squares += (about**2).sum()
    return float(1 - left_over / squares)


def gulp(a: npt.NDArray[Any], b: npt.NDArray[Any], lambda_: float = 0.01, form: str = "squared") -> float:
    """From the predictors [words, words] themselves."""
    predictors = []
    for x in (a, b):
        vectors, values = basis(x, scales=lambda_ == 0)
        shares = values**2 / (values**2).sum()
        predictors.append((vectors * (shares / (shares + lambda_))) @ vectors.T)
    squared = ((predictors[0] - predictors[1]) ** 2).sum()
    return float(squared if form == "squared" else np.sqrt(squared))


def eigenspace_overlap(a: npt.NDArray[Any], b: npt.NDArray[Any], over: str = "larger-rank") -> float:
    left, right = (basis(x, about_mean=False)[0] for x in (a, b))
    ranks, widths = (left.shape[1], right.shape[1]), (a.shape[1], b.shape[1])
    by = {"larger-rank": max(ranks), "smaller-rank": min(ranks), "larger-width": max(widths)}[over]
    return float(((left.T @ right) ** 2).sum() / by)


def correlation(a: npt.NDArray[Any], b: npt.NDArray[Any], signed: bool) -> Matrix:
    """Of the neurons that vary, [neurons_a, neurons_b]."""
    left, right = (x[:, x.any(axis=0)] for x in (standardised(a), standardised(b)))
    found: Matrix = left.T @ right / len(a)
    return found if signed else np.abs(found)


def match_soft(a: npt.NDArray[Any], b: npt.NDArray[Any], signed: bool = False) -> float:
    found = correlation(a, b, signed)
    return float((found.max(axis=0).mean() + found.max(axis=1).mean()) / 2)


def match_hard(a: npt.NDArray[Any], b: npt.NDArray[Any], signed: bool = False) -> float:
    found = correlation(a, b, signed)
    rows, columns = scipy.optimize.linear_sum_assignment(-found)
    return float(found[rows, columns].mean())


def match_transport(a: npt.NDArray[Any], b: npt.NDArray[Any], signed: bool = False) -> float:
    """Every neuron as often as the other layer has neurons, and one to one."""
    found = correlation(a, b, signed)
    rows, columns = found.shape
    common = np.lcm(rows, columns)
    many = np.repeat(np.repeat(found, common // rows, axis=0), common // columns, axis=1)
    first, second = scipy.optimize.linear_sum_assignment(-many)
    return float(many[first, second].mean())


def magnitude(x: npt.NDArray[Any]) -> float:
    return float(np.linalg.norm(x.mean(axis=0)))


def concentricity(x: npt.NDArray[Any]) -> float:
    mean = x.mean(axis=0)
    return float(np.mean([row @ mean / np.linalg.norm(row) / np.linalg.norm(mean) for row in x]))


_centred = centred


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
    "cka_debiased": cka_of_kernels, "procrustes": procrustes, "shape": shape, "permutation_shape": permutation_shape,
    "cca": cca, "pwcca": pwcca, "svcca": svcca, "regression": regression, "ridge": ridge, "gulp": gulp,
    "eigenspace_overlap": eigenspace_overlap, "match_soft": match_soft, "match_hard": match_hard,
    "match_transport": match_transport, "aligned_cosine": aligned_cosine,
    "magnitude_difference": lambda a, b: abs(magnitude(a) - magnitude(b)),
    "concentricity_difference": lambda a, b: abs(concentricity(a) - concentricity(b)),
    "attention_ckasim": over_positions(ckasim), "attention_svsim": over_positions(svsim),
    "attention_pwsim": over_positions(pwsim),
    "attsim": lambda a, b, **parameters: attention_oracles.attsim(a, b, **parameters)[0],
    **sample_oracles.ORACLES,
}  # fmt: skip
