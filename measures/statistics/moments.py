"""Second moments of many layers in one pass, and what measures derive from them.

`Moments` takes the layers' words block by block; memory does not depend on their number. Blocks are centred on a pivot
(the mean of the first one) before they are multiplied, because raw moments lose everything when means are large;
products are in the dtype of the data, sums and each layer's own covariance in float64, so that ranks and cuts are
decided exactly.

Axes: words · neurons · pairs (compared at once, of layers with the same widths) · neurons_a, neurons_b · kept
(components of a layer, largest variance first) · rank (all that there are) · shared (canonical directions of a pair).

A layer has two bases. Its *components* are those of standardised neurons, with which the paper's measures work; all of
them, whitened, are the layer's *directions*: any measure that is blind to invertible maps needs nothing else, and they
are well conditioned whatever the neurons' scales are. Its *principal* ones are those of the neurons as the model has
them; they are a rotation of the directions, so that products of two layers in the one give those in the other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable, Sequence
from copy import copy
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

from layeratlas.measures.linalg import (
    add_product,
    add_square,
    both_triangles,
    product,
    singular_values,
    standardised,
    symmetric_eigen,
    symmetric_values,
    weighted_squares,
)
from layeratlas.measures.once import computed_once
from layeratlas.measures.score import ConstantLayer, TooFewWords
from layeratlas.measures.statistics.bases import PrincipalBasis
from layeratlas.measures.statistics.canonical import Canonical, canonical
from layeratlas.measures.statistics.centring import Block
from layeratlas.measures.statistics.directions import Directions, unit
from layeratlas.measures.statistics.folds import summed
from layeratlas.measures.statistics.norms import CrossNorms, Norms, OwnNorms
from layeratlas.measures.statistics.strips import Strip, strips

if TYPE_CHECKING:
    from layeratlas.measures.statistics.dealt import Dealt
    from layeratlas.measures.statistics.drawn import Drawn
    from layeratlas.measures.statistics.orders import Deal
    from layeratlas.measures.statistics.rotated import Rotated

_ROUNDING = 2 * torch.finfo(torch.float32).eps  # a spread below this share of the mean is float32's own rounding
_ROUNDED = torch.finfo(torch.float64).eps  # of the largest eigenvalue and a neuron: what sums in float64 leave of 0
_SHUFFLED = 4096  # words that are put in another order at a time
_ABSENT = 1e-12  # of the largest eigenvalue: below, a direction is the rounding of sums in float64


class Layer:
    """One layer's own statistics: spread, dead neurons, and the spectrum of its correlation matrix."""

    def __init__(self, name: str, words: int, mean: Tensor, covariance: Tensor, dtype: torch.dtype) -> None:
        # mean [neurons], covariance [neurons, neurons], both float64; dtype: of the products of a pair
        self.name, self.words, self.dtype, self.mean = name, words, dtype, mean
        self.norms: OwnNorms | None = None  # where the statistic gathers them
        self.without_direction = 0  # words whose rows are 0, where the statistic counts them
        variance = covariance.diagonal().clamp(min=0)
        self.std = variance.sqrt()  # [neurons]
        self.alive = self.std > _ROUNDING * mean.abs()  # [neurons]
        self.dead = int((~self.alive).sum())
        if not self.alive.any():
            raise ConstantLayer(f"{name} is constant: none of its {len(mean)} neurons varies over {words:,} words")
        self.inverse_std = torch.where(
            self.alive, 1 / self.std, 0.0
        )  # [neurons]; a dead neuron correlates with nothing
        self.std = torch.where(self.alive, self.std, 0.0)
        self.covariance_norm = float(torch.linalg.matrix_norm(covariance / self.std.max() ** 2))
        self._correlation = covariance * self.inverse_std[:, None] * self.inverse_std
        self._whitener = self._loadings = torch.empty(0, 0)
        self.widest = float(self.std.max())  # spread of a neuron
        self.relative = self.std / self.widest  # [neurons]; squares of these cannot overflow

    @property
    def neurons(self) -> int:
        """How many neurons the layer has, dead ones included."""
        return len(self.std)

    @computed_once
    def spectrum(self) -> tuple[Tensor, Tensor]:
        """Eigenvalues [neurons], largest first, and eigenvectors [neurons, neurons] of the correlation matrix."""
        values, vectors = symmetric_eigen(self._correlation)
        del self._correlation  # a layer keeps one matrix, not two
        return values.clamp(min=0), vectors

    @property
    def correlations(self) -> Tensor:
        """The correlations of its neurons with each other, [neurons, neurons] float64; 0 of dead ones."""
        if "spectrum" in vars(self):
            values, vectors = self.spectrum
            return (vectors * values) @ vectors.T
        return self._correlation

    @computed_once
    def shares(self) -> Tensor:
        """Shares of variance [neurons], largest first, of the covariance's own directions; 0 where rounding is all."""
        found = symmetric_values(self.correlations * self.relative[:, None] * self.relative).flip(-1)
        found = torch.where(found > _ROUNDED * len(found) * found[0], found, 0.0)
        return found / found.sum()

    @computed_once
    def directions(self) -> int:
        """Count all directions in which the layer varies.

        Left out is what rounding makes: of sums in float64, and of float32 values, whose rounding is a share of the
        means. LayerNorm leaves one such direction, repeated neurons one each.
        """
        values = self.spectrum[0]
        rounding = (_ROUNDING * self.mean)[self.alive].square().sum() / self.std.square().sum()
        return int((values > torch.maximum(_ABSENT * values[0], rounding)).sum())

    @computed_once
    def principal(self) -> tuple[Tensor, Tensor]:
        """Shares of variance [rank], largest first, and the rotation [rank, rank] of directions to principal ones."""
        values, vectors = (part[..., : self.directions] for part in self.spectrum)
        factor = self.relative[:, None] * vectors * values.sqrt()  # [neurons, rank]: covariances with directions
        shares, rotation = symmetric_eigen(factor.T @ factor)
        shares = shares.clamp(min=0)
        return shares / shares.sum(), rotation.to(self.dtype)

    @computed_once
    def mean_among_directions(self) -> tuple[Tensor, bool]:
        """The mean along whitened directions, [rank], and whether a part of it is along none of them.

        Where one is, a combination of neurons is constant and not 0: what all words have in common can be read off.
        """
        values, vectors = (part[..., : self.directions] for part in self.spectrum)
        mean = self.mean * self.inverse_std  # [neurons], of standardised ones; 0 where dead
        inside = vectors.T @ mean
        outside = (mean - vectors @ inside).square().sum()
        apart = outside > _ABSENT * (values[0] + mean.square().sum())
        dead = self.mean[~self.alive].square().sum()
        at_all = (self.mean.square() + self.std.square()).sum()
        return inside * values.rsqrt(), bool(apart or dead > _ABSENT * at_all)

    @computed_once
    def total(self) -> float:
        """The variances of all neurons together, over that of the widest one."""
        return float(self.relative.square().sum())

    def settle(self) -> None:
        """Give up the matrices that nothing more will be derived from."""
        for name in ("_correlation", "spectrum", "principal"):
            vars(self).pop(name, None)

    def rank(self, tolerance: float) -> int:
        """Count the directions that hold more than `tolerance` times the variance of an average live neuron."""
        return int((self.spectrum[0] > tolerance).sum())

    def components(self, variance: float, cut: str) -> int:
        """Count the largest components that together `reach` a share of variance, or stay `below` it."""
        values = self.spectrum[0]
        below = int((values.cumsum(0) < variance * values.sum()).sum())
        return below if cut == "below" else min(below + 1, self.neurons)

    def whitener(self, kept: int) -> Tensor:  # [neurons, kept]
        """Return W with Z W white: the first `kept` eigenvectors over the roots of their eigenvalues."""
        if self._whitener.shape[1] < kept:
            values, vectors = self.spectrum
            self._whitener = (vectors[:, :kept] * values[:kept].rsqrt()).to(self.dtype)
        return self._whitener[:, :kept]

    def loadings(self, kept: int) -> Tensor:  # [kept, neurons]
        """Covariance of each whitened component with each neuron as the model has it: roots × eigenvectors × spread."""
        if len(self._loadings) < kept:
            values, vectors = self.spectrum
            self._loadings = (values[:kept].sqrt()[:, None] * vectors[:, :kept].T * self.relative).to(self.dtype)
        return self._loadings[:kept]


