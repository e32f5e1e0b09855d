"""permutation_shape: how close do two layers come once the neurons of one are put into another order?"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from layeratlas.measures.declaration import PERMUTATION, SCALE, TRANSLATION, Range, measure
from layeratlas.measures.kernels._sized import Moved, Sized, SizedForm
from layeratlas.measures.kernels._unsure import MATCHED
from layeratlas.measures.score import Scores

if TYPE_CHECKING:
    from torch import Tensor

    from layeratlas.measures.statistics.moments import Cross


@measure
class PermutationShape(Moved):
    """Shape metric of permutations (Williams et al. 2021): the angle between layers after the best matching of neurons.

    s = max Σ_i ⟨a_i, b_π(i)⟩/(‖A‖‖B‖); of unequal widths the narrower layer has neurons that are 0 besides.
    form and centred: as procrustes. signed = false lets a neuron change its sign as well. Units are the
    correlations of a's neurons with their partners, matches these.
    Range [0, π/2], signed [0, π]; symmetric; a metric. Invariant to permutation, translation and, but for sizes, scale.
    """

    form: SizedForm = "angular"
    signed: bool = True

    name = "permutation_shape"
    version = 1
    no_interval = MATCHED
    level = "neuron"
    symmetric = True
    range = Range(-1, 1)
    invariant_to = frozenset({PERMUTATION, SCALE, TRANSLATION})
    presets = {"netrep": {}, "resi": {"centred": False}}
    variants = ({"signed": False}, {"form": "size"}, {"form": "similarity"})

    @property
    def bounds(self) -> Range:
        """What changes its sign where that is better is not opposite."""
        from layeratlas.measures.kernels._forms import distance_range

        return super().bounds if self.signed or self.sizes else distance_range(0, self.form)

    def compare(self, a: Sized, b: Sized, cross: Cross) -> Scores:
        """Score the pairs."""
        from layeratlas.measures.assignment import best_assignment

        products = self.products(a, b, cross)
        found = products if self.signed else products.abs()

        def matched() -> Tensor:
            return best_assignment(found)

        pairing = cross.transposed(("permutation", self.signed, self.centred), matched)
        taken = pairing.any(dim=2)
        partners = pairing.int().argmax(dim=2)  # [pairs, neurons_a]
        overlap = found.masked_fill(~pairing, 0).sum(dim=(1, 2))
        neurons = cross.correlation.double().gather(2, partners[:, :, None])[:, :, 0]
        neurons = neurons.masked_fill(~taken | (a.relative == 0), math.nan)
        return Scores(
            self.valued(overlap, a, b, cross), neurons if self.signed else neurons.abs(),
            partners.masked_fill(~taken, -1), {**cross.counts, "dead_a": a.dead, "dead_b": b.dead},
        )  # fmt: skip
