"""What is left to measure in a store, given out tile by tile: any number of processes share it and do nothing twice.

Who holds the planning lock looks at what others have claimed, at what waits in the log, and then at what the catalog
lacks, in this order, and claims the next tile before anybody else may look.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace

from layeratlas.measures.declaration import Measure
from layeratlas.measures.engine import source_of, tiles_of
from layeratlas.measures.figure import Figure
from layeratlas.measures.joined import rides_along, statistics_of
from layeratlas.measures.plan import FigureKey, Key, beside, missing_figures, plan
from layeratlas.measures.runner import damage_of
from layeratlas.measures.tiles import Pair, Tile
from layeratlas.store.errors import ArtifactDamaged, StoreBusy
from layeratlas.store.store import ArtifactRow, Store
from layeratlas.store.uncertainty import NOTHING, Uncertainty


class Remaining:
    """What these artifacts lack under these measures (by fingerprint); with `refresh`, what is known as well.

    workers: how many tiles this process has under way at once.
    """

    def __init__(
        self, store: Store, artifacts: Sequence[ArtifactRow], measures: Mapping[str, Measure],
        figures: Sequence[Figure], *, run: str, memory: int, refresh: bool, sure: Uncertainty = NOTHING,
        workers: int = 1,
    ) -> None:  # fmt: skip
        self._store, self._artifacts, self._measures, self._figures = store, artifacts, measures, figures
        self._rows = {row.artifact: row for row in artifacts}
        self._run, self._memory, self._refresh, self._sure, self._workers = run, memory, refresh, sure, workers
        self._claims: dict[Tile, ExitStack] = {}  # of tiles that were given out
        self._done: list[Tile] = []  # of a refresh, which the catalog cannot tell from what was known before
        self._free: list[Tile] | None = None  # what was free when this process last planned, less what it took since
        self._others_had = 0  # scores in the catalog then, that other runs computed
        self.others_work = False  # whether, when last asked, others were at something that is left here too

    def take(self) -> Tile | None:
        """Give a tile that nobody is at, claimed until it is `done` or `lost`; None where there is none now."""
        with self._store.claims.planning(), ExitStack() as claim:
            tile, self.others_work = self._next()
            if tile is None:
                return None
            try:
                claim.enter_context(self._store.claims.claim(tile.description()))
            except StoreBusy:  # another machine has claimed something since we looked
                self._free, self.others_work = None, True
                return None
            self._claims[tile] = claim.pop_all()
            return tile

    def done(self, tile: Tile) -> None:
        """Hear that a tile's scores are in the log."""
        if self._refresh:
            self._done.append(tile)
        self._claims.pop(tile).close()

    def lost(self, tile: Tile) -> None:
        """Hear that somebody gave up amid a tile: what is not in the log is free again."""
        self._claims.pop(tile).close()
        self._free = None

    def leave_out(self, artifacts: Collection[str]) -> None:
        """Compare these no more: they are damaged."""
        self._artifacts = [row for row in self._artifacts if row.artifact not in artifacts]
        self._free = None

    def close(self) -> None:
        """Give back all claims."""
        for tile in list(self._claims):
            self.lost(tile)

    def _next(self) -> tuple[Tile | None, bool]:
        """Return a tile that nobody is at, and whether others are at something that is left here too.

        A tile of pairs takes along the figures of its layers that its pass gives; what is left are tiles of their own.
        """
        tile, others_work = self._next_pairs()
        if not self._figures:
            return tile, others_work
        claimed = {key for claim in Tile.claimed(self._store.claims.taken()) for key in claim.stated()}
        missing = self._missing_figures()
        free = [key for key in missing if key not in claimed]
        if tile is not None:
            return self._with_figures(tile, free), others_work
        if free:
            return self._of_figures(free), True
        return None, others_work or bool(missing)

    def _missing_figures(self) -> list[FigureKey]:
        done = {key for tile in self._done for key in tile.stated()}
        return missing_figures(self._store, self._artifacts, self._figures, refresh=self._refresh, taken=done)

    def _with_figures(self, tile: Tile, free: Sequence[FigureKey]) -> Tile:
        """Return a tile with those figures of its layers that ride along: of all words of a layer, and at no cost."""
        if len({self._rows[one].word_set for one in tile.artifacts}) > 1:
            return tile
        measures = [self._measures[one] for one in tile.configurations]
        riding = {one.name for one in self._figures if rides_along(one, measures)}
        return _stating(tile, [key for key in free if key[1] in riding and key[0] in tile.artifacts])

    def _of_figures(self, free: Sequence[FigureKey]) -> Tile:
        """Return a tile of figures alone: of layers with the same words, as many as memory or a fair share allows."""
        first = self._rows[free[0][0]]
        alike = [
            one for one in dict.fromkeys(artifact for artifact, _ in free)
            if (self._rows[one].corpus, self._rows[one].word_set) == (first.corpus, first.word_set)
        ]  # fmt: skip
        share = alike[: -(-len(alike) // self._at_work())]
        statistics = set(statistics_of(self._figures).values())
        taken: list[str] = []
        for one in share:
            units = [self._rows[other].units for other in (*taken, one)]
            if taken and sum(statistic.bytes(units, []) for statistic in statistics) > self._memory:
                break
            taken.append(one)
        return _stating(Tile(first.kind, tuple(taken), (), ()), [key for key in free if key[0] in taken])

    def _next_pairs(self) -> tuple[Tile | None, bool]:
        """Return a tile of pairs that nobody is at, and whether others are at pairs that are left here too."""
        self._store.merge()
        taken = Tile.claimed(self._store.claims.taken())
        if taken or self._store.waiting() or self._free is None or self._others_had != self._scores_of_others():
            self._others_had = self._scores_of_others()
            finished = {key for tile in self._done for key in tile.scores()} | self._waiting()
            claimed = {key for tile in taken for key in tile.scores()}
            self._free = self._missing(finished | claimed)
            if not self._free:
                return None, bool(claimed) and bool(self._missing(finished))
        if not self._free:
            return None, False
        first, *others = self._free
        share = self._share(first)
        rest = sorted(set(first.pairs) - set(share))
        self._free = [*([part(first, rest)] if rest else []), *others]
        if taken:  # a claim may end without a result, with its process: then this plan lacks what was claimed
            self._free = None
        return part(first, share), True

    def _waiting(self) -> set[Key]:
        """Return what is finished, with all that was asked beside it, and waits in the log."""
        asked = beside(self._sure)
        return self._store.waiting_beside(asked) if asked else self._store.waiting_pairs()

    def _at_work(self) -> int:
        """Return how many workers share what is left: this process's, and other processes."""
        return max(1, self._store.claims.workers()) - 1 + self._workers

    def _scores_of_others(self) -> int:
        return self._store.scores_of_others(self._run)

    def _missing(self, known: set[Key]) -> list[Tile]:
        measures = list(self._measures.values())
        return plan(self._store, self._artifacts, measures, refresh=self._refresh, taken=known, sure=self._sure)

    def _share(self, tile: Tile) -> list[Pair]:
        """Return the pairs that one process takes at once: what memory allows, or its share where others work too."""
        rows = [self._rows[one] for one in tile.artifacts]
        try:
            layers = source_of(tile.kind).from_artifacts(self._store, rows)
        except ArtifactDamaged:
            return self._of_damaged(tile, rows)
        chosen = [self._measures[one] for one in tile.configurations]
        workers = self._at_work()
        return tiles_of(tile.kind, layers, tile.pairs, chosen, self._memory, groups=workers, sure=self._sure)[0]

    def _of_damaged(self, tile: Tile, rows: Sequence[ArtifactRow]) -> list[Pair]:
        """Return one pair of a layer that is not what was written: whoever takes it finds out, and says so."""
        self._store.bring([row for row in rows if self._store.keeps(row)])
        place = next((place for place, row in enumerate(rows) if damage_of(self._store, row)), 0)
        return [next(pair for pair in tile.pairs if place in pair)]


def part(tile: Tile, pairs: Sequence[Pair]) -> Tile:
    """Return the tile of some of a tile's pairs, with the artifacts that these need."""
    used = sorted({index for pair in pairs for index in pair})
    place = {index: at for at, index in enumerate(used)}
    return replace(
        tile, artifacts=tuple(tile.artifacts[index] for index in used),
        pairs=tuple((place[a], place[b]) for a, b in pairs),
    )  # fmt: skip


def _stating(tile: Tile, keys: Sequence[FigureKey]) -> Tile:
    """Return a tile that computes these figures of its layers too."""
    place = {artifact: at for at, artifact in enumerate(tile.artifacts)}
    return replace(tile, figures=tuple((place[artifact], name) for artifact, name in keys))
