"""cca: how well do all directions of two layers correlate, the weak ones as much as the strong ones?"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, get_args

from layeratlas.measures.declaration import INVARIANCES, Ends, Range, Statistic, check_choice, measure
from layeratlas.measures.kernels._forms import Formed, expected_form, formed
from layeratlas.measures.kernels._unsure import SINGULAR
from layeratlas.measures.score import Scores, TooFewWords
from layeratlas.measures.statistics.bases import Basis
from layeratlas.measures.statistics.cross_moments import CrossMoments

if TYPE_CHECKING:
    import torch

    from layeratlas.measures.statistics.moments import Cross, Layer

Summary = Literal["mean", "r2", "yanai"]


def refuse_forced(name: str, a: int, b: int, ends: Ends) -> None:
    """Refuse layers of which one has as many directions as the words allow: then all agree, by algebra.

    a, b: how many directions of each are compared. Where the words force a part of them to agree, diagnostics say so.
    """
    if max(a, b) >= ends.words - 1:
        widest = ends.a if a >= b else ends.b
        raise TooFewWords(
            f"{name} compares {a} directions of {ends.a} with {b} of {ends.b}: {ends.words:,} words allow "
            f"{ends.words - 1:,} in all, so that {widest} agrees with any layer. Extract more text"
        )


@measure
class CCA(Formed):
    """Mean canonical correlation of all directions (Raghu et al. 2017), or of their squares (Kornblith et al. 2019).

    summary: `mean` of the correlations ρ over the smaller rank, `r2` of ρ², `yanai` Σρ²/√(rank_a rank_b).
    form: `similarity` or `complement`. Range [0, 1]; symmetric. Blind to invertible maps of either layer.
    Noise counts as much as signal, and more of it the fewer the words: of unrelated layers it is about √(rank / words).
    Diagnostics `forced`: so many correlations are 1 by algebra, since the ranks together exceed the words.
    Raises TooFewWords where all of them would be.
    """

    summary: Summary = "mean"

    name = "cca"
    version = 1
    no_interval = SINGULAR
    symmetric = True
    range = Range(0, 1)
    needs: ClassVar[Statistic] = CrossMoments()
    invariant_to = frozenset(INVARIANCES)
    forms = ("similarity", "complement")
    presets = {"google": {}, "gulp": {"form": "complement"}}
    variants = ({"summary": "r2"}, {"summary": "yanai"})

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("summary", self.summary, get_args(Summary))

    def prepare(self, layer: Layer) -> Basis:
        """Whiten all directions."""
        return Basis.of(layer)

    def check(self, a: Basis, b: Basis, ends: Ends) -> None:
        """Refuse what would report algebra as similarity."""
        refuse_forced(self.name, a.rank, b.rank, ends)

    def compare(self, a: Basis, b: Basis, cross: Cross) -> Scores:
        """Score the pairs."""
        return Scores(formed(self._similarity(a, b, cross), self.form), diagnostics=a.counts(b, cross))

    def expected(self, a: Basis, b: Basis, words: int) -> torch.Tensor | None:  # [pairs]
        """Every correlation of directions has the mean square 1/(words - 1). Means of singular values are not known."""
        if self.summary == "mean":
            return None
        return expected_form(a.each(a.rank * b.rank / (words - 1) / self._over(a, b)), self.form)

    def _similarity(self, a: Basis, b: Basis, cross: Cross) -> torch.Tensor:  # [pairs]
        if self.summary == "mean":
            return cross.canonical_correlations(a.whitener, b.whitener).mean(dim=1)
        squares = cross.whitened(a.whitener, b.whitener).double().square().sum(dim=(1, 2))
        return squares / self._over(a, b)

    def _over(self, a: Basis, b: Basis) -> float:
        return min(a.rank, b.rank) if self.summary == "r2" else float((a.rank * b.rank) ** 0.5)
