"""A sample of words, the same for every layer of every model, and what measures make of it once a layer.

Imports neither torch nor numpy: measures name here what they need.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from layeratlas.measures.engine import How
    from layeratlas.measures.sources.activations import Rows
    from layeratlas.measures.statistics.reordered import Reordering
    from layeratlas.measures.statistics.sampled import Sampled, SampledFolds
    from layeratlas.measures.statistics.wordwise import Wordwise

Metric = Literal["cosine", "correlation", "euclidean", "sqeuclidean"]
Near = Literal["cosine", "euclidean", "dot"]
Bandwidth = Literal["median", "median_pairs", "fixed"]
#: What a matrix's entries become: as they are, over their root mean square or median, less their mean, ranks, centred
#: in both directions, U-centred.
Form = Literal["plain", "over_rms", "over_median", "less_mean", "ranks", "centred", "less_mean_centred", "u_centred"]

FLOAT = 4  # bytes of what is kept of a layer, in the float32 of a store
_WORKING = 10  # float64 matrices [words, words] that making one layer's views takes
AT_ONCE = 2  # layers whose views are surely made side by side


class View(Protocol):
    """What is made of a layer's sampled words, once. Hashable: measures that need the same one share it."""

    def bytes(self, words: int) -> int:
        """Return how many bytes it keeps of a layer, of so many words."""

    def of(self, rows: Wordwise, dtype: Any) -> Any:
        """Make it. dtype: of numpy, for what is kept. Raises MeasureError where there is none."""

    def reordered(self, made: Any, to: Reordering) -> Any:
        """Return what would have been made with the words in another order; the same where none matters."""


@dataclass(frozen=True)
class Dissimilarity:
    """How far words are from each other, [words, words]; with `centred`, of rows less the mean of the sample."""

    metric: Metric
    centred: bool = False

    def matrix(self, rows: Wordwise) -> Any:
        """Return it in float64."""
        return rows.dissimilarities(self.metric, centred=self.centred)


@dataclass(frozen=True)
class Gaussian:
    """exp(-d²/2σ²) of words at distance d, [words, words].

    `median`: σ² is sigma² × the median of all words² squared distances; `median_pairs`: sigma² × the squared median
    distance of pairs of words; `fixed`: sigma². unit_rows: every word's row is scaled to length one first.
    """

    sigma: float
    bandwidth: Bandwidth
    unit_rows: bool

    def matrix(self, rows: Wordwise) -> Any:
        """Return it in float64."""
        return rows.gaussian(self.sigma, self.bandwidth, unit_rows=self.unit_rows)


@dataclass(frozen=True)
class Entries:
    """The entries of a symmetric matrix in one vector, so that all pairs of layers are compared by one product."""

    matrix: Dissimilarity | Gaussian
    form: Form

    def bytes(self, words: int) -> int:
        """Half the matrix."""
        return FLOAT * words * (words + 1) // 2

    def of(self, rows: Wordwise, dtype: Any) -> Any:
        """Make the vector."""
        from layeratlas.measures.statistics.entries import entries

        return entries(self.matrix.matrix(rows), self.form, rows, dtype)

    def reordered(self, made: Any, to: Reordering) -> Any:
        """Look the entries up."""
        return to.entries(made)


@dataclass(frozen=True)
class Order:
    """The order of a matrix's entries, for Kendall's correlation."""

    matrix: Dissimilarity

    def bytes(self, words: int) -> int:
        """Ranks and places."""
        return 2 * 4 * words * (words - 1) // 2

    def of(self, rows: Wordwise, dtype: Any) -> Any:
        """Order the entries."""
        from layeratlas.measures.statistics.concordance import Ordered
        from layeratlas.measures.statistics.entries import condensed, in_an_order

        rows.need(3, "an order of pairs of words")
        return Ordered.of(in_an_order(condensed(self.matrix.matrix(rows)), rows.name))

    def reordered(self, made: Any, to: Reordering) -> Any:
        """Look pairs up."""
        return to.ordered(made)


@dataclass(frozen=True)
class Square:
    """A whole matrix, [words, words], where entries are looked up."""

    matrix: Dissimilarity

    def bytes(self, words: int) -> int:
        """The matrix."""
        return FLOAT * words**2

    def of(self, rows: Wordwise, dtype: Any) -> Any:
        """Keep it."""
        return self.matrix.matrix(rows).astype(dtype)

    def reordered(self, made: Any, to: Reordering) -> Any:
        """Look rows and columns up."""
        return to.square(made)


