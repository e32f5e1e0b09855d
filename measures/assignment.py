"""Matchings of neurons: one to one, or by shares of their weight. Axes: `statistics/moments.py`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Matrix = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]


def best_assignment(gains: Tensor, alive_a: Tensor | None = None, alive_b: Tensor | None = None) -> Tensor:
    """Return who is matched with whom so that the gains are largest in all, one to one, as true and false.

    gains [pairs, neurons_a, neurons_b] -> [pairs, neurons_a, neurons_b]; alive [pairs, neurons]: who takes part.
    """
    from scipy.optimize import linear_sum_assignment

    found = torch.zeros(gains.shape, dtype=torch.bool)
    for pair, matrix in enumerate(gains.cpu().numpy()):
        rows, columns = _taking_part(pair, matrix, alive_a, alive_b)
        first, second = linear_sum_assignment(matrix[np.ix_(rows, columns)], maximize=True)
        found[pair, rows[first], columns[second]] = True
    return found.to(gains.device)


def best_transport(gains: Tensor, alive_a: Tensor, alive_b: Tensor) -> Tensor:
    """Return how to share out weight so that the gains are largest in the mean: all weigh the same, together 1.

    gains [pairs, neurons_a, neurons_b] -> [pairs, neurons_a, neurons_b], float64.
    """
    from scipy.optimize import linear_sum_assignment

    found = torch.zeros(gains.shape, dtype=torch.float64)
    for pair, matrix in enumerate(gains.cpu().numpy()):
        rows, columns = _taking_part(pair, matrix, alive_a, alive_b)
        part = matrix[np.ix_(rows, columns)]
        if len(rows) == len(columns):  # then no plan is better than one to one (Birkhoff)
            first, second = linear_sum_assignment(part, maximize=True)
            found[pair, rows[first], columns[second]] = 1 / len(rows)
        else:
            plan = _Flow(1 - part).flow
            found[pair][np.ix_(rows, columns)] = torch.from_numpy(plan / plan.sum())
    return found.to(gains.device)


def _taking_part(
    pair: int, matrix: Matrix, alive_a: Tensor | None, alive_b: Tensor | None
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the rows and the columns of those that are alive."""
    rows, columns = (
        np.arange(size) if alive is None else np.flatnonzero(alive[pair].cpu().numpy())
        for size, alive in zip(matrix.shape, (alive_a, alive_b), strict=True)
    )
    return rows, columns


class _Flow:
    """The cheapest flow from rows that each have `columns` to give to columns that each take `rows`, in whole numbers.

    Shortest augmenting paths with potentials, as for an assignment (Edmonds and Karp 1972; Jonker and Volgenant 1987),
    but that a row may stand at several columns: reduced costs are 0 where flow is, and nowhere negative.
    """

    def __init__(self, costs: Matrix) -> None:  # [rows, columns]
        self._costs = costs
        rows, columns = costs.shape
        self._to_give, self._to_take = np.full(rows, columns), np.full(columns, rows)
        self._of_row, self._of_column = np.zeros(rows), costs.min(axis=0)
        self.flow: Whole = np.zeros((rows, columns), np.int64)
        for row in range(rows):
            while self._to_give[row]:
                self._augment(row)

    def _augment(self, row: int) -> None:
        """Send along the cheapest path from a row to a column that still takes something."""
        column, from_row, from_column = self._search(row)
        sink, forth, back = column, [], []
        while True:
            reached_from = int(from_row[column])
            forth.append((reached_from, column))
            if reached_from == row:
                break
            column = int(from_column[reached_from])
            back.append((reached_from, column))
        amount = min(self._to_give[row], self._to_take[sink], *(self.flow[place] for place in back))
        for place in forth:
            self.flow[place] += amount
        for place in back:
            self.flow[place] -= amount
        self._to_give[row] -= amount
        self._to_take[sink] -= amount

    def _search(self, row: int) -> tuple[int, Whole, Whole]:
        """Return the column at the end of the cheapest path, and whence each column and row on the way was reached."""
        rows, columns = self._costs.shape
        to_column, to_row = np.full(columns, np.inf), np.full(rows, np.inf)
        from_row, from_column = np.full(columns, -1), np.full(rows, -1)
        closed, entered = np.zeros(columns, bool), np.array([row])
        to_row[row] = 0
        while True:
            reduced = self._costs[entered] - (self._of_row[entered] - to_row[entered])[:, None] - self._of_column
            best = reduced.argmin(axis=0)
            length = reduced[best, np.arange(columns)]
            shorter = (length < to_column) & ~closed
            to_column[shorter], from_row[shorter] = length[shorter], entered[best[shorter]]
            column = int(np.where(closed, np.inf, to_column).argmin())
            reached = to_column[column]
            if self._to_take[column]:
                visited = to_row < np.inf
                self._of_row[visited] += reached - to_row[visited]
                self._of_column[closed] -= reached - to_column[closed]
                return column, from_row, from_column
            closed[column] = True
            entered = np.flatnonzero((self.flow[:, column] > 0) & np.isinf(to_row))
            to_row[entered], from_column[entered] = reached, column
            if not len(entered):
                entered = np.array([row])  # nothing new: go on with the next column
