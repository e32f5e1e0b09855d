"""cka_debiased: do two layers have the same geometry, with what chance alone would give taken off?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from layeratlas.measures.declaration import (
    PERMUTATION,
    ROTATION,
    SCALE,
    TRANSLATION,
    Range,
    Statistic,
    check_choice,
    measure,
)
from layeratlas.measures.kernels._forms import Formed, expected_form, formed
from layeratlas.measures.score import MeasureError, Scores, TooFewWords
from layeratlas.measures.statistics.cross_moments import CrossMoments

if TYPE_CHECKING:
    from torch import Tensor

    from layeratlas.measures.statistics.moments import Cross, Layer


Diagonal = Literal["unbiased", "dropped"]


@dataclass(frozen=True)
class Lengths:
    """A layer over its widest neuron's spread: spreads and mean less the pivot, [neurons], the sum of squared lengths.

    trace: of squared lengths about the mean. hsic: its own unbiased HSIC, by whose root it is normalised.
    """

    relative: Tensor
    shift: Tensor
    total: float
    trace: float
    hsic: float
    dead: int


@measure
class DebiasedCKA(Formed):
    """Linear CKA of unbiased HSICs (Song et al. 2012; Kornblith et al. 2019): 0, give or take, of unrelated layers.

    U-centred Gram matrices [words, words], compared by their cosine, from products [neurons, neurons] alone: of centred
    rows ã, b̃ it is ‖C_ab‖² - n/(n-2) Σ‖ã‖²‖b̃‖² + tr C_aa tr C_bb / ((n-1)(n-2)), C sums over words.
    diagonal: `dropped` centres Gram matrices as CKA does and leaves out their diagonals, which is not unbiased: the
    modified RV coefficient (Smilde et al. 2009). form: `similarity`, `complement` or `angular`.
    Range [-1, 1]; symmetric. Invariant to rotation and to isotropic scaling. Raises TooFewWords below four words.
    """

    diagonal: Diagonal = "unbiased"

    name = "cka_debiased"
    version = 1
    symmetric = True
    range = Range(-1, 1)
    needs: ClassVar[Statistic] = CrossMoments(norms=True)
    invariant_to = frozenset({PERMUTATION, SCALE, TRANSLATION, ROTATION})
    forms = ("similarity", "complement", "angular")
    metrics = ("angular",)
    presets = {"google": {}, "platonic": {}, "repsim": {"diagonal": "dropped", "form": "angular"}}

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("diagonal", self.diagonal, get_args(Diagonal))

    def prepare(self, layer: Layer) -> Lengths:
        """Take the lengths and the layer's own HSIC."""
        own, words = layer.norms, layer.words
        if own is None or words < 4:
            raise TooFewWords(f"cka_debiased takes four words or more, {layer.name} has {words}")
        shifted, along = float(own.shift @ own.shift), float(own.shift @ own.weighted)
        fourth = own.square - 4 * along + 2 * shifted * own.total + words * (4 * own.spread + shifted**2)
        trace = own.total - words * shifted
        norm = words**2 * layer.covariance_norm**2
        hsic = self._hsic(norm, fourth, trace**2, words)
        if not hsic > 1e-12 * norm:
            raise MeasureError(f"{layer.name} has no variance of its own that is not chance: cka_debiased is undefined")
        return Lengths(layer.relative, own.shift, own.total, trace, hsic, layer.dead)

    def expected(self, a: Lengths, b: Lengths, words: int) -> Tensor | None:  # [pairs]
        """Return 0, unless it is biased."""
        biased = a.trace * b.trace * (1 / (words - 1) - 1 / words) / (a.hsic * b.hsic) ** 0.5
        return expected_form(biased if self.diagonal == "dropped" else 0 * biased, self.form)

    def compare(self, a: Lengths, b: Lengths, cross: Cross) -> Scores:
        """Score the pairs."""
        words, norms = cross.words, cross.norms
        if norms is None:
            raise RuntimeError("cka_debiased needs CrossMoments(norms=True)")
        between = (a.shift[:, :, None] * b.shift[:, None, :] * cross.covariance(a.relative, b.relative)).sum(dim=(1, 2))
        shift_a, shift_b = a.shift.square().sum(dim=1), b.shift.square().sum(dim=1)
        lengths = (
            norms.products - 2 * (b.shift * norms.weighted_b).sum(dim=1) - 2 * (a.shift * norms.weighted_a).sum(dim=1)
            + shift_b * a.total + shift_a * b.total + 4 * words * between + words * shift_a * shift_b
        )  # fmt: skip
        squared = words**2 * cross.squared_covariance(a.relative, b.relative)
        values = self._hsic(squared, lengths, a.trace * b.trace, words) / (a.hsic * b.hsic) ** 0.5
        return Scores(formed(values, self.form), diagnostics={**cross.counts, "dead_a": a.dead, "dead_b": b.dead})

    def _hsic(self, squared: Any, lengths: Any, traces: Any, words: int) -> Any:  # numbers, or each [pairs]
        """Return the sum of products of two Gram matrices off their diagonals, U-centred or as they are."""
        if self.diagonal == "dropped":
            return squared - lengths
        return squared - words / (words - 2) * lengths + traces / ((words - 1) * (words - 2))
