"""svsim: do two layers span the same directions? And the cut of components that svsim and pwsim share."""

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
    symmetric = True
    range = Range(0, 1)
    needs: ClassVar[Statistic] = CrossMoments()
    invariant_to = frozenset({PERMUTATION, NEURON_SCALES, SCALE, TRANSLATION})
    presets = {"wu2020": {"cut": "below"}}
    usual = ({},)

    def __post_init__(self) -> None:
        check_cut(self.variance, self.cut)

    def prepare(self, layer: Layer) -> Components:
        """Whiten the kept components."""
        kept = layer.components(self.variance, self.cut)
        return Components(kept, layer.dead, layer.whitener(kept))

    def check(self, a: Components, b: Components, ends: Ends) -> None:
        """Refuse what would report algebra as similarity."""
        check_components(self.name, self.variance, (a.kept, b.kept), ends)

    def compare(self, a: Components, b: Components, cross: Cross) -> Scores:
        """Score the pairs."""
        canonical = cross.canonical(a.whitener, b.whitener)
        counts = {"components_a": a.kept, "components_b": b.kept, "dead_a": a.dead, "dead_b": b.dead}
        return Scores(canonical.correlations.double().mean(dim=1), diagnostics={**cross.counts, **counts})


def check_cut(variance: float, cut: str) -> None:
    """Raise ValueError when the parameters of a cut are out of range."""
    if not 0 < variance <= 1:
        raise ValueError(f"variance must be between 0 and 1, got {variance}")
    check_choice("cut", cut, get_args(Cut))


def check_components(measure: str, variance: float, kept: tuple[int, int], ends: Ends) -> None:
    """Raise MeasureError when a layer keeps no component, TooFewWords when both keep more than the words allow."""
    for name, count in zip((ends.a, ends.b), kept, strict=True):
        if not count:
            raise MeasureError(
                f"{measure} keeps no component of {name}: one direction holds over {variance:.0%} of its variance. "
                'Use cut = "reach"'
            )
    if sum(kept) > ends.words - 1:
        raise TooFewWords(
            f"{measure} compares {kept[0]} components of {ends.a} with {kept[1]} of {ends.b}: that takes more than "
            f"{sum(kept)} words, there are {ends.words:,}. Extract more text"
        )
