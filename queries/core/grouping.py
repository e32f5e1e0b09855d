"""Groups that emerge from distances: a tree of leaves, where it is cut, how well groups fit labels, and a map.

scipy clusters; it is imported where a tree is grown, as it takes longer to import than most answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

LINKAGES = ("average", "complete", "single")
_SORTED = 400  # leaves; the best order of more takes longer than a second


@dataclass(frozen=True)
class Tree:
    """Leaves in the order in which a dendrogram has them, as places of the distances' rows.

    `joins` is the height at which a leaf's branch meets that of the leaf before it, NaN of the first: with the order
    it is the whole dendrogram. `groups` numbers the groups from 1, in that order. All are [leaves].
    """

    order: npt.NDArray[np.intp]
    joins: Matrix
    groups: npt.NDArray[np.intp]


def distances(values: Matrix, *, high: float | None, is_distance: bool) -> Matrix:
    """Return symmetric distances [leaves, leaves] of values, a towards b; NaN where a value is missing.

    Both directions are averaged. A similarity is taken from its upper bound `high`, or, where it has none, from the
    largest value that is found; a distance is what it is. The diagonal is 0.
    """
    both = (values + values.T) / 2
    np.fill_diagonal(both, np.nan)
    if not is_distance:
        bound = np.nanmax(both) if high is None else high
        both = np.maximum(bound - both, 0.0)  # rounding may carry a score past its bound
    np.fill_diagonal(both, 0.0)
    return both


def grow(apart: Matrix, *, linkage: str, groups: int) -> Tree:
    """Cluster leaves by their distances [leaves, leaves], bottom up, and cut the tree into so many groups.

    Neighbours in the order are as close as the tree lets them be, up to 400 leaves. Equal heights at the cut leave
    fewer groups.
    """
    from scipy.cluster import hierarchy
    from scipy.spatial.distance import squareform

    condensed = squareform(apart, checks=False)
    merges = hierarchy.linkage(condensed, linkage, optimal_ordering=len(apart) <= _SORTED)
    order = hierarchy.leaves_list(merges).astype(np.intp)
    heights = squareform(hierarchy.cophenet(merges))
    joins = np.concatenate([[np.nan], heights[order[:-1], order[1:]]])
    cut = hierarchy.fcluster(merges, groups, "maxclust")[order]
    return Tree(order, joins, 1 + np.concatenate([[0], np.cumsum(cut[1:] != cut[:-1])]).astype(np.intp))


def rand_index(groups: Sequence[int], labels: Sequence[str]) -> float:
    """Return the adjusted Rand index (Hubert and Arabie 1985): 1 of the same partition, 0 on average by chance."""
    return float(_adjusted(_crossed(groups, labels)[None])[0])


def rand_by_chance(
    groups: Sequence[int], owners: Sequence[str], families: Sequence[str], *, resamples: int, seed: int
) -> float:
    """How often families that are dealt out to the owners at random fit groups as well: a one-sided p.

    `owners`: the model of each leaf; all its leaves get the same family. The dealing that is found counts as one.
    """
    rng = np.random.default_rng(seed)
    of = dict(zip(owners, families, strict=True))
    held = _crossed(groups, owners)  # [groups, owners], owners sorted
    family = np.unique([of[owner] for owner in sorted(of)], return_inverse=True)[1]
    drawn = rng.permuted(np.tile(family, (resamples, 1)), axis=1)  # [resamples, owners]
    dealt = np.einsum("go,rof->rgf", held, drawn[:, :, None] == np.arange(family.max() + 1))
    chance, found = _adjusted(dealt), rand_index(groups, families)
    return (1 + int((chance >= found - 1e-12).sum())) / (1 + resamples)


def _crossed(groups: Sequence[int], labels: Sequence[str]) -> Counts:
    """How many leaves of each group have each label, [groups, labels]."""
    rows, columns = (np.unique(of, return_inverse=True)[1] for of in (groups, labels))
    counts = np.zeros((rows.max() + 1, columns.max() + 1), dtype=np.int64)
    np.add.at(counts, (rows, columns), 1)
    return counts


def _adjusted(counts: Counts) -> Matrix:
    """Adjusted Rand index of tables of counts [tables, groups, labels]."""

    def pairs(of: Counts) -> Matrix:
        return np.asarray((of * (of - 1) / 2).reshape(len(of), -1).sum(axis=1))

    together, rows, columns = pairs(counts), pairs(counts.sum(axis=2)), pairs(counts.sum(axis=1))
    chance = rows * columns / pairs(counts.sum(axis=(1, 2))[:, None])
    most = (rows + columns) / 2
    same = most == chance  # all leaves alone or all together, in both
    return np.where(same, 1.0, (together - chance) / np.where(same, 1.0, most - chance))


def scaled(apart: Matrix) -> tuple[Matrix, float]:
    """Classical multidimensional scaling (Torgerson 1952): places [leaves, 2], and the share that they keep.

    The share is of the two eigenvalues among the absolute values of all: 1 where the distances are those of a plane.
    Axes are turned so that the place farthest out along each has a positive number.
    """
    centring = np.eye(len(apart)) - 1 / len(apart)
    values, vectors = np.linalg.eigh(-centring @ apart**2 @ centring / 2)
    kept = np.clip(values[[-1, -2]], 0, None)
    places = vectors[:, [-1, -2]] * np.sqrt(kept)
    far = places[np.abs(places).argmax(axis=0), [0, 1]]
    whole = np.abs(values).sum()
    return places * np.where(far < 0, -1.0, 1.0), float(kept.sum() / whole) if whole else 1.0
