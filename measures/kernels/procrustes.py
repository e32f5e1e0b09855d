"""procrustes: how close do two layers come once one is rotated onto the other?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from layeratlas.measures.declaration import PERMUTATION, ROTATION, SCALE, TRANSLATION, Range, measure
from layeratlas.measures.kernels._sized import Moved, Sized
from layeratlas.measures.kernels._unsure import SINGULAR
from layeratlas.measures.score import Scores

if TYPE_CHECKING:
    from torch import Tensor

    from layeratlas.measures.statistics.moments import Cross


@measure
class Procrustes(Moved):
    """Orthogonal Procrustes (Schönemann 1966; Ding et al. 2021; Williams et al. 2021): s = ‖A'B‖₊/(‖A‖‖B‖), centred.

    The nuclear norm ‖·‖₊ sums singular values. s is also the normalised Bures similarity (Tang et al. 2020).
    form: `similarity` s, `complement`, `squared` 2 - 2s, `distance` √(2 - 2s), `angular` arccos s, and with the layers'
    sizes `size` √((‖A‖² + ‖B‖² - 2‖A'B‖₊)/words) and `size-of-all`, not over words. centred: `_sized.py`.
    Range [0, 1]; symmetric. Invariant to rotation, translation and, but for sizes, scale. Widths need not be equal.
    """

    name = "procrustes"
    version = 1
    no_interval = SINGULAR
    symmetric = True
    range = Range(0, 1)
    invariant_to = frozenset({PERMUTATION, SCALE, TRANSLATION, ROTATION})
    presets = {
        "resi": {"form": "distance"}, "netrep": {"form": "angular"}, "repsim": {"form": "angular"},
        "gulp": {"form": "squared"}, "nbs": {}, "rsatoolbox": {},
    }  # fmt: skip
    variants = ({"form": "distance"}, {"form": "size"}, {"centred": False})

    def compare(self, a: Sized, b: Sized, cross: Cross) -> Scores:
        """Score the pairs."""
        from layeratlas.measures.linalg import singular_values

        def nuclear() -> Tensor:
            products = self.products(a, b, cross)
            if cross.correlation.dtype != products.dtype:  # what the data allow: see `singular_values`
                products = products.to(cross.correlation.dtype)
            return singular_values(products).sum(dim=-1)[:, None, None]

        overlap = cross.transposed(("nuclear", self.centred), nuclear).flatten()
        return Scores(
            self.valued(overlap, a, b, cross), diagnostics={**cross.counts, "dead_a": a.dead, "dead_b": b.dead}
        )
