"""rank_similarity: are a word's neighbours in the same order in both layers?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from layeratlas.measures.declaration import measure
from layeratlas.measures.kernels._neighbours import OfNeighbours
from layeratlas.measures.kernels._sampled import Distinct
from layeratlas.measures.score import Scores

if TYPE_CHECKING:
    from layeratlas.measures.statistics.sampled import SampleCross


@measure
class RankSimilarity(OfNeighbours):
    """Agreement of the ranks of a word's neighbours that both layers have among their k nearest (Wang et al. 2022).

    Range [0, 1]; symmetric. A common neighbour with ranks r and s counts 2/((1 + |r - s|)(r + s)); their sum is divided
    by what equal ranks of as many would give, and is 0 where there is none. Of a sample of words; of words equally
    near, those that come first in it are taken.
    near: by `cosine` of rows, `euclidean` distance, or the `dot` product.
    joint: each word's figure is multiplied by the Jaccard index of its neighbours.
    """

    joint: bool = False

    name = "rank_similarity"
    version = 1
    presets = {"resi": {}}
    variants = ({"near": "euclidean"}, {"joint": True})

    def compare(self, a: Distinct, b: Distinct, cross: SampleCross) -> Scores:
        """Score the pairs."""
        from layeratlas.measures.statistics.neighbours import rank_similarity

        values = cross.each(self.views[0], lambda x, y: rank_similarity(x, y, joint=self.joint))
        return Scores(values, diagnostics=self.diagnostics(a, b, cross))
