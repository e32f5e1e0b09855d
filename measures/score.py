"""What a measure returns, and the ways in which it refuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import Tensor


@dataclass(frozen=True)
class Score:
    """What a measure says of a towards b.

    value: the number, in the measure's range.
    units: float64 [units_a], the score of each neuron (of attention, each head) of a; NaN where it is dead, or has no
    partner in a matching of one to one. None if the measure has no such detail.
    matches: int32 [units_a], the neuron (head) of b that matches it best; -1 where there is none. None if not defined.
    diagnostics: words, dead neurons, components kept, rank: what one needs to judge the number.
    """

    value: float
    units: npt.NDArray[np.float64] | None = None
    matches: npt.NDArray[np.int32] | None = None
    diagnostics: Mapping[str, int | float] = field(default_factory=dict)


@dataclass(frozen=True)
class Scores:
    """What a measure says of several pairs that were compared at once; they share the diagnostics that are numbers."""

    values: Tensor  # [pairs]
    units: Tensor | None = None  # [pairs, units_a]
    matches: Tensor | None = None  # [pairs, units_a]
    diagnostics: Mapping[str, int | float | Tensor] = field(default_factory=dict)  # tensors [pairs]

    def __len__(self) -> int:
        """How many pairs there are."""
        return len(self.values)

    def __getitem__(self, pair: int) -> Score:
        """Return the score of one pair."""
        units = None if self.units is None else self.units[pair].double().cpu().numpy()
        matches = None if self.matches is None else self.matches[pair].int().cpu().numpy()
        return Score(float(self.values[pair]), units, matches, self.diagnosed(pair))

    def diagnosed(self, pair: int) -> dict[str, int | float]:
        """Return the diagnostics of one pair."""
        said = self.diagnostics.items()
        return {name: one if isinstance(one, int | float) else one[pair].item() for name, one in said}


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


class UnequalWidths(MeasureError):  # noqa: N818
    """A measure that needs layers of the same width was asked about two of different widths."""


class NotAttention(MeasureError):  # noqa: N818
    """A layer's rows are not weights that sum to one."""
