"""Small statistics along layers, without scipy: importing it takes longer than any of these answers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]


def monotone(grid: Matrix) -> list[int]:  # grid [layers_a, layers_b]
    """Return one column a row, never going back, with the largest sum."""
    total = grid.copy()
    came = np.zeros(grid.shape, dtype=int)
    for row in range(1, len(grid)):
        before = np.maximum.accumulate(total[row - 1])
        came[row] = np.maximum.accumulate(np.where(total[row - 1] == before, np.arange(grid.shape[1]), 0))
        total[row] += before
    path = [int(total[-1].argmax())]
    for row in range(len(grid) - 1, 0, -1):
        path.append(int(came[row, path[-1]]))
    return path[::-1]


def spearman(x: npt.NDArray[np.intp], y: npt.NDArray[np.intp]) -> float | None:
    """Rank correlation with ties at their mean rank; None when one of them is constant."""
    ranks = [np.searchsorted(np.sort(v), v, "left") + np.searchsorted(np.sort(v), v, "right") for v in (x, y)]
    if any(rank.std() == 0 for rank in ranks):
        return None
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def step_down(values: Sequence[float]) -> tuple[int, float] | None:
    """Return where one step between two means leaves the least squares, and how far it goes down.

    None where the values have no such step: they rise, stay what they are, or are one.
    """
    places = range(1, len(values))
    left = [np.var(values[:place]) * place + np.var(values[place:]) * (len(values) - place) for place in places]
    if not left:
        return None
    place = 1 + int(np.argmin(left))
    drop = float(np.mean(values[:place]) - np.mean(values[place:]))
    return (place, drop) if drop > 1e-9 else None  # means of equal values differ by rounding
