"""aligned_cosine: how small is the angle between a word's two rows, once one layer is rotated onto the other?"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, get_args

from layeratlas.measures.declaration import (
    PERMUTATION,
    ROTATION,
    SCALE,
    Measure,
    Range,
    Statistic,
    check_choice,
    measure,
)
from layeratlas.measures.kernels._sized import Sized, about_origin
from layeratlas.measures.kernels._unsure import SINGULAR
from layeratlas.measures.score import MeasureError, Scores
from layeratlas.measures.statistics.cross_moments import CrossMoments

if TYPE_CHECKING:
    from torch import Tensor

    from layeratlas.measures.statistics.moments import Cross, Layer

Move = Literal["rotation", "permutation"]


@measure
class AlignedCosine(Measure):
    """Mean cosine of words' rows after the best move (Hamilton et al. 2016): Σ aQ·b / (|a||b|), over words.

    About the origin. Q makes ‖AQ - B‖ least: `rotation` (orthogonal Procrustes; the narrower layer is padded by zeros)
    or `permutation` (an assignment by products of neurons). Range [-1, 1]; symmetric. Invariant to rotation and scale.
    Raises MeasureError where a word's row is 0: it has no direction.
    """

    move: Move = "rotation"

    name = "aligned_cosine"
    version = 1
    no_interval = SINGULAR
    symmetric = True
    range = Range(-1, 1)
    needs: ClassVar[Statistic] = CrossMoments(directions=True)
    invariant_to = frozenset({PERMUTATION, SCALE, ROTATION})
    presets = {"resi": {}}
    variants = ({"move": "permutation"},)

    def __post_init__(self) -> None:
        check_choice("move", self.move, get_args(Move))

    @property
    def blind_to(self) -> frozenset[str]:
        """A permutation undoes no rotation."""
        return self.invariant_to - ({ROTATION} if self.move == "permutation" else set())

    def prepare(self, layer: Layer) -> Sized:
        """Take spreads and means."""
        if layer.without_direction:
            raise MeasureError(
                f"{layer.name}: {layer.without_direction:,} of {layer.words:,} words have rows of zeros, so that there "
                "is no cosine. Compare without these words"
            )
        return about_origin(layer)

    def compare(self, a: Sized, b: Sized, cross: Cross) -> Scores:
        """Score the pairs."""
        if cross.directions is None:
            raise RuntimeError("aligned_cosine needs CrossMoments(directions=True)")
        values = (self._best(a.products(b, cross)) * cross.directions).sum(dim=(1, 2)) / cross.words
        return Scores(values.clamp(-1, 1), diagnostics={**cross.counts, "dead_a": a.dead, "dead_b": b.dead})

    def _best(self, products: Tensor) -> Tensor:  # [pairs, neurons_a, neurons_b], both
        from layeratlas.measures.assignment import best_assignment
        from layeratlas.measures.linalg import nearest_orthogonal

        return nearest_orthogonal(products) if self.move == "rotation" else best_assignment(products).double()