@dataclass(frozen=True)
class Neighbours:
    """Each word's k nearest others; of words equally near, those that come first in the sample.

    clip: values are first clamped to this quantile of absolute values; 1 leaves them as they are.
    """

    k: int
    near: Near
    clip: float = 1.0

    def bytes(self, words: int) -> int:
        """Lists, values, and every other word's place."""
        return words * self.k * 4 * 8 + words**2 * (1 if self.k < 2**8 else 2)

    def of(self, rows: Wordwise, dtype: Any) -> Any:
        """Find them."""
        return rows.neighbours(self.k, self.near, self.clip)

    def reordered(self, made: Any, to: Reordering) -> Any:
        """Look words up."""
        return to.nearest(made)


@dataclass(frozen=True)
class HeatTrace:
    """How heat spreads on the graph of nearest neighbours, [temperatures]."""

    k: int

    def bytes(self, words: int) -> int:
        """A number a temperature."""
        return 8 * 256

    def of(self, rows: Wordwise, dtype: Any) -> Any:
        """Compute it."""
        from layeratlas.measures.statistics.heat import heat_trace

        return heat_trace(rows.neighbours(self.k, "euclidean", 1.0).lists)

    def reordered(self, made: Any, to: Reordering) -> Any:
        """No word has a place in it."""
        return made


@dataclass(frozen=True)
class Uniformity:
    """log mean exp(-t d²) over pairs of words at distance d, one number (Wang and Isola 2020).

    unit_rows: every word's row is scaled to length one first. with_self: a word's pair with itself counts too.
    """

    t: float = 2.0
    unit_rows: bool = True
    with_self: bool = False

    def bytes(self, words: int) -> int:
        """One number."""
        return 8

    def of(self, rows: Wordwise, dtype: Any) -> float:
        """Compute it."""
        return rows.uniformity(self.t, unit_rows=self.unit_rows, with_self=self.with_self)

    def reordered(self, made: Any, to: Reordering) -> Any:
        """No word has a place in it."""
        return made


@dataclass(frozen=True)
class TwoNearest:
    """The intrinsic dimension by the two nearest neighbours of each word, one number; kept: the share that counts."""

    kept: float = 0.9

    def bytes(self, words: int) -> int:
        """One number."""
        return 8

    def of(self, rows: Wordwise, dtype: Any) -> float:
        """Estimate it."""
        from layeratlas.measures.statistics.dimension import two_nn

        return two_nn(rows.two_nearest(), self.kept, rows.name)

    def reordered(self, made: Any, to: Reordering) -> Any:
        """No word has a place in it."""
        return made


@dataclass(frozen=True)
class Sample:
    """So many words, drawn with a seed from those that are compared, and what is made of them.

    The draw depends on the seed and on how many words are compared, on nothing else. Where there are no more than
    `words`, all of them are taken.
    """

    only_once: ClassVar[str] = (
        "a bootstrap takes words twice, and a word is near itself: of a sample of words there are intervals by the "
        "jackknife alone"
    )

    needs_words: ClassVar[bool] = False

    words: int = 1000
    seed: int = 0
    views: frozenset[View] = frozenset()

    @property
    def unshuffled(self) -> str:
        """Why text in another order says nothing; "" where it does."""
        if any(isinstance(view, HeatTrace | Uniformity | TwoNearest) for view in self.views):
            return "it says the same whichever word goes with which, so that text in another order is no null"
        return ""

    def shuffled_bytes(self, units: list[int], words: int, times: int) -> int:
        """Return what views with words in another order take."""
        return len(units) * sum(view.bytes(min(words, self.words)) for view in self.views) + 3 * 8 * self.words**2

    @property
    def shared(self) -> Hashable:
        """The same words are gathered once."""
        return type(self), self.words, self.seed

    def joined(self, other: Sample) -> Sample:
        """Return the sample that makes what both make."""
        return replace(self, views=self.views | other.views)

    def working(self) -> int:
        """Return what making one layer's views takes meanwhile."""
        return 8 * _WORKING * self.words**2

    def bytes(self, units: list[int], pairs: list[tuple[int, int]]) -> int:
        """Return what the rows and the views of all layers take, and the work on a few of them."""
        kept = FLOAT * self.words * sum(units) + len(units) * sum(view.bytes(self.words) for view in self.views)
        return kept + AT_ONCE * self.working()

    def folded(self, layers: Sequence[Rows], pairs: list[tuple[int, int]], how: How, folds: int) -> SampledFolds:
        """Draw the words, and note of which fold each is."""
        from layeratlas.measures.statistics.sampled import SampledFolds

        return SampledFolds(self, layers, how)

    def folded_bytes(self, units: list[int], pairs: list[tuple[int, int]], folds: int) -> int:
        """Return what the sample takes, and the views of a choice of folds."""
        return self.bytes(units, pairs) + FLOAT * self.words * sum(units)

    def begin(self, layers: Sequence[Rows], pairs: list[tuple[int, int]], how: How) -> Sampled:
        """Draw the words and make room for them."""
        from layeratlas.measures.statistics.sampled import Sampled

        return Sampled(self, layers, how)
