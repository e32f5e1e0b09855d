"""From values to colours: every heatmap is bright where layers are close, whichever way its measure points."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from layeratlas.queries.core.scope import Measured


_ROUNDING = 1e-5  # of float32 products: a value of 1.000001 is in the range from 0 to 1


@dataclass(frozen=True)
class Scale:
    """The ends of a scale of values, and whether smaller is closer."""

    low: float = 0.0
    high: float = 1.0
    is_distance: bool = False

    def position(self, value: float) -> float:
        """Where a value stands, from 0, far, to 1, close; beyond the ends outside of these."""
        place = (value - self.low) / (self.high - self.low)
        return 1 - place if self.is_distance else place


def scale(measure: Measured | None, values: Iterable[float], *, stretch: bool = False) -> Scale:
    """Return the scale of some values of a measure: its declared range, so that pictures compare.

    From the smallest to the largest value where it has no bounds, where values lie outside, and with `stretch`.
    """
    low, high = (0.0, 1.0) if measure is None else (measure.low, measure.high)
    found = list(values)
    least, most = (min(found), max(found)) if found else (0.0, 1.0)
    if stretch or low is None or high is None or least < low - _ROUNDING or most > high + _ROUNDING:
        low, high = (least, most) if most > least else (least - 0.5, least + 0.5)
    return Scale(low, high, measure is not None and measure.is_distance)
