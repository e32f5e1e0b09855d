"""attention_pwsim: pwsim over attention, every (query, key) position a row, every head a column."""

from __future__ import annotations

from layeratlas.measures.declaration import measure
from layeratlas.measures.kernels._over_positions import OverPositions
from layeratlas.measures.kernels.pwsim import PWSim


@measure
class AttentionPWSim(OverPositions, PWSim):
    """pwsim over attention: every (query, key) position a row, every head a column.

    Range [0, 1]; not symmetric. variance, cut and refusals are those of svsim; causal, single_key, zeros: what enters
    (`_over_positions.py`).
    """

    name = "attention_pwsim"
    version = 1
    presets = {"wu2020": {"cut": "below", "single_key": "count", "zeros": "drop"}}
