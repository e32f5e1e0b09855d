"""Which words drive a neuron most: those where it is farthest from its mean, in their sentence.

One pass over the layer's file keeps, of each asked-for neuron, its largest and smallest values and its moments; a
second reads only the words around these. Memory: a few row groups.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from layeratlas.store.errors import ArtifactDamaged

if TYPE_CHECKING:
    import pyarrow as pa

_AROUND = 3  # words shown before and after
_ROWS = 8192  # read at once, about
Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Driving:
    """A word that drives a neuron: where it stands, how far the neuron is from its mean there, and what is around.

    `deviations` counts standard deviations over the corpus, with the sign of the neuron's value. `text` has the word
    in brackets; where the corpus's words were left out it says its place.
    """

    sentence: int
    word: int
    deviations: float
    text: str


@dataclass
class _Extremes:
    """The largest and the smallest values so far, [neurons, kept] each, with their rows; and sums of all."""

    values: Values
    rows: npt.NDArray[np.int64]
    count: int
    pivot: Values  # [neurons]: what sums are taken from, so that squares keep their digits
    total: Values
    squares: Values


def driving(path: Path, neurons: Sequence[int], *, words: int) -> list[list[Driving]]:
    """Return the words that drive each of these neurons most, the strongest first; fewer where the layer has fewer.

    A neuron that is the same everywhere is driven by none. Raises ArtifactDamaged.
    """
    found = _extremes(path, neurons, words)
    mean = found.total / found.count
    deviation = np.sqrt(np.maximum(found.squares / found.count - mean**2, 0))
    apart = (found.values - (found.pivot + mean)[:, None]) / np.where(deviation > 0, deviation, np.inf)[:, None]
    chosen: list[list[tuple[int, float]]] = []
    for rows, far in zip(found.rows, apart, strict=True):
        once = {int(row): float(value) for row, value in zip(rows, far, strict=True) if value}
        chosen.append(sorted(once.items(), key=lambda item: (-abs(item[1]), item[0]))[:words])
    said = _texts(path, sorted({row for each in chosen for row, _ in each}))
    return [[Driving(*said[row][:2], far, said[row][2]) for row, far in each] for each in chosen]


def _extremes(path: Path, neurons: Sequence[int], words: int) -> _Extremes:
    found: _Extremes | None = None
    for table in _groups(path, ["activation"]):
        column = table.column(0).combine_chunks()
        whole = column.flatten().to_numpy(zero_copy_only=True).reshape(len(column), -1)
        values = np.ascontiguousarray(whole[:, list(neurons)].T, dtype=np.float64)  # [neurons, rows]
        if found is None:
            nothing = np.empty((len(neurons), 0))
            found = _Extremes(nothing, nothing.astype(np.int64), 0, values[:, 0].copy(), *np.zeros((2, len(neurons))))
        from_pivot = values - found.pivot[:, None]
        found.total += from_pivot.sum(axis=1)
        found.squares += (from_pivot**2).sum(axis=1)
        rows = np.broadcast_to(np.arange(found.count, found.count + len(column)), values.shape)
        found.count += len(column)
        _keep(found, np.hstack([found.values, values]), np.hstack([found.rows, rows]), words)
    if found is None:
        raise ArtifactDamaged(f"{path.name} holds no words")
    return found


def _keep(found: _Extremes, values: Values, rows: npt.NDArray[np.int64], words: int) -> None:
    """Keep so many of the largest values and so many of the smallest, of equal ones the first."""
    order = np.argsort(values, axis=1, kind="stable")
    last = np.argsort(-values, axis=1, kind="stable")[:, :words]
    kept = np.hstack([order[:, :words], last]) if values.shape[1] > 2 * words else order
    found.values = np.take_along_axis(values, kept, axis=1)
    found.rows = np.take_along_axis(rows, kept, axis=1)


def _texts(path: Path, rows: Sequence[int]) -> dict[int, tuple[int, int, str]]:
    """Return of each row its sentence, its word's number, and the words around it in that sentence."""
    said: dict[int, tuple[int, int, str]] = {}
    before: list[tuple[int, int, str]] = []  # the end of what was read, where a sentence may go on
    start, waiting = 0, list(rows)
    for table in _groups(path, ["sentence", "word", "token"]):
        there = before + list(zip(*(table[name].to_pylist() for name in table.column_names), strict=True))
        first = start - len(before)
        start += len(table)
        while waiting and waiting[0] < start - _AROUND:
            said[waiting[0]] = _said(there, waiting[0] - first)
            waiting.pop(0)
        before = there[-3 * _AROUND :]
    first = start - len(before)
    for row in waiting:
        said[row] = _said(before, row - first)
    return said


def _said(there: Sequence[tuple[int, int, str]], at: int) -> tuple[int, int, str]:
    sentence, word, token = there[at]
    if not token:
        return sentence, word, f"sentence {sentence} word {word}"
    around = [
        f"[{there[place][2]}]" if place == at else there[place][2]
        for place in range(max(at - _AROUND, 0), min(at + _AROUND + 1, len(there)))
        if there[place][0] == sentence
    ]
    return sentence, word, " ".join(around)


def _groups(path: Path, columns: list[str]) -> Iterator[pa.Table]:
    import pyarrow as pa

    from layeratlas.store.artifacts.base import read_groups

    try:
        yield from read_groups(path, columns, rows=_ROWS)
    except (pa.ArrowException, OSError) as error:
        raise ArtifactDamaged(f"{path.name} cannot be read: {error}") from error


def written(found: Sequence[Driving]) -> str:
    """Write words that drive a neuron in one line, the strongest first, each with its deviations."""
    return " | ".join(f"{each.text} {each.deviations:+.1f}" for each in found)
