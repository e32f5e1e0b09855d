"""attention_ckasim: ckasim over attention, every (query, key) position a row, every head a column."""

from __future__ import annotations

from layeratlas.measures.declaration import measure
from layeratlas.measures.kernels._over_positions import OverPositions
from layeratlas.measures.kernels.ckasim import LinearCKA


@measure
class AttentionCKA(OverPositions, LinearCKA):
    """ckasim over attention: every (query, key) position a row, every head a column.

    Range [0, 1]; symmetric; does not depend on the order of heads. causal, single_key, zeros: which positions enter
    (`_over_positions.py`).
    """

    name = "attention_ckasim"
    version = 1
    presets = {"wu2020": {"single_key": "count", "zeros": "drop"}}
