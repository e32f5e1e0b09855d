"""What is left to measure in a store, given out tile by tile: any number of processes share it and do nothing twice.

Who holds the planning lock looks at what others have claimed, at what waits in the log, and then at what the catalog
lacks, in this order, and claims the next tile before anybody else may look.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace

from layeratlas.measures.declaration import Measure
from layeratlas.measures.engine import source_of, tiles_of
from layeratlas.measures.plan import Key, plan
from layeratlas.measures.tiles import Pair, Tile
from layeratlas.store.store import ArtifactRow, Store

_LOOK = 0.2  # seconds between looks at what others have finished


class Remaining:
    """What these artifacts lack under these measures (by fingerprint); with `refresh`, what is known as well."""

    def __init__(
        self, store: Store, artifacts: Sequence[ArtifactRow], measures: Mapping[str, Measure], *, run: str, memory: int,
        refresh: bool,
    ) -> None:  # fmt: skip
        self._store, self._artifacts, self._measures = store, artifacts, measures
        self._run, self._memory, self._refresh = run, memory, refresh
        self._done: list[Tile] = []  # of a refresh, which the catalog cannot tell from what was known before
        self._free: list[Tile] | None = None  # what was free when this process last planned, less what it took since
        self._others_had = 0  # scores in the catalog then, that other runs computed

    def tiles(self, note: Callable[[str], None]) -> Iterator[Tile]:
        """Give the tiles that this process takes, each claimed until the next is asked for, until nothing is left.

        note: hears when there is nothing to do but to wait for another process.
        """
        is_waiting = False
        while True:
            with ExitStack() as claim:
                with self._store.claims.planning():
                    tile, others_work = self._next()
                    if tile is not None:
                        claim.enter_context(self._store.claims.claim(tile.description()))
                if tile is not None:
                    yield tile
                    if self._refresh:
                        self._done.append(tile)
                    continue
            if not others_work:
                return
            if not is_waiting:
                note("another layeratlas measures what is left in this store: waiting for it")
                is_waiting = True
            time.sleep(_LOOK)

    def _next(self) -> tuple[Tile | None, bool]:
        """Return a tile that nobody is at, and whether others are at something that is left here too."""
        self._store.merge()
        taken = self._store.claims.taken()
        if taken or self._store.waiting() or self._free is None or self._others_had != self._scores_of_others():
            self._others_had = self._scores_of_others()
            finished = {key for tile in self._done for key in tile.scores()} | self._store.waiting_pairs()
            claimed = {key for claim in taken for key in Tile.of(claim).scores()}
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

    def _scores_of_others(self) -> int:
        return self._store.scores_of_others(self._run)

    def _missing(self, known: set[Key]) -> list[Tile]:
        measures = list(self._measures.values())
        return plan(self._store, self._artifacts, measures, refresh=self._refresh, taken=known)

    def _share(self, tile: Tile) -> list[Pair]:
        """Return the pairs that one process takes at once: what memory allows, or its share where others work too."""
        rows = {row.artifact: row for row in self._artifacts}
        layers = source_of(tile.kind).from_artifacts(self._store.root, [rows[one] for one in tile.artifacts])
        chosen = [self._measures[one] for one in tile.configurations]
        workers = max(1, self._store.claims.workers())
        return tiles_of(tile.kind, layers, tile.pairs, chosen, self._memory, groups=workers)[0]


def part(tile: Tile, pairs: Sequence[Pair]) -> Tile:
    """Return the tile of some of a tile's pairs, with the artifacts that these need."""
    used = sorted({index for pair in pairs for index in pair})
    place = {index: at for at, index in enumerate(used)}
    return replace(
        tile, artifacts=tuple(tile.artifacts[index] for index in used),
        pairs=tuple((place[a], place[b]) for a, b in pairs),
    )  # fmt: skip
