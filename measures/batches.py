"""Many prepared layers as one: what `Measure.prepare` returned, stacked so that pairs are compared in one batch."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import fields, replace
from typing import Any

import torch

from layeratlas.measures.score import MeasureError


def shape_of(prepared: Any) -> Hashable:
    """Return what must be equal for layers to be compared in one batch: shapes of tensors, and whole numbers."""
    if prepared is None or isinstance(prepared, MeasureError):
        return str(type(prepared))
    return tuple(_shape(getattr(prepared, field.name)) for field in fields(prepared))


def _shape(value: Any) -> Hashable:
    if isinstance(value, torch.Tensor):
        return tuple(value.shape)
    return float if isinstance(value, float) else value


def batched(prepared: Sequence[Any]) -> Any:
    """Return prepared layers of one shape as one: tensors with a leading axis `pairs`, floats as tensors [pairs]."""
    first = prepared[0]
    if first is None:
        return None
    own = {field.name: getattr(first, field.name) for field in fields(first)}
    device = next((value.device for value in own.values() if isinstance(value, torch.Tensor)), None)
    changed = {
        name: _stacked([getattr(one, name) for one in prepared], device)
        for name, value in own.items()
        if isinstance(value, torch.Tensor | float)
    }
    return replace(first, **changed)


def _stacked(values: Sequence[Any], device: torch.device | None) -> torch.Tensor:
    if isinstance(values[0], float):  # where the tensors beside it are
        return torch.tensor(values, dtype=torch.float64, device=device)
    return values[0][None] if len(values) == 1 else torch.stack(list(values))