T = TypeVar("T")


@dataclass
class _Made:
    """What was computed of a batch seen from one side, to be used again."""

    explained: Tensor | None = None  # [pairs, most kept so far, neurons_a]
    whitened: Tensor | None = None  # [pairs, most kept so far of a, of b]
    canonical: dict[tuple[int, int], Canonical] = field(default_factory=dict)
    others: dict[Hashable, Any] = field(default_factory=dict)
    norms: CrossNorms | None = None  # where the statistic gathers them
    directions: Tensor | None = None  # [pairs, neurons_a, neurons_b], likewise


class Cross:
    """The correlations of a batch of pairs; products that several measures need are made once.

    A layer's whiteners are all the first columns of one: what was made with many components serves for fewer.
    """

    def __init__(self, words: int, correlation: Tensor) -> None:
        self.words = words
        self.counts = {"words": words}  # what the diagnostics of every score say
        self._correlation = correlation
        self._made, self._made_flipped = _Made(), _Made()

    @property
    def correlation(self) -> Tensor:  # [pairs, neurons_a, neurons_b]
        """Pearson correlations of neurons; 0 of dead ones."""
        return self._correlation

    @property
    def flipped(self) -> Cross:
        """The same, seen from b. No cycle: that would keep a batch's memory until somebody searches for it."""
        other = Cross.__new__(Cross)
        other.words, other.counts, other._correlation = self.words, self.counts, self._correlation.mT
        other._made, other._made_flipped = self._made_flipped, self._made
        return other

    @property
    def norms(self) -> CrossNorms | None:
        """The words' squared norms with each other's neurons, where the statistic gathers them."""
        return self._made.norms

    def keep_norms(self, norms: CrossNorms) -> None:
        """Keep what was gathered of the words' squared norms."""
        self._made.norms, self._made_flipped.norms = norms, norms.flipped

    @property
    def directions(self) -> Tensor | None:  # [pairs, neurons_a, neurons_b]
        """The sums over words of products of rows of length one, where the statistic gathers them."""
        return self._made.directions

    def keep_directions(self, directions: Tensor) -> None:
        """Keep what was gathered of rows of length one."""
        self._made.directions, self._made_flipped.directions = directions, directions.mT

    def count(self, **counts: int) -> None:
        """Have the diagnostics say more, or otherwise, of what entered."""
        self.counts.update(counts)

    def once(self, name: Hashable, make: Callable[[], T]) -> T:
        """Return what several measures of this batch need, made when it is first asked for; see `transposed`."""
        if name not in self._made.others:
            self._made.others[name] = make()
        found: T = self._made.others[name]
        return found

    def transposed(self, name: Hashable, make: Callable[[], Tensor]) -> Tensor:  # [pairs, …_a, …_b]
        """Return a matrix that is the same, transposed, seen from b."""
        if name in self._made_flipped.others:
            matrix: Tensor = self._made_flipped.others[name]
            return matrix.mT
        return self.once(name, make)

    def covariance(self, relative_a: Tensor, relative_b: Tensor) -> Tensor:  # [pairs, neurons] of a and of b
        """Return the covariances [pairs, neurons_a, neurons_b] of neurons whose spreads are these, float64."""

        def scaled() -> Tensor:
            return self.correlation.double() * relative_a[:, :, None] * relative_b[:, None, :]

        return self.transposed("covariance", scaled)

    def squared_covariance(self, relative_a: Tensor, relative_b: Tensor) -> Tensor:
        """Return the sum of the squares of these covariances, [pairs]: spreads² · correlations² · spreads²."""

        def summed() -> Tensor:
            return weighted_squares(self.correlation, relative_a.square(), relative_b.square())

        return (
            self.flipped.once("squared", summed)
            if "squared" in self._made_flipped.others
            else self.once("squared", summed)
        )

    def explained(self, whitener_b: Tensor) -> Tensor:  # [pairs, neurons_b, kept] -> [pairs, kept, neurons_a]
        """Return how each neuron of a correlates with each of b's whitened components."""
        kept = whitener_b.shape[2]
        if self._made.explained is None or self._made.explained.shape[1] < kept:
            self._made.explained = product(whitener_b.mT, self.correlation.mT)
        return self._made.explained[:, :kept]

    def whitened(self, whitener_a: Tensor, whitener_b: Tensor) -> Tensor:  # [pairs, neurons, kept] of a and of b
        """Return the correlations [pairs, kept_a, kept_b] of a's whitened components with b's."""
        kept_a, kept_b = whitener_a.shape[2], whitener_b.shape[2]
        own, theirs = self._made.whitened, self._made_flipped.whitened
        for found in (own, None if theirs is None else theirs.mT):
            if found is not None and found.shape[1] >= kept_a and found.shape[2] >= kept_b:
                return found[:, :kept_a, :kept_b]
        self._made.whitened = product(self.explained(whitener_b), whitener_a).mT
        return self._made.whitened

    def canonical(self, whitener_a: Tensor, whitener_b: Tensor) -> Canonical:  # [pairs, neurons, kept] of a and of b
        """Return the canonical correlations of these components."""
        kept = whitener_a.shape[2], whitener_b.shape[2]
        if kept[0] > kept[1] or kept[::-1] in self._made_flipped.canonical:
            return self.flipped.canonical(whitener_b, whitener_a).flipped
        if kept not in self._made.canonical:
            self._made.canonical[kept] = canonical(self.whitened(whitener_a, whitener_b))
        return self._made.canonical[kept]

    def kept_correlations(self, whitener_a: Tensor, whitener_b: Tensor) -> Tensor:
        """Return the canonical correlations [pairs, shared] of these components, float64, in no promised order.

        Where no measure asks for their directions as well, they take less than half the time.
        """
        kept = whitener_a.shape[2], whitener_b.shape[2]
        if kept in self._made.canonical or kept[::-1] in self._made_flipped.canonical:
            return self.canonical(whitener_a, whitener_b).correlations.double()
        return singular_values(self.whitened(whitener_a, whitener_b)).clamp(max=1)

    def all_canonical(self, whitener_a: Tensor, whitener_b: Tensor) -> Canonical:
        """Return the canonical correlations of all directions: among so many, some are next to nothing."""
        kept = whitener_a.shape[2], whitener_b.shape[2]
        if kept[0] > kept[1] or "all" in self._made_flipped.others:
            return self.flipped.all_canonical(whitener_b, whitener_a).flipped
        return self.once("all", lambda: canonical(self.whitened(whitener_a, whitener_b), complete=False))

    def canonical_correlations(self, whitener_a: Tensor, whitener_b: Tensor) -> Tensor:
        """Return the canonical correlations [pairs, shared] of all directions alone, in no promised order.

        Without directions they take half the time.
        """
        if "all" in self._made.others or "all" in self._made_flipped.others:
            return self.all_canonical(whitener_a, whitener_b).correlations.double()
        values = self.transposed(
            "correlations", lambda: singular_values(self.whitened(whitener_a, whitener_b))[..., None]
        )
        return values.flatten(1).clamp(max=1)

    def principal(self, a: PrincipalBasis, b: PrincipalBasis) -> Tensor:  # batched
        """Return the correlations [pairs, rank_a, rank_b] of a's principal directions with b's."""

        def turned() -> Tensor:
            return product(product(a.rotation.mT, self.whitened(a.whitener, b.whitener)), b.rotation)

        return self.transposed("principal", turned)


