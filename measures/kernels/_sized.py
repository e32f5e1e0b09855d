"""What the measures share that move one layer onto the other and see what is left: forms, size, and the origin."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal

from layeratlas.measures.declaration import Range, Statistic, check_choice
from layeratlas.measures.kernels._forms import Formed, formed
from layeratlas.measures.statistics.cross_moments import CrossMoments

if TYPE_CHECKING:
    from torch import Tensor

    from layeratlas.measures.statistics.moments import Cross, Layer

SizedForm = Literal["similarity", "complement", "squared", "distance", "angular", "size", "size-of-all"]


@dataclass(frozen=True)
class Sized:
    """A layer's neurons over the widest one's spread: spreads and means, [neurons]; that spread, the sum of squares."""

    relative: Tensor
    mean: Tensor
    widest: float
    total: float
    dead: int

    def products(self, b: Sized, cross: Cross) -> Tensor:  # batched -> [pairs, neurons_a, neurons_b]
        """Return the mean products about the origin with b's neurons, over the widest ones' spreads, float64."""
        return cross.covariance(self.relative, b.relative) + self.mean[:, :, None] * b.mean[:, None, :]


def about_origin(layer: Layer) -> Sized:
    """Return a layer's size where the origin stays where the model has it."""
    mean = layer.mean / layer.widest
    return Sized(layer.relative, mean, layer.widest, layer.total + float(mean.square().sum()), layer.dead)


@dataclass(frozen=True)
class Moved(Formed):
    """What is left between a and b, moved onto a as well as it can be.

    form: beside those of `_forms.py`, `size` is the distance of rows that are not scaled, root mean square over words,
    and `size-of-all` that times the root of the number of words, as others have it: it grows with the corpus.
    centred: about the mean of each layer; if not, the origin stays where the model has it.
    """

    form: SizedForm = "similarity"  # type: ignore[assignment]  # more of them
    centred: bool = True

    forms = ("similarity", "complement", "squared", "distance", "angular", "size", "size-of-all")
    metrics = ("distance", "angular", "size", "size-of-all")
    needs: ClassVar[Statistic] = CrossMoments()

    def __post_init__(self) -> None:
        check_choice("form", self.form, self.forms)

    @property
    def sizes(self) -> bool:
        """Whether the sizes of layers count."""
        return self.form in ("size", "size-of-all")

    @property
    def bounds(self) -> Range:
        """The range of this form."""
        return Range(0, None) if self.sizes else super().bounds

    @property
    def blind_to(self) -> frozenset[str]:
        """Scale where sizes do not count, translation where both are centred."""
        lost = {"scale"} if self.sizes else set()
        return self.invariant_to - lost - (set() if self.centred else {"translation"})

    def prepare(self, layer: Layer) -> Sized:
        """Take spreads, means and size."""
        sized = about_origin(layer)
        return replace(sized, total=layer.total) if self.centred else sized

    def products(self, a: Sized, b: Sized, cross: Cross) -> Tensor:  # [pairs, neurons_a, neurons_b]
        """Return the mean products of neurons over the widest ones' spreads, float64."""
        return cross.covariance(a.relative, b.relative) if self.centred else a.products(b, cross)

    def valued(self, overlap: Tensor, a: Sized, b: Sized, cross: Cross) -> Tensor:  # [pairs] -> [pairs]
        """Return this form of what the best move gives of the products, summed over neurons."""
        if not self.sizes:
            return formed(overlap / (a.total * b.total) ** 0.5, self.form)
        squared = a.total * a.widest**2 + b.total * b.widest**2 - 2 * a.widest * b.widest * overlap
        over_words = math.sqrt(cross.words) if self.form == "size-of-all" else 1.0
        return squared.clamp(min=0).sqrt() * over_words
