"""What measures share that give every neuron of one layer a partner in the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from layeratlas.measures.declaration import NEURON_SCALES, PERMUTATION, SCALE, TRANSLATION, Measure, Range, Statistic
from layeratlas.measures.statistics.cross_moments import CrossMoments

if TYPE_CHECKING:
    from torch import Tensor

    from layeratlas.measures.statistics.moments import Cross, Layer


@dataclass(frozen=True)
class Living:
    """Which neurons vary, [neurons], and how many do not."""

    alive: Tensor
    dead: int


@dataclass(frozen=True)
class Matching(Measure):
    """signed: correlations as they are, so that a neuron of the opposite sign is a bad partner; else their size alone.

    Dead neurons are left out, and counted in the diagnostics.
    """

    signed: bool = False

    level = "neuron"
    symmetric = True
    range = Range(-1, 1)
    needs: ClassVar[Statistic] = CrossMoments()
    invariant_to = frozenset({PERMUTATION, NEURON_SCALES, SCALE, TRANSLATION})
    variants = ({"signed": True},)

    @property
    def bounds(self) -> Range:
        """Sizes of correlations are not negative."""
        return self.range if self.signed else Range(0, 1)

    def prepare(self, layer: Layer) -> Living:
        """Tell the neurons that vary."""
        return Living(layer.alive, layer.dead)

    def correlations(self, cross: Cross) -> Tensor:  # [pairs, neurons_a, neurons_b]
        """Return what neurons are matched by."""
        return (cross.correlation if self.signed else cross.correlation.abs()).double().clamp(-1, 1)

    @staticmethod
    def counts(a: Living, b: Living, cross: Cross) -> dict[str, int]:
        """Return what one needs to judge the number."""
        return {**cross.counts, "dead_a": a.dead, "dead_b": b.dead}
