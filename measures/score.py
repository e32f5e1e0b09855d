"""What a measure returns, and the ways in which it refuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True)
class Score:
    """The similarity of a towards b.

    value: the number, in the measure's range.
    neurons: float64 [neurons_a], the score of each neuron of a; NaN where the neuron is dead. None if not defined.
    matches: int32 [neurons_a], the neuron of b that matches it best; -1 where it is dead. None if not defined.
    diagnostics: words, dead neurons, components kept, rank: what one needs to judge the number.
    """

    value: float
    neurons: npt.NDArray[np.float64] | None = None
    matches: npt.NDArray[np.int32] | None = None
    diagnostics: Mapping[str, int | float] = field(default_factory=dict)


class Measure(Protocol):
    """One measure with its parameters as fields: a frozen dataclass in a file of its own."""

    name: ClassVar[str]
    version: ClassVar[int]  # raise it when numbers change
    kind: ClassVar[str]  # of artifacts that it compares: activations or attention
    symmetric: ClassVar[bool]
    presets: ClassVar[Mapping[str, Mapping[str, Any]]]  # parameters that reproduce somebody's conventions

    def prepare(self, layer: Any) -> None:
        """Have a layer (`moments.Layer`) compute, once, what comparing it will need."""

    def compare(self, a: Any, b: Any, cross: Any) -> Score:
        """Score a towards b, once a pair. Raises MeasureError, never returns a doubtful number.

        a, b, cross: `moments.Layer`, `Layer` and `Cross`; for attsim what was counted of either, and the similarities
        [heads_a, heads_b] of their heads.
        """


class MeasureError(ValueError):
    """A pair that has no such score. The message names the layer and the cause."""


class ConstantLayer(MeasureError):  # noqa: N818 - named for what it is
    """No neuron of a layer varies over these words."""


class TooFewWords(MeasureError):  # noqa: N818
    """So few words that the measure would report chance as similarity."""


class NotFinite(MeasureError):  # noqa: N818
    """A layer holds NaN or infinity."""


class UnalignedWords(MeasureError):  # noqa: N818
    """Two layers do not have the same words."""


class NotAttention(MeasureError):  # noqa: N818
    """A layer's rows are not weights that sum to one."""
