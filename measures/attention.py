"""Attention as a representation: every (query, key) position is a row, every head a column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

from layeratlas.measures.attsim import SingleKey, check_choice
from layeratlas.measures.ckasim import LinearCKA
from layeratlas.measures.pwsim import PWSim
from layeratlas.measures.svsim import SVSim

Zeros = Literal["keep", "drop"]


def _check(measure: AttentionCKA | AttentionSVSim | AttentionPWSim) -> None:
    check_choice("single_key", measure.single_key, get_args(SingleKey))
    check_choice("zeros", measure.zeros, get_args(Zeros))


@dataclass(frozen=True)
class AttentionCKA(LinearCKA):
    """ckasim over attention: every (query, key) position a row, every head a column.

    Range [0, 1]; symmetric; does not depend on the order of heads.
    causal: hide the future in both models and renormalise. single_key: `leave-out` or `count` queries with one key.
    zeros: `keep` every position that a query may see; `drop`, as Wu et al.'s code does, where a head of the first
    layer in the given order is exactly 0.
    """

    causal: bool = False
    single_key: SingleKey = "leave-out"
    zeros: Zeros = "keep"

    name: ClassVar[str] = "attention_ckasim"
    version: ClassVar[int] = 1
    kind: ClassVar[str] = "attention"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"wu2020": {"single_key": "count", "zeros": "drop"}}

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True)
class AttentionSVSim(SVSim):
    """svsim over attention: every (query, key) position a row, every head a column.

    Range [0, 1]; symmetric. variance, cut and refusals are those of svsim; causal, single_key and zeros those of
    attention_ckasim.
    """

    causal: bool = False
    single_key: SingleKey = "leave-out"
    zeros: Zeros = "keep"

    name: ClassVar[str] = "attention_svsim"
    version: ClassVar[int] = 1
    kind: ClassVar[str] = "attention"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "wu2020": {"cut": "below", "single_key": "count", "zeros": "drop"}
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(self)


@dataclass(frozen=True)
class AttentionPWSim(PWSim):
    """pwsim over attention: every (query, key) position a row, every head a column.

    Range [0, 1]; not symmetric. variance, cut and refusals are those of svsim; causal, single_key and zeros those of
    attention_ckasim.
    """

    causal: bool = False
    single_key: SingleKey = "leave-out"
    zeros: Zeros = "keep"

    name: ClassVar[str] = "attention_pwsim"
    version: ClassVar[int] = 1
    kind: ClassVar[str] = "attention"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "wu2020": {"cut": "below", "single_key": "count", "zeros": "drop"}
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(self)
