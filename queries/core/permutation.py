"""Intervals and p-values over models, which are what was sampled.

Layers of one model depend on each other, and so do pairs that share a model: neither can be resampled alone. So the
bootstrap draws models, and permutations exchange models, a model's whole row and column at once. numpy with a seed:
importing scipy.stats alone takes longer than any of these answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from layeratlas.queries.core.table import Table

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Means:
    """Mean similarities of models: sums and counts of layer pairs, both [models, models], a towards b."""

    models: list[str]
    families: list[str]
    total: Matrix
    pairs: Matrix

    @property
    def mean(self) -> Matrix:
        """Mean over layer pairs [models, models]; NaN where there is none."""
        with np.errstate(invalid="ignore"):
            return self.total / self.pairs

    def only(self, kept: Sequence[str]) -> Means:
        """The same of some models."""
        place = [index for index, model in enumerate(self.models) if model in kept]
        grid = np.ix_(place, place)
        names = [[of[index] for index in place] for of in (self.models, self.families)]
        return Means(names[0], names[1], self.total[grid], self.pairs[grid])


def model_means(pairs: Table) -> Means:
    """Arrange rows of model_a, family_a, model_b, family_b, total, pairs under one measure."""
    rows = pairs.records()
    family = {row[f"model_{side}"]: row[f"family_{side}"] for row in rows for side in "ab"}
    models = sorted(family)
    place = {model: index for index, model in enumerate(models)}
    total, count = np.zeros((2, len(models), len(models)))
    for row in rows:
        total[place[row["model_a"]], place[row["model_b"]]] = row["total"]
        count[place[row["model_a"]], place[row["model_b"]]] = row["pairs"]
    return Means(models, [family[model] for model in models], total, count)


@dataclass(frozen=True)
class Levels:
    """Means in one model, of one family's models, across families; how much closer a family is, and how surely.

    `interval` is None without a difference, and where every draw of models has the same one. `undefined`: deals of
    families that have no difference.
    """

    same_model: float | None
    same_family: float | None
    across: float | None
    difference: float | None = None
    interval: tuple[float, float] | None = None
    p: float | None = None
    undefined: int = 0


def levels(means: Means, *, sign: int, resamples: int, rng: np.random.Generator) -> Levels:
    """Compare models of one family with models of two. `sign`: 1 for a similarity, -1 for a distance."""
    off, kin = ~np.eye(len(means.models), dtype=bool), same(means.families)
    same_model, same_family, across = (mean_over(means, place) for place in (~off, off & kin, off & ~kin))
    if same_family is None or across is None:
        return Levels(same_model, same_family, across)
    difference, size = sign * (same_family - across), len(means.models)
    drawn = draws(size, resamples, rng)
    spread = sign * (drawn_means(means, off & kin, drawn) - drawn_means(means, off & ~kin, drawn))
    chance = sign * _finite(_dealt(means, rng.permuted(np.tile(np.arange(size), (resamples, 1)), axis=1)))
    p = (1 + int((chance >= difference - 1e-12).sum())) / (1 + len(chance))
    undefined = resamples - len(chance)
    return Levels(same_model, same_family, across, difference, middle(spread), p, undefined)


def family_difference(means: Means) -> float | None:
    """Return the mean over pairs of one family's models less that over pairs of two families'; None without either."""
    off, kin = ~np.eye(len(means.models), dtype=bool), same(means.families)
    within, across = (mean_over(means, place) for place in (off & kin, off & ~kin))
    return None if within is None or across is None else within - across


def middle(spread: Matrix) -> tuple[float, float] | None:
    """Return 95 % of what was drawn, [draws]; None where all of it is the same, as among three models."""
    spread = _finite(spread)
    if not len(spread) or np.ptp(spread) <= 1e-12:
        return None
    low, high = np.quantile(spread, [0.025, 0.975])
    return float(low), float(high)


def mean_over(means: Means, place: npt.NDArray[np.bool_]) -> float | None:
    """Return the mean over these pairs of models, [models, models]; None where there is none."""
    pairs = means.pairs[place].sum()
    return float(means.total[place].sum() / pairs) if pairs else None


def draws(size: int, resamples: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Return how often each of so many models is drawn, with replacement, [resamples, models]."""
    return rng.multinomial(size, np.full(size, 1 / size), resamples)


