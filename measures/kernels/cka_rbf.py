"""cka_rbf: do two layers have the same neighbourhoods, as a Gaussian kernel sees them?"""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from layeratlas.measures.declaration import (
    PERMUTATION,
    ROTATION,
    SCALE,
    TRANSLATION,
    Range,
    check_choice,
    measure,
)
from layeratlas.measures.kernels._sampled import Distinct, OfSample
from layeratlas.measures.score import Scores
from layeratlas.measures.statistics.sample import Bandwidth, Entries, Gaussian, View

if TYPE_CHECKING:
    from layeratlas.measures.statistics.sampled import SampleCross


@measure
class GaussianCKA(OfSample):
    """Centred kernel alignment of Gaussian kernels, debiased (Kornblith et al. 2019; Song et al. 2012).

    Range [-1, 1]; symmetric. The cosine of the U-centred kernels exp(-d²/2σ²) of a sample of words.
    sigma, bandwidth: σ² is sigma² times the `median` of all squared distances, a word's with itself among them;
    `median_pairs`, times the squared median distance of pairs of words; `fixed`, nothing else.
    unit_rows: every word's row is first scaled to length one.
    debiased: False keeps what each word has with itself, as most code does: [0, 1], and near 1 for narrow kernels also
    where layers are independent.
    """

    sigma: float = 0.5
    bandwidth: Bandwidth = "median"
    debiased: bool = True
    unit_rows: bool = False

    name = "cka_rbf"
    version = 1
    invariant_to = frozenset({PERMUTATION, SCALE, TRANSLATION, ROTATION})
    presets = {
        "google": {"debiased": False, "sigma": 1.0},
        "platonic": {"debiased": False, "sigma": 1.0, "bandwidth": "fixed", "unit_rows": True},
        "repsim": {"debiased": False, "sigma": 0.5**0.5, "bandwidth": "median_pairs"},
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("bandwidth", self.bandwidth, get_args(Bandwidth))
        if not self.sigma > 0:
            raise ValueError(f"sigma must be more than 0, got {self.sigma}")

    @property
    def bounds(self) -> Range:
        """Biased, it is a cosine of positive matrices."""
        return self.range if self.debiased else Range(0, 1)

    @property
    def blind_to(self) -> frozenset[str]:
        """Unit rows depend on the origin; a width that is fixed depends on the scale, if that is not taken off."""
        seen = {TRANSLATION} if self.unit_rows else {SCALE} if self.bandwidth == "fixed" else set()
        return self.invariant_to - seen

    @property
    def views(self) -> tuple[View, ...]:
        """The centred kernels."""
        kernel = Gaussian(self.sigma, self.bandwidth, self.unit_rows)
        return (Entries(kernel, "u_centred" if self.debiased else "centred"),)

    def compare(self, a: Distinct, b: Distinct, cross: SampleCross) -> Scores:
        """Score the pairs."""
        return Scores(cross.cosines(self.views[0]), diagnostics=self.diagnostics(a, b, cross))
