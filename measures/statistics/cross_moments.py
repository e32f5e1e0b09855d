"""Second moments of layers side by side: what most measures of activations follow from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from layeratlas.measures.statistics import strips

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from layeratlas.measures.engine import How
    from layeratlas.measures.sources.activations import Rows
    from layeratlas.measures.statistics.folds import Sums
    from layeratlas.measures.statistics.moments import Moments


@dataclass(frozen=True)
class CrossMoments:
    """Each layer's own covariance in float64, and the products of every pair, centred.

    norms: also the moments of words' squared lengths, one more column a layer, which unbiased measures need.
    spectra: layers keep theirs after all measures have prepared them.
    directions: also the products of every pair's rows of length one, about the origin, which means of cosines need.
    """

    only_once: ClassVar[str] = ""
    needs_words: ClassVar[bool] = True
    unshuffled: ClassVar[str] = ""

    norms: bool = False
    directions: bool = False
    spectra: bool = False

    @property
    def shared(self) -> Hashable:
        """All moments are gathered as one."""
        return CrossMoments

    def joined(self, other: CrossMoments) -> CrossMoments:
        """Return what gives all that both give."""
        return CrossMoments(
            self.norms or other.norms, self.directions or other.directions, self.spectra or other.spectra
        )

    @property
    def undrawn(self) -> str:
        """Rows of length one are another layer, whose moments with the layer itself are not gathered."""
        return "rows of length one cannot be drawn: ask for --null permuted" if self.directions else ""

    def to_draw(self) -> CrossMoments:
        """Return the same with words' lengths, which tell whether a few words decide."""
        return CrossMoments(True, self.directions, spectra=True)

    @property
    def unrotated(self) -> str:
        """Rows of length one are another layer, whose moments with the layer itself are not gathered."""
        return "rows of length one are not kept so that neurons can be turned" if self.directions else ""

    def to_rotate(self) -> CrossMoments:
        """Return the same with what turned layers are made of."""
        return CrossMoments(self.norms, self.directions, spectra=True)

    def shuffled_bytes(self, units: list[int], words: int, times: int) -> int:
        """Return what all words take, twice as float32: as they are, and what reading leaves; and orders of a pair.

        A pair's words are transformed, in float64 too where their lengths are asked for.
        """
        from layeratlas.measures.statistics.dealt import bytes_of

        return 8 * sum(units) * words + (24 + 72 * self.norms) * max(units, default=0) * words + bytes_of(units, times)

    def bytes(self, units: list[int], pairs: list[tuple[int, int]]) -> int:
        """Return what the float64 sums take."""
        norms = len(units) * (len(units) + sum(units)) if self.norms else 0
        products = (2 if self.directions else 1) * strips.size(units, pairs)
        return 8 * (sum(width**2 for width in units) + products + norms)

    def folded(self, layers: Sequence[Rows], pairs: list[tuple[int, int]], how: How, folds: int) -> Sums:
        """Make room for the sums of every fold."""
        from layeratlas.measures.statistics.folds import Sums

        parts = [self.begin(layers, pairs, how) for _ in range(folds)]
        for part in parts[1:]:
            part.share_room(parts[0])
        return Sums(parts)

    def folded_bytes(self, units: list[int], pairs: list[tuple[int, int]], folds: int) -> int:
        """Return what the sums of every fold take, of all of them, and of a choice."""
        return (folds + 2) * self.bytes(units, pairs)

    def begin(self, layers: Sequence[Rows], pairs: list[tuple[int, int]], how: How) -> Moments:
        """Make room for the sums."""
        from layeratlas.measures.statistics.moments import Moments

        names, units = [layer.name for layer in layers], [layer.units for layer in layers]
        return Moments(names, units, pairs, how.dtype, how.device, norms=self.norms, directions=self.directions,
                       spectra=self.spectra)  # fmt: skip