def drawn_means(means: Means, place: npt.NDArray[np.bool_], drawn: npt.NDArray[np.int64]) -> Matrix:
    """Mean over these pairs of models, each model as often as it is drawn [resamples, models]; NaN without a pair."""
    total, pairs = (
        np.einsum("ra,ab,rb->r", drawn, matrix * place, drawn, optimize=True) for matrix in (means.total, means.pairs)
    )
    with np.errstate(invalid="ignore"):
        return np.asarray(total / pairs)


def _dealt(means: Means, orders: npt.NDArray[np.intp]) -> Matrix:
    """Family minus across, families dealt out in these orders [resamples, models]; not finite where one has no pair."""
    codes = np.unique(means.families, return_inverse=True)[1][orders]
    alike = codes[:, :, None] == codes[:, None, :]
    sums = [matrix * ~np.eye(len(matrix), dtype=bool) for matrix in (means.total, means.pairs)]
    inside = [np.einsum("rab,ab->r", alike, matrix) for matrix in sums]
    outside = [matrix.sum() - part for matrix, part in zip(sums, inside, strict=True)]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(inside[0] / inside[1] - outside[0] / outside[1])


def _finite(values: Matrix) -> Matrix:
    return values[np.isfinite(values)]


def same(labels: Sequence[Any]) -> npt.NDArray[np.bool_]:
    """Which labels are equal, [models, models]; one that is not known is like no other."""
    return np.array(
        [[i == j or (a == b and a is not None) for j, b in enumerate(labels)] for i, a in enumerate(labels)]
    )


def regress(
    outcome: Matrix, designs: dict[str, Matrix], *, resamples: int = 1999, seed: int = 0
) -> list[tuple[str, float, float, float, float]]:
    """Regress a symmetric matrix [models, models] on others; return (name, coefficient, t, p, r²) of each."""
    rng = np.random.default_rng(seed)
    size = len(outcome)
    upper = np.triu_indices(size, 1)
    y = outcome[upper]
    x = np.column_stack([np.ones(len(y)), *(matrix[upper] for matrix in designs.values())])  # [pairs, 1 + factors]
    spare = len(y) - x.shape[1]
    residual = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    explained = 1 - float(residual @ residual) / float(((y - y.mean()) ** 2).sum() or 1.0)
    orders = rng.permuted(np.tile(np.arange(size), (resamples, 1)), axis=1)  # [resamples, models]
    rows = []
    for index, name in enumerate(designs, start=1):
        basis = np.linalg.qr(np.delete(x, index, axis=1))[0]  # of the other factors
        own = x[:, index] - basis @ (basis.T @ x[:, index])
        grid = np.zeros((size, size))
        grid[upper] = own
        grid += grid.T
        exchanged = grid[orders[:, upper[0]], orders[:, upper[1]]]  # [resamples, pairs]
        free = y - basis @ (basis.T @ y)
        coefficient, t = _t(own[None], free, basis, spare)
        chance = _t(exchanged, free, basis, spare)[1]
        p = (1 + int((np.abs(chance) >= abs(t[0]) - 1e-12).sum())) / (1 + resamples)
        rows.append((name, float(coefficient[0]), float(t[0]), p, explained))
    return rows


def _t(designs: Matrix, free: Matrix, basis: Matrix, spare: int) -> tuple[Matrix, Matrix]:
    """Coefficients and t of designs [resamples, pairs] beside the others' basis, on what these leave of the outcome."""
    own = designs - (designs @ basis) @ basis.T
    square = (own**2).sum(1)
    coefficient = own @ free / square
    rest = np.maximum(free @ free - coefficient**2 * square, 1e-300)
    return coefficient, coefficient * np.sqrt(square * spare / rest)


def independent(designs: dict[str, Matrix], upper: tuple[npt.NDArray[np.intp], ...]) -> dict[str, Matrix]:
    """Keep the factors that vary over pairs of models and do not follow from those before them."""
    kept: dict[str, Matrix] = {}
    columns = [np.ones(len(upper[0]))]
    for name, matrix in designs.items():
        column = matrix[upper]
        if np.linalg.matrix_rank(np.column_stack([*columns, column])) > len(columns):
            kept[name] = matrix
            columns.append(column)
    return kept