class Moments:
    """Sums over words for a set of layers and of pairs among them."""

    def __init__(
        self, names: list[str], units: list[int], pairs: Iterable[tuple[int, int]], dtype: torch.dtype,
        device: torch.device, *, norms: bool = False, directions: bool = False,
        spectra: bool = False,
    ) -> None:  # fmt: skip
        self._names, self._units, self._dtype, self._device = names, units, dtype, device
        edges = torch.tensor([0, *units]).cumsum(0).tolist()
        self._columns = [slice(start, stop) for start, stop in pairwise(edges)]
        self._own = [torch.zeros(width, width, dtype=torch.float64, device=self._device) for width in units]
        self._cross = {
            strip: torch.zeros(*(edges[last] - edges[first] for first, last in (strip.rows, strip.columns)),
                               dtype=torch.float64, device=self._device)
            for strip in strips(units, pairs)
        }  # fmt: skip
        self._strip_of = {
            (a, b): strip for strip in self._cross for a in range(*strip.rows) for b in range(*strip.columns)
        }
        self._sum = torch.zeros(edges[-1], dtype=torch.float64, device=self._device)
        self._norms = Norms(len(units), edges[-1], device) if norms else None
        self._directions = Directions(units, self._cross, self._columns, device) if directions else None
        self._pivot: Tensor | None = None
        largest = max((products.numel() for products in self._cross.values()), default=0)
        self._product = torch.empty(largest, dtype=self._dtype, device=self._device)  # reused: fresh pages cost more
        self._layers: dict[int, Layer] = {}
        self._spectra = spectra
        self._lock = threading.Lock()
        self.words = 0

    def add(self, block: Block) -> None:
        """Take the next words of every layer."""
        self._pivot = block.pivot
        self._sum += block.centred.sum(dim=0)
        self.words += block.words
        if self._norms is not None:
            self._norms.add(block.centred, self._columns)
        if self._directions is not None:
            self._directions.add(block, self._product)
        for own, columns in zip(self._own, self._columns, strict=True):
            add_square(own, block.centred[:, columns])
        for strip, products in self._cross.items():
            left, right = (block.centred[:, self._side_by_side(*side)] for side in (strip.rows, strip.columns))
            add_product(products, left, right, self._product[: products.numel()].view(products.shape))

    def pivot(self, index: int) -> Tensor:  # [neurons]
        """Return about what a layer's sums are."""
        if self._pivot is None:
            raise RuntimeError("nothing was added")
        return self._pivot[self._columns[index]].double()

    def total(self, index: int) -> Tensor:  # [neurons]
        """Return the sum of a layer's words, less the pivot."""
        return self._sum[self._columns[index]]

    def about(self, a: int, b: int, shift_a: Tensor, shift_b: Tensor) -> Tensor:  # [neurons_a, neurons_b]
        """Return the sums of products of neurons about pivot + shift; of a layer with itself, or of a pair."""
        if a == b:
            products = both_triangles(self._own[a])
        else:
            products = self._products(self._cross, a, b) if (a, b) in self._strip_of else self._products(
                self._cross, b, a).T  # fmt: skip
        sum_a, sum_b = self.total(a), self.total(b)
        return (
            products - sum_a[:, None] * shift_b - shift_a[:, None] * sum_b
            + self.words * shift_a[:, None] * shift_b
        )  # fmt: skip

    def share_room(self, other: Moments) -> None:
        """Make products where another does: no two add at once."""
        self._product = other._product

    def together(self, parts: Sequence[Moments], weights: Sequence[int]) -> Moments:
        """Return the sums over the words of several parts, each times a weight; all have one pivot."""
        found = copy(self)
        found._pivot = next((part._pivot for part in parts if part._pivot is not None), None)
        found._own = [summed(own, weights) for own in zip(*(part._own for part in parts), strict=True)]
        found._cross = {strip: summed([part._cross[strip] for part in parts], weights) for strip in self._cross}
        found._sum = summed([part._sum for part in parts], weights)
        found.words = summed([part.words for part in parts], weights)
        if self._norms is not None:
            found._norms = self._norms.together([part._norms for part in parts if part._norms], weights)
        if self._directions is not None:
            kept = [part._directions for part in parts if part._directions]
            found._directions = self._directions.together(kept, weights)
        found._layers, found._lock = {}, threading.Lock()
        return found

    def shuffled(self, held: Block, order: Tensor) -> Moments:  # order [words]
        """Return what a's words with b's in another order give, for pairs (a, b), a < b; layers stay as they are.

        held: all words, as they were added. Of products of neurons alone, without norms or directions.
        """
        found = copy(self)
        found._cross = {strip: torch.zeros_like(products) for strip, products in self._cross.items()}
        room = max((products.numel() for products in self._cross.values()), default=0)
        out = torch.empty(room, dtype=self._dtype, device=self._device)
        for a, places in zip(torch.split(held.centred, _SHUFFLED), torch.split(order, _SHUFFLED), strict=True):
            b = held.centred[places]
            for strip, products in found._cross.items():
                left, right = a[:, self._side_by_side(*strip.rows)], b[:, self._side_by_side(*strip.columns)]
                add_product(products, left, right, out[: products.numel()].view(products.shape))
        return found

    def dealt(self, held: Block, deal: Deal, pair: tuple[int, int], numbers: Sequence[int]) -> Dealt:
        """Return what a's words with b's in these orders give, of a pair a < b. held: all words, as they were added."""
        from layeratlas.measures.statistics.dealt import Dealt, sums

        left, right = (held.centred[:, self._columns[end]] for end in pair)
        products, norms, directions = sums(deal, numbers, left, right), None, None
        if self._norms is not None:
            a, b = left.double(), right.double()
            of_a, of_b = (rows.square().sum(dim=1, keepdim=True) for rows in (a, b))
            forth, back = sums(deal, numbers, of_a, torch.cat([b, of_b], dim=1)), sums(deal, numbers, a, of_b)
            widest = self._layers[pair[0]].widest, self._layers[pair[1]].widest
            norms = CrossNorms(forth[:, 0, -1], forth[:, 0, :-1], back[:, :, 0]).over(*widest)
        if self._directions is not None:
            rows = [rows + held.pivot[self._columns[end]] for rows, end in zip((left, right), pair, strict=True)]
            directions = sums(deal, numbers, *(unit(one)[0] for one in rows))
        return Dealt(self, products, norms, directions)

    def drawn(self, seed: int) -> Drawn:
        """Return what makes draws of what b's words in any order would give; layers stay as they are."""
        from layeratlas.measures.statistics.drawn import Drawn

        return Drawn(self, seed, self._dtype, self._device)

    def rotated(self, seed: int, draw: int) -> Rotated:
        """Return the same layers beside themselves with their neurons turned."""
        from layeratlas.measures.statistics.rotated import Rotated

        return Rotated(self, len(self._units), seed, draw)

    def group(self, a: int, b: int) -> None:
        """A layer's moments are the same in all pairs."""

    def prepare(self, index: int, group: Hashable = None) -> Layer:
        """Return a layer's statistics. Raises TooFewWords or ConstantLayer."""
        if self._pivot is None or self.words < 3:
            raise TooFewWords(f"{self._names[index]} has {self.words} words here: nothing can be said of so few")
        with self._lock:
            self._product = self._product[:0].clone()
            if index not in self._layers:
                shift = self._shift(index)[:, None]
                covariance = both_triangles(self._own[index]) / self.words - shift @ shift.T
                mean = self._pivot[self._columns[index]].double() + shift[:, 0]
                layer = Layer(self._names[index], self.words, mean, covariance, self._dtype)
                if self._norms is not None:
                    layer.norms = self._norms.own(index, self._columns[index], shift[:, 0], covariance, layer.widest)
                if self._directions is not None:
                    layer.without_direction = int(self._directions.without[index])
                self._layers[index] = layer
                self._own[index] = covariance[:0].clone()
            return self._layers[index]

    def settle(self, index: int) -> None:
        """Give up what only preparing a layer needs."""
        if index in self._layers and not self._spectra:
            self._layers[index].settle()

    def pair(self, pairs: Sequence[tuple[int, int]]) -> Cross:
        """Return the correlations of pairs (a, b), a < b, whose layers have the same widths."""
        products, norms, directions = _stacked([self._products(self._cross, a, b) for a, b in pairs]), None, None
        if self._norms is not None:
            found = [self._norms.cross(a, b, self._columns) for a, b in pairs]
            widest = [[self._layers[pair[end]].widest for pair in pairs] for end in (0, 1)]
            norms = CrossNorms(*(_stacked(list(parts)) for parts in zip(*found, strict=True))).over(*widest)
        if self._directions is not None:
            directions = _stacked([self._products(self._directions.cross, a, b) for a, b in pairs])
        return self.cross(pairs, products, norms, directions)

    def cross(
        self, pairs: Sequence[tuple[int, int]], products: Tensor, norms: CrossNorms | None, directions: Tensor | None
    ) -> Cross:  # products, directions [pairs, neurons_a, neurons_b]
        """Return the correlations that sums over words about the pivots give."""
        shifts = _ends([(self._shift(a), self._shift(b)) for a, b in pairs])
        scales = _ends([(self._layers[a].inverse_std, self._layers[b].inverse_std) for a, b in pairs])
        cross = Cross(self.words, standardised(products, self.words, shifts, scales, self._dtype))
        if norms is not None:
            cross.keep_norms(norms)
        if directions is not None:
            cross.keep_directions(directions)
        return cross

    def _products(self, of: dict[Strip, Tensor], a: int, b: int) -> Tensor:  # [neurons_a, neurons_b]
        strip = self._strip_of[a, b]
        top = self._columns[a].start - self._columns[strip.rows[0]].start
        start = self._columns[b].start - self._columns[strip.columns[0]].start
        return of[strip][top : top + self._units[a], start : start + self._units[b]]

    def _side_by_side(self, first: int, last: int) -> slice:
        """Return the columns of neighbouring layers, `last` not among them."""
        return slice(self._columns[first].start, self._columns[last - 1].stop)

    def _shift(self, index: int) -> Tensor:  # [neurons]
        """The mean less the pivot."""
        return self._sum[self._columns[index]] / self.words

    def release(self, row: int) -> None:
        """Give up the sums of pairs (a, b) with a < row: pairs are taken in order, and these are done."""
        for strip in [strip for strip in self._cross if strip.rows[1] <= row]:
            del self._cross[strip]
            if self._directions is not None:
                del self._directions.cross[strip]


def _stacked(parts: Sequence[Tensor]) -> Tensor:  # each [...] -> [pairs, ...]
    return parts[0][None] if len(parts) == 1 else torch.stack(list(parts))


def _ends(parts: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:  # each [neurons] -> each [pairs, neurons]
    return _stacked([a for a, _ in parts]), _stacked([b for _, b in parts])
