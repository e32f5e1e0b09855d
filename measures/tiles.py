"""The unit of work: a tile, which says what to read, which pairs to compare, and under which measures.

A tile is plain data, so that another thread, process or machine can take it. `cut` makes tiles of pairs: each as large
as memory allows, since every tile reads its layers anew, or smaller where several workers are to have their share.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

Pair = tuple[int, int]

#: How many bytes a tile takes: of layers (indices, of which some may stand for several) with these widths and pairs.
Cost = Callable[[Sequence[int], list[int], list[Pair]], int]


@dataclass(frozen=True)
class Tile:
    """Pairs (a, b), a < b, of places in `artifacts`, each lacking the same configurations; all share their words.

    figures: of which layers (places) which figures (names) are wanted too. Without pairs, a tile is of figures alone.
    is_scored: its scores are known, so that only what stands beside them is to be written.
    """

    kind: str
    artifacts: tuple[str, ...]  # fingerprints
    pairs: tuple[Pair, ...]
    configurations: tuple[str, ...]  # fingerprints
    figures: tuple[tuple[int, str], ...] = ()
    is_scored: bool = False

    def description(self) -> dict[str, Any]:
        """Return the tile as JSON has it."""
        return asdict(self)

    @classmethod
    def of(cls, description: Mapping[str, Any]) -> Tile:
        """Return the tile that a description stands for."""
        pairs = tuple((int(a), int(b)) for a, b in description["pairs"])
        artifacts, configurations = (tuple(description[key]) for key in ("artifacts", "configurations"))
        figures = tuple((int(place), name) for place, name in description.get("figures", ()))
        return cls(description["kind"], artifacts, pairs, configurations, figures, bool(description.get("is_scored")))

    @classmethod
    def claimed(cls, claims: Iterable[Mapping[str, Any]]) -> list[Tile]:
        """Return the tiles among what is claimed."""
        return [cls.of(claim) for claim in claims if "pairs" in claim and "artifacts" in claim]

    @property
    def title(self) -> str:
        """How messages name it."""
        pairs = f", {len(self.pairs):,} pairs" if self.pairs else ""
        return f"{len(self.artifacts):,} layers of {self.kind}{pairs}"

    def without(self, artifacts: Collection[str]) -> Tile:
        """Return the tile less what needs these."""
        kept = [place for place, one in enumerate(self.artifacts) if one not in artifacts]
        at = {place: index for index, place in enumerate(kept)}
        return replace(
            self, artifacts=tuple(self.artifacts[place] for place in kept),
            pairs=tuple((at[a], at[b]) for a, b in self.pairs if a in at and b in at),
            figures=tuple((at[place], name) for place, name in self.figures if place in at),
        )  # fmt: skip

    def stated(self) -> set[tuple[str, str]]:
        """Return the figures that it computes: (artifact, figure)."""
        return {(self.artifacts[place], name) for place, name in self.figures}

    def scores(self) -> set[tuple[str, str, str]]:
        """Return what it computes: (configuration, artifact, other artifact), one direction of each pair."""
        of = self.artifacts
        return {(configuration, of[a], of[b]) for a, b in self.pairs for configuration in self.configurations}


def cut(pairs: Sequence[Pair], units: Sequence[int], cost: Cost, memory: int, *, groups: int = 1) -> list[list[Pair]]:
    """Split pairs of layers with these widths into tiles that cost at most `memory` bytes (one pair always fits).

    groups: of neighbouring layers, at least so many, where there are layers enough. A tile is a group with itself or
    with another, so that the tiles of n groups give n processes equal shares.
    """
    used = sorted({index for pair in pairs for index in pair})
    ordered = sorted(pairs)
    place = {index: at for at, index in enumerate(used)}
    whole = cost(used, [units[index] for index in used], [(place[a], place[b]) for a, b in ordered])
    if whole <= memory and groups < 2:
        return [ordered] if ordered else []
    widest = sum(units[index] for index in used) / groups
    block: dict[int, int] = {}
    group: list[int] = []
    for index in used:  # groups of neighbouring layers, two of which fit side by side
        grown = [*group, index]
        width = sum(units[each] for each in grown)
        if group and (width > widest + units[index] / 2 or _cost_of_two(grown, units, cost) > memory):
            grown = [index]
        group = grown
        block[index] = group[0]
    grouped: dict[Pair, list[Pair]] = {}
    for a, b in ordered:
        grouped.setdefault((block[a], block[b]), []).append((a, b))
    return [grouped[key] for key in sorted(grouped)]


def _cost_of_two(group: Sequence[int], units: Sequence[int], cost: Cost) -> int:
    """Return what a group of layers with another one like it costs: all layers alone, and the products of the two.

    Products are those of two layers as wide as the groups, less what such layers cost alone.
    """
    both, width = [*group, *group], sum(units[each] for each in group)
    alone = cost(both, [units[each] for each in both], [])
    return alone + cost(both, [width, width], [(0, 1)]) - cost(both, [width, width], [])
