"""mutual_knn: do words have the same neighbours in both layers?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from layeratlas.measures.declaration import ROTATION, TRANSLATION, measure
from layeratlas.measures.kernels._neighbours import OfNeighbours, check_clip
from layeratlas.measures.kernels._sampled import Distinct
from layeratlas.measures.score import Scores
from layeratlas.measures.statistics.sample import Neighbours, View

if TYPE_CHECKING:
    from layeratlas.measures.statistics.sampled import SampleCross


@measure
class MutualNeighbours(OfNeighbours):
    """Mean share of a word's k nearest words that are the same in both layers (Huh et al. 2024).

    Range [0, 1], of independent layers about k/words; symmetric. Of a sample of words; a word is not its own neighbour;
    of words equally near, those that come first in the sample are taken, in every layer.
    near: by `cosine` of rows, as in the Platonic hypothesis, `euclidean` distance, or the `dot` product.
    clip: values are first clamped to this quantile of absolute values over the sample; 1 leaves them as they are.
    """

    clip: float = 1.0

    name = "mutual_knn"
    version = 1
    presets = {"platonic": {"clip": 0.95}}
    variants = ({"near": "euclidean"}, {"near": "dot"}, {"k": 3})

    def __post_init__(self) -> None:
        super().__post_init__()
        check_clip(self.clip)

    @property
    def blind_to(self) -> frozenset[str]:
        """Clamped values depend on the axes and on the origin."""
        return super().blind_to - ({ROTATION, TRANSLATION} if self.clip < 1 else set())

    @property
    def views(self) -> tuple[View, ...]:
        """The neighbours."""
        return (Neighbours(self.k, self.near, self.clip),)

    def compare(self, a: Distinct, b: Distinct, cross: SampleCross) -> Scores:
        """Score the pairs."""
        from layeratlas.measures.statistics.neighbours import mutual

        return Scores(cross.each(self.views[0], mutual), diagnostics=self.diagnostics(a, b, cross))
