"""What the differences between figures of layers share: each layer has a number, a pair how far these differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from layeratlas.measures.declaration import Measure, Range
from layeratlas.measures.kernels._unsure import SIZE
from layeratlas.measures.score import Scores

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Own:
    """A layer's figure."""

    value: float


@dataclass(frozen=True)
class Batch:
    """The figures of a batch, [pairs]."""

    value: Tensor


class Difference(Measure):
    """The part that such measures share; `figure` is what they differ in."""

    symmetric = True
    range = Range(0, None)
    direction = "distance"
    itself = 0.0
    no_interval = SIZE
    triangle = True
    of_words = False
    presets = {"resi": {}}

    def figure(self, layer: Any) -> float:
        """Return the layer's figure. Raises MeasureError where it has none."""
        raise NotImplementedError

    def prepare(self, layer: Any) -> Own:
        """Take the figure."""
        return Own(self.figure(layer))

    def compare(self, a: Batch, b: Batch, cross: Any) -> Scores:
        """Score the pairs."""
        return Scores((a.value - b.value).abs(), diagnostics=cross.counts)
