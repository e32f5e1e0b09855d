"""What every measure of a sample of words shares: how many words, drawn with which seed, and one view of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from layeratlas.measures.declaration import Measure, Range, Statistic
from layeratlas.measures.statistics.sample import Sample, View

if TYPE_CHECKING:
    from layeratlas.measures.statistics.sampled import SampleCross, SampledLayer


@dataclass(frozen=True)
class Distinct:
    """How many of the sampled words' rows differ."""

    words: int


@dataclass(frozen=True)
class OfSample(Measure):
    """The part that such measures share."""

    words: int = 1000
    seed: int = 0

    symmetric = True
    range = Range(-1, 1)
    needs: ClassVar[Statistic] = Sample()

    def __post_init__(self) -> None:
        if self.words < 3:
            raise ValueError(f"words must be at least 3, got {self.words}")
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"seed must be a whole number from 0, got {self.seed}")

    @property
    def views(self) -> tuple[View, ...]:
        """What is made of the words under these parameters; the first says which layers are refused."""
        raise NotImplementedError

    @property
    def statistic(self) -> Sample:
        """The sample, with these views."""
        return Sample(self.words, self.seed, frozenset(self.views))

    def prepare(self, layer: SampledLayer) -> Distinct:
        """Raise the refusal that speaks against a view, if one does."""
        for view in self.views:
            layer.view(view)
        return Distinct(layer.distinct)

    def diagnostics(self, a: Distinct, b: Distinct, cross: SampleCross) -> dict[str, int]:
        """Return how many words there were, of how many they were drawn, and how many differ in either layer."""
        return {**cross.counts, "distinct_a": a.words, "distinct_b": b.words}


def check_at_least(name: str, value: Any, least: Any) -> None:
    """Raise ValueError where a parameter is smaller than that."""
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")
