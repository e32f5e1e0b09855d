"""svsim: do two layers span the same directions? pwsim asks the same with other weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

from layeratlas.measures.declaration import (
    NEURON_SCALES,
    PERMUTATION,
    SCALE,
    TRANSLATION,
    Ends,
    Measure,
    Range,
    Statistic,
    check_choice,
    measure,
)
from layeratlas.measures.kernels._unsure import SINGULAR
from layeratlas.measures.score import MeasureError, Scores, TooFewWords
from layeratlas.measures.statistics.cross_moments import CrossMoments

if TYPE_CHECKING:
    from torch import Tensor

    from layeratlas.measures.statistics.moments import Cross, Layer

Cut = Literal["reach", "below"]


@dataclass(frozen=True)
class Components:
    """A layer's whitened components that hold the asked-for variance, [neurons, kept]; how many neurons are dead."""

    kept: int
    dead: int
    whitener: Tensor


@measure
class SVSim(Measure):
    """Mean canonical correlation of the two layers' main components (SVCCA, Raghu et al. 2017).

    Range [0, 1]; symmetric. Invariant to rotation of the kept components, not to general invertible maps.
    variance: the share of standardised variance that the kept components of each layer hold.
    cut: `reach` keeps enough components to reach that share; `below`, as in Wu et al.'s code, one fewer.
    Raises TooFewWords when both layers' components together outnumber the words: some correlation is 1 by algebra.
    """

    variance: float = 0.99
    cut: Cut = "reach"

    name = "svsim"
    version = 1
    no_interval = SINGULAR
    symmetric = True
    range = Range(0, 1)
    needs: ClassVar[Statistic] = CrossMoments()
    invariant_to = frozenset({PERMUTATION, NEURON_SCALES, SCALE, TRANSLATION})
    presets = {"wu2020": {"cut": "below"}}
    usual = ({},)

    def __post_init__(self) -> None:
        if not 0 < self.variance <= 1:
            raise ValueError(f"variance must be between 0 and 1, got {self.variance}")
        check_choice("cut", self.cut, get_args(Cut))

    def prepare(self, layer: Layer) -> Components:
        """Whiten the kept components."""
        kept = layer.components(self.variance, self.cut)
        return Components(kept, layer.dead, layer.whitener(kept))

    def check(self, a: Components, b: Components, ends: Ends) -> None:
        """Refuse what would report algebra as similarity."""
        for name, layer in ((ends.a, a), (ends.b, b)):
            if not layer.kept:
                raise MeasureError(
                    f"{self.name} keeps no component of {name}: one direction holds over {self.variance:.0%} of its "
                    'variance. Use cut = "reach"'
                )
        if a.kept + b.kept > ends.words - 1:
            raise TooFewWords(
                f"{self.name} compares {a.kept} components of {ends.a} with {b.kept} of {ends.b}: that takes more than "
                f"{a.kept + b.kept} words, there are {ends.words:,}. Extract more text"
            )

    def compare(self, a: Components, b: Components, cross: Cross) -> Scores:
        """Score the pairs."""
        correlations = cross.kept_correlations(a.whitener, b.whitener)
        return Scores(correlations.mean(dim=1), diagnostics=self.diagnostics(a, b, cross))

    def diagnostics(self, a: Components, b: Components, cross: Cross) -> dict[str, int]:
        """Return what one needs to judge the number: how many components were kept, and of how much."""
        counts = {"components_a": a.kept, "components_b": b.kept, "dead_a": a.dead, "dead_b": b.dead}
        return {**cross.counts, **counts}
