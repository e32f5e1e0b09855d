"""Outcomes of the engine as rows for the catalog: columns at once, since a small store has millions of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from layeratlas.measures.engine import Outcomes, reason
from layeratlas.measures.figure import Stated
from layeratlas.measures.registry import configuration
from layeratlas.measures.score import MeasureError, Score, Scores
from layeratlas.store.log import COLUMNS
from layeratlas.store.uncertainty import Intervals, Nulls


def score_table(outcomes: Sequence[Outcomes], artifacts: Sequence[str], run: str) -> pa.Table:
    """Return a row a score, or its refusal. artifacts: the fingerprints that the pairs' places stand for."""
    identity = {measure: configuration(measure).configuration for measure in {one.measure for one in outcomes}}
    return pa.concat_tables([_table(one, identity[one.measure], artifacts, run) for one in outcomes])


def figure_rows(stated: Sequence[Stated], artifacts: Sequence[str], run: str) -> list[dict[str, Any]]:
    """Return a row a figure of a layer, or its refusal. artifacts: the fingerprints that layers' places stand for."""
    return [
        {
            "artifact": artifacts[one.layer], "figure": one.figure.name, "version": one.figure.version,
            "parameters": one.figure.parameters, "value": one.value, "words": one.diagnostics.get("words"),
            "refused": one.refused, "diagnostics": json.dumps(dict(one.diagnostics)) if one.refused is None else None,
            "run": run,
        }
        for one in stated
    ]  # fmt: skip


def beside_rows(
    asked: Intervals | Nulls, outcomes: Sequence[Outcomes], artifacts: Sequence[str], run: str
) -> list[dict[str, Any]]:
    """Return a row for what was asked beside each score, or why there is none. artifacts: what places stand for."""
    said = {name: value for name, value in asdict(asked).items() if name in COLUMNS[asked.table]}
    known = {**said, "settings": asked.settings, "run": run}
    return [row for one in outcomes for row in _beside(known, one, getattr(one, asked.table), artifacts)]


def _beside(
    known: dict[str, Any], outcomes: Outcomes, found: Sequence[Any] | None, artifacts: Sequence[str]
) -> Iterator[dict[str, Any]]:
    identity = configuration(outcomes.measure).configuration
    for ((a, b), score), one in zip(outcomes.single(), found or (), strict=True):
        if not isinstance(score, MeasureError) and one is not None:
            said = {"refused": one} if isinstance(one, str) else vars(one)
            pair = {"configuration": identity, "artifact_a": artifacts[a], "artifact_b": artifacts[b]}
            yield {**known, **pair, "value": score.value, **said}


def _table(outcomes: Outcomes, identity: str, artifacts: Sequence[str], run: str) -> pa.Table:
    count = len(outcomes.pairs)
    scores = outcomes.scores
    columns = _scored(scores) if isinstance(scores, Scores) else _one_by_one(scores)
    return pa.table(
        {
            "configuration": _same(identity, count),
            "artifact_a": pa.array([artifacts[a] for a, _ in outcomes.pairs], pa.string()),
            "artifact_b": pa.array([artifacts[b] for _, b in outcomes.pairs], pa.string()),
            **columns,
            "run": _same(run, count),
        }
    )


def _scored(scores: Scores) -> dict[str, Any]:
    """Columns of a batch, all of whose pairs have a score."""
    count = len(scores)
    shared = all(isinstance(said, int | float) for said in scores.diagnostics.values())
    diagnosed = [json.dumps(scores.diagnosed(pair)) for pair in range(1 if shared else count)]
    return {
        "value": pa.array(scores.values.double().cpu().numpy()),
        "words": _same(scores.diagnostics.get("words"), count, pa.int64()),
        "refused": pa.nulls(count, pa.string()),
        "diagnostics": _same(diagnosed[0], count) if shared else pa.array(diagnosed, pa.string()),
        "units": _lists(scores.units, count, np.float32),
        "matches": _lists(scores.matches, count, np.int32),
    }


def _one_by_one(scores: Sequence[Score | MeasureError]) -> dict[str, Any]:
    """Columns of a batch in which some pairs are refused."""
    found = [score if isinstance(score, Score) else None for score in scores]
    reasons = [None if isinstance(score, Score) else reason(score) for score in scores]
    return {
        "value": pa.array([score and score.value for score in found], pa.float64()),
        "words": pa.array([score and score.diagnostics.get("words") for score in found], pa.int64()),
        "refused": pa.array(reasons, pa.string()),
        "diagnostics": pa.array([score and json.dumps(dict(score.diagnostics)) for score in found], pa.string()),
        "units": pa.array([score and score.units for score in found], pa.list_(pa.float32())),
        "matches": pa.array([score and score.matches for score in found], pa.list_(pa.int32())),
    }


def _same(value: Any, count: int, kind: pa.DataType | None = None) -> pa.Array:
    return pa.repeat(pa.scalar(value, kind or pa.string()), count)


def _lists(values: Any, count: int, dtype: type) -> pa.Array:  # [pairs, units] or None
    kind = pa.list_(pa.from_numpy_dtype(np.dtype(dtype)))
    if values is None:
        return pa.nulls(count, kind)
    matrix: npt.NDArray[Any] = np.ascontiguousarray(values.cpu().numpy(), dtype)
    offsets = np.arange(0, matrix.size + 1, matrix.shape[1] or 1, dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(matrix.reshape(-1)), type=kind)
