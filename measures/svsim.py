"""svsim: do two layers span the same directions? And the choice of components that svsim and pwsim share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from layeratlas.measures.score import MeasureError, Score, TooFewWords

if TYPE_CHECKING:
    from layeratlas.measures.moments import Canonical, Cross, Layer

Cut = Literal["reach", "below"]


@dataclass(frozen=True)
class SVSim:
    """Mean canonical correlation of the two layers' main components (SVCCA, Raghu et al. 2017).

    Range [0, 1]; symmetric. Invariant to rotation of the kept components, not to general invertible maps.
    variance: the share of standardised variance that the kept components of each layer hold.
    cut: `reach` keeps enough components to reach that share; `below`, as in Wu et al.'s code, one fewer.
    Raises TooFewWords when both layers' components together outnumber the words: some correlation is 1 by algebra.
    """

    variance: float = 0.99
    cut: Cut = "reach"

    name: ClassVar[str] = "svsim"
    version: ClassVar[int] = 1
    kind: ClassVar[str] = "activations"
    symmetric: ClassVar[bool] = True
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"wu2020": {"cut": "below"}}

    def __post_init__(self) -> None:
        check_cut(self.variance, self.cut)

    def prepare(self, layer: Layer) -> None:
        """Whiten the kept components."""
        layer.whitener(layer.components(self.variance, self.cut))

    def compare(self, a: Layer, b: Layer, cross: Cross) -> Score:
        """Score the pair."""
        canonical, diagnostics = kept_components(self.name, self.variance, self.cut, cross)
        return Score(float(canonical.correlations.double().mean()), diagnostics=diagnostics)


def check_cut(variance: float, cut: str) -> None:
    """Raise ValueError when the parameters of a cut are out of range."""
    if not 0 < variance <= 1:
        raise ValueError(f"variance must be between 0 and 1, got {variance}")
    if cut not in get_args(Cut):
        raise ValueError(f"cut must be one of {', '.join(get_args(Cut))}, got '{cut}'")


def kept_components(measure: str, variance: float, cut: str, cross: Cross) -> tuple[Canonical, dict[str, int]]:
    """Return the canonical correlations of the components that hold `variance`, with the diagnostics of the cut."""
    a, b = cross.a, cross.b
    kept = [layer.components(variance, cut) for layer in (a, b)]
    for layer, count in zip((a, b), kept, strict=True):
        if not count:
            raise MeasureError(
                f"{measure} keeps no component of {layer.name}: one direction holds over {variance:.0%} of its "
                'variance. Use cut = "reach"'
            )
    if sum(kept) > a.words - 1:
        raise TooFewWords(
            f"{measure} compares {kept[0]} components of {a.name} with {kept[1]} of {b.name}: that takes more than "
            f"{sum(kept)} words, there are {a.words:,}. Extract more text"
        )
    counts = {"components_a": kept[0], "components_b": kept[1], "dead_a": a.dead, "dead_b": b.dead}
    return cross.canonical(*kept), {"words": a.words, **counts}
