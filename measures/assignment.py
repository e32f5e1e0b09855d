"""Matchings of neurons: one to one, or by shares of their weight. Axes: `statistics/moments.py`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from layeratlas.measures.score import MeasureError

Matrix = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
_CHEAP = 3  # arcs that a neuron begins with
_NEARLY = 0.3  # of the costs' spread: an arc that is dearer is left out until prices call for it
_PRICES = 1e-10  # how exact prices are


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
            plan = _cheapest_flow(1 - part)
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


def _cheapest_flow(costs: Matrix) -> Matrix:  # [rows, columns], also returned
    """Return the cheapest flow from rows that each give `columns` to columns that each take `rows`.

    A linear program of few arcs (column generation, Ford and Fulkerson 1958): those that are cheap, then also all that
    its prices say would make it cheaper, until there are none. Then it is the best of all.
    """
    arcs = _cheap(costs) | _staircase(costs)
    flow, reduced = _priced(costs, arcs)
    arcs = (flow > 0) | (arcs & (reduced < _NEARLY * costs.std()))  # what is far from worth it only costs time
    while True:
        lacking = (reduced < -_PRICES) & ~arcs
        if not lacking.any():
            return flow
        arcs |= lacking
        flow, reduced = _priced(costs, arcs)


def _cheap(costs: Matrix) -> Mask:
    """Return the arcs that are cheap for their row or column, as they are or less the least of both."""
    arcs = np.zeros(costs.shape, bool)
    less = costs - costs.min(axis=1, keepdims=True)
    for matrix in (costs, less - less.min(axis=0)):
        for axis in (0, 1):
            count = min(_CHEAP, matrix.shape[axis])
            chosen = np.argpartition(matrix, count - 1, axis=axis)
            np.put_along_axis(arcs, chosen.take(range(count), axis=axis), True, axis=axis)
    return arcs


def _staircase(costs: Matrix) -> Mask:
    """Return arcs that can carry some flow: along the best assignment, then to whoever has something left."""
    from scipy.optimize import linear_sum_assignment

    ends = []
    for size, own in zip(costs.shape, linear_sum_assignment(costs), strict=True):
        ends.append(np.concatenate([own, np.setdiff1d(np.arange(size), own)]))
    rows, columns = costs.shape
    edges = np.union1d(np.arange(rows) * columns, np.arange(columns) * rows)
    arcs = np.zeros(costs.shape, bool)
    arcs[ends[0][edges // columns], ends[1][edges // rows]] = True
    return arcs


def _priced(costs: Matrix, arcs: Mask) -> tuple[Matrix, Matrix]:  # [rows, columns], all
    """Return the cheapest flow along these arcs, and what a unit more along any arc would cost at its prices."""
    from scipy.optimize import linprog
    from scipy.sparse import csr_matrix

    rows, columns = costs.shape
    first, second = np.nonzero(arcs)
    numbers = np.arange(len(first))
    ends = csr_matrix((np.ones(2 * len(first)), (np.r_[first, rows + second], np.r_[numbers, numbers])))
    weights = np.r_[np.full(rows, columns), np.full(columns, rows)]
    exactly = {"primal_feasibility_tolerance": _PRICES, "dual_feasibility_tolerance": _PRICES}
    solved = linprog(costs[first, second], A_eq=ends, b_eq=weights, method="highs-ds", options=exactly)
    if not solved.success:
        raise MeasureError(f"match_transport finds no plan for {rows} on {columns} neurons: {solved.message}")
    prices = solved.eqlin.marginals
    flow = np.zeros(costs.shape)
    flow[first, second] = np.round(solved.x)  # an extreme point is whole
    return flow, costs - prices[:rows, None] - prices[rows:]
