"""jaccard_knn: how large a part of a word's neighbours in either layer are they in both?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from layeratlas.measures.declaration import measure
from layeratlas.measures.kernels._neighbours import OfNeighbours
from layeratlas.measures.kernels._sampled import Distinct
from layeratlas.measures.score import Scores

if TYPE_CHECKING:
    from layeratlas.measures.statistics.sampled import SampleCross


@measure
class JaccardNeighbours(OfNeighbours):
    """Mean Jaccard index of the sets of a word's k nearest words (Schumacher et al. 2021).

    Range [0, 1]; symmetric. Of a sample of words; a word is not its own neighbour; of words equally near, those that
    come first in the sample are taken. near: by `cosine` of rows, `euclidean` distance, or the `dot` product.
    """

    name = "jaccard_knn"
    version = 1
    presets = {"resi": {}}
    variants = ({"near": "euclidean"},)

    def compare(self, a: Distinct, b: Distinct, cross: SampleCross) -> Scores:
        """Score the pairs."""
        from layeratlas.measures.statistics.neighbours import jaccard

        return Scores(cross.each(self.views[0], jaccard), diagnostics=self.diagnostics(a, b, cross))
