"""rsa: are words that are far apart in one layer far apart in the other?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from layeratlas.measures.declaration import PERMUTATION, ROTATION, SCALE, TRANSLATION, check_choice, measure
from layeratlas.measures.kernels._sampled import Distinct, OfSample
from layeratlas.measures.score import Scores
from layeratlas.measures.statistics.sample import Dissimilarity, Entries, Form, Metric, Order, View

if TYPE_CHECKING:
    from layeratlas.measures.statistics.sampled import SampleCross

Compare = Literal[
    "spearman", "pearson", "kendall", "cosine", "corr_cov", "cosine_cov", "rho_a", "tau_a",
]  # fmt: skip
_FORMS: dict[str, Form] = {
    "spearman": "ranks", "rho_a": "ranks", "pearson": "less_mean", "cosine": "plain",
    "corr_cov": "less_mean_centred", "cosine_cov": "centred",
}  # fmt: skip
_BY_ORDER = ("spearman", "kendall", "rho_a", "tau_a")


@measure
class RSA(OfSample):
    """Representational similarity analysis (Kriegeskorte et al. 2008): correlation of all words' dissimilarities.

    Range [-1, 1]; symmetric. Of a sample of words, the same in all layers; equal dissimilarities share their mean rank.
    metric: 1 - `cosine` or 1 - `correlation` of rows, the `euclidean` distance or its square, `sqeuclidean`.
    centred: the sample's mean is taken off first, so that cosines do not see where the origin is; distances never do.
    compare_by: `spearman`, `pearson`, `cosine`; `kendall` (tau-b) and `tau_a`, far slower; `rho_a`, the mean of
    Spearman's over all ways to break ties; `corr_cov` and `cosine_cov`, whitened (Diedrichsen et al. 2021). rho_a and
    tau_a of tied dissimilarities are below 1 also of a layer with itself.
    """

    metric: Metric = "cosine"
    centred: bool = True
    compare_by: Compare = "spearman"

    name = "rsa"
    version = 1
    invariant_to = frozenset({PERMUTATION, SCALE, TRANSLATION, ROTATION})
    presets = {
        "resi": {"metric": "correlation", "centred": False},
        "rsatoolbox": {"metric": "sqeuclidean", "centred": False, "compare_by": "cosine"},
    }
    variants = (
        {"metric": "euclidean"}, {"centred": False}, {"metric": "correlation"},
        *({"compare_by": each} for each in get_args(Compare)[1:]),
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("metric", self.metric, get_args(Metric))
        check_choice("compare_by", self.compare_by, get_args(Compare))

    @property
    def blind_to(self) -> frozenset[str]:
        """Correlations of rows see a rotation, and angles of rows that are not centred see a translation."""
        seen = {ROTATION} if self.metric == "correlation" else set()
        if self.metric in ("cosine", "correlation") and not self.centred:
            seen |= {TRANSLATION}
        return self.invariant_to - seen

    @property
    def views(self) -> tuple[View, ...]:
        """The dissimilarities, as they are compared."""
        ordered = self.metric == "euclidean" and self.compare_by in _BY_ORDER  # squares have the same, and fewer ties
        metric = "sqeuclidean" if ordered else self.metric
        dissimilarity = Dissimilarity(metric, self.centred and metric in ("cosine", "correlation"))
        if self.compare_by in _FORMS:
            return (Entries(dissimilarity, _FORMS[self.compare_by]),)
        return (Order(dissimilarity),)

    def compare(self, a: Distinct, b: Distinct, cross: SampleCross) -> Scores:
        """Score the pairs."""
        (view,) = self.views
        diagnostics = self.diagnostics(a, b, cross)
        if self.compare_by == "rho_a":
            count = cross.words * (cross.words - 1) // 2  # of dissimilarities; a view holds twice their centred ranks
            return Scores(cross.products(view) * (3 / (count**3 - count)), diagnostics=diagnostics)
        if isinstance(view, Entries):
            return Scores(cross.cosines(view), diagnostics=diagnostics)
        from layeratlas.measures.statistics.concordance import kendall

        return Scores(cross.each(view, lambda x, y: kendall(x, y, tau_a=self.compare_by == "tau_a")),
                      diagnostics=diagnostics)  # fmt: skip
