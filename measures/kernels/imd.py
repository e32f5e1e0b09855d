"""imd: does heat spread alike on the neighbourhood graphs of two layers?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from layeratlas.measures.declaration import PERMUTATION, ROTATION, SCALE, TRANSLATION, Range, measure
from layeratlas.measures.kernels._sampled import OfSample, check_at_least
from layeratlas.measures.kernels._unsure import NEIGHBOURS
from layeratlas.measures.score import Scores
from layeratlas.measures.statistics.sample import HeatTrace, View

if TYPE_CHECKING:
    from torch import Tensor

    from layeratlas.measures.statistics.sampled import SampleCross, SampledLayer


@dataclass(frozen=True)
class Trace:
    """How many words' rows differ, and the heat trace, [temperatures]."""

    words: int
    heat: Tensor


@measure
class MultiscaleDistance(OfSample):
    """Intrinsic multi-scale distance (IMD, Tsitsulin et al. 2020) between graphs of k nearest neighbours, exact.

    A distance, [0, ∞); symmetric: the largest difference of heat traces over temperatures t from .1 to 10, weighted by
    exp(-2(t + 1/t)). The traces are from all eigenvalues of the normalised Laplacian, in the unit of the authors' code
    (millionths of a word), which estimates them at random. It does not see which word is which, only the shapes.
    Of a sample of words and Euclidean distances; of words equally near, those that come first in the sample are taken.
    """

    k: int = 5

    name = "imd"
    version = 1
    no_interval = NEIGHBOURS
    range = Range(0, None)
    direction = "distance"
    itself = 0.0
    triangle = True
    of_words = False
    invariant_to = frozenset({PERMUTATION, SCALE, TRANSLATION, ROTATION})
    presets = {"resi": {}}

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least("k", self.k, 1)

    @property
    def views(self) -> tuple[View, ...]:
        """The heat traces."""
        return (HeatTrace(self.k),)

    def prepare(self, layer: SampledLayer) -> Trace:  # type: ignore[override]
        """Take the heat trace."""
        import torch

        return Trace(layer.distinct, torch.from_numpy(layer.view(self.views[0])))

    def compare(self, a: Trace, b: Trace, cross: SampleCross) -> Scores:
        """Score the pairs."""
        import torch

        from layeratlas.measures.statistics.heat import TEMPERATURES

        t = torch.from_numpy(TEMPERATURES)
        differences = torch.exp(-2 * (t + 1 / t)) * (a.heat - b.heat).abs()  # [pairs, temperatures]
        diagnostics = {**cross.counts, "distinct_a": a.words, "distinct_b": b.words}
        return Scores(differences.amax(dim=1), diagnostics=diagnostics)
