"""Measures over a store: takes what has no score yet, tile by tile, and fills it.

Any number of processes share the work of one store: who holds the planning lock takes the next tile, claims it, and
computes it while the others take theirs. A tile's claim ends with its process, so nothing is lost with one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from layeratlas.measures.declaration import Measure
from layeratlas.measures.plan import Key, plan
from layeratlas.measures.registry import configuration, configuration_row
from layeratlas.measures.tiles import Tile
from layeratlas.store.errors import ArtifactDamaged
from layeratlas.store.progress import Progress
from layeratlas.store.store import ArtifactRow, Store

if TYPE_CHECKING:
    import torch

    from layeratlas.measures.engine import Outcomes

_STAGE_SECONDS = 5.0  # what a killed process loses of finished pairs, at most
_SHARES = 3  # tiles a worker, where several share a store: so that none waits long for the last
_LOOK = 0.2  # seconds between looks at what others have finished


@dataclass
class Summary:
    """What one run measured: scores written, those refused with their reasons, and artifacts found damaged."""

    scores: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """4 when an artifact was damaged, else 0: a refused pair is an answer."""
        return 4 if self.damaged else 0

    def lines(self) -> list[str]:
        """What to tell the user."""
        lines = [f"measured {self.scores:,} scores"]
        lines += [f"refused {count:,} scores: {reason}" for reason, count in self.refused.items()]
        return lines + [f"damaged, not read: {line}. `layeratlas run STUDY.toml` rebuilds it" for line in self.damaged]


@dataclass(frozen=True)
class Session:
    """One run that measures: where, for whom, with what means, and what came of it."""

    store: Store
    run: str
    progress: Progress
    device: torch.device
    memory: int = 2 * 2**30  # bytes for the sums of a tile
    refresh: bool = False
    summary: Summary = field(default_factory=Summary)
    done: set[Key] = field(default_factory=set)  # of a refresh, which the catalog cannot tell from what was known
    planned: dict[str, Any] = field(default_factory=dict)  # free tiles, and what they were planned by

    def measure(
        self, artifacts: Sequence[ArtifactRow], measures: Sequence[Measure], missing: Sequence[Tile]
    ) -> Summary:
        """Score every pair that has no score yet under these measures; with `refresh`, all of them again.

        missing: what `plan` says of these artifacts; what another process does meanwhile is left to it.
        """
        by_identity = {configuration(measure).configuration: measure for measure in measures}
        with self.store.claims.at_work():
            self.store.stage("configurations", [configuration_row(measure) for measure in measures])
            self.store.merge()
            sound = self._sound(artifacts, missing)
            for tile in self._tiles(sound, by_identity):
                self._fill(tile, {row.artifact: row for row in sound}, by_identity)
        self.store.merge()
        return self.summary

    def _sound(self, artifacts: Sequence[ArtifactRow], missing: Sequence[Tile]) -> list[ArtifactRow]:
        """Re-hash what is about to be read; leave out, and mark, what is not what was written."""
        read = {artifact for tile in missing for artifact in tile.artifacts}
        used = [row for row in artifacts if row.artifact in read]
        bad = {}
        with self.progress.task("checking artifacts", len(used)) as advance, ThreadPoolExecutor() as pool:
            for row, reason in zip(used, pool.map(self._damage, used), strict=True):
                if reason:
                    bad[row.artifact] = reason
                    self.summary.damaged.append(f"{row.title}: {reason}")
                advance(1)
        self.store.stage("damaged", [{"artifact": artifact, "reason": reason} for artifact, reason in bad.items()])
        return [row for row in used if row.artifact not in bad]

    def _damage(self, row: ArtifactRow) -> str | None:
        from layeratlas.store.artifacts.base import check

        try:
            check(self.store.root, row.path, size=row.bytes, sha256=row.sha256)
        except ArtifactDamaged as error:
            return str(error)
        return None

    def _tiles(self, artifacts: Sequence[ArtifactRow], measures: dict[str, Measure]) -> Iterator[Tile]:
        """Give the tiles that this process takes, one after the other, until nothing is missing."""
        said = False
        while True:
            with ExitStack() as claim:
                with self.store.claims.planning():
                    tile, others = self._next(artifacts, measures)
                    if tile is not None:
                        claim.enter_context(self.store.claims.claim(tile.description()))
                if tile is not None:
                    yield tile
                    if self.refresh:  # else the catalog, or what is staged, says so
                        self.done.update(tile.scores())
                    continue
            if not others:
                return
            if not said:
                self.progress.note("another layeratlas measures what is left in this store: waiting for it")
                said = True
            time.sleep(_LOOK)

    def _next(self, artifacts: Sequence[ArtifactRow], measures: dict[str, Measure]) -> tuple[Tile | None, bool]:
        """Return a tile that nobody is at, and whether others are at something that this process lacks too.

        As long as no other process has been here, what was planned for the tile before is still what is free.
        """
        self.store.merge()
        taken = {key for claimed in self.store.claims.taken() for key in Tile.of(claimed).scores()}
        finished = self.done | self.store.staged_pairs()
        runs = self.store.rows("SELECT count(*) FROM base.runs")
        if taken or finished or self.planned.get("was_shared", True) or runs != self.planned["runs"]:
            self.planned["free"] = plan(
                self.store, artifacts, list(measures.values()), refresh=self.refresh, taken=finished | taken
            )
            self.planned.update(runs=runs, was_shared=bool(taken))
        if not self.planned["free"]:
            return None, bool(taken) and bool(self._missing(artifacts, measures, finished))
        first, *others = self.planned["free"]
        share = self._share(first, artifacts, measures)
        rest = sorted(set(first.pairs) - set(share))
        self.planned["free"] = [*([part(first, rest)] if rest else []), *others]
        return part(first, share), True

    def _missing(
        self, artifacts: Sequence[ArtifactRow], measures: dict[str, Measure], finished: set[Key]
    ) -> list[Tile]:
        return plan(self.store, artifacts, list(measures.values()), refresh=self.refresh, taken=finished)

    def _share(
        self, tile: Tile, artifacts: Sequence[ArtifactRow], measures: dict[str, Measure]
    ) -> list[tuple[int, int]]:
        """Return the pairs that one process takes at once: what memory allows, or its share where others work too."""
        from layeratlas.measures.engine import source_of, tiles_of

        rows = {row.artifact: row for row in artifacts}
        layers = source_of(tile.kind).from_artifacts(self.store.root, [rows[one] for one in tile.artifacts])
        chosen = [measures[one] for one in tile.configurations]
        workers = self.store.claims.workers()
        shares = _SHARES * workers if workers > 1 else 1
        return tiles_of(tile.kind, layers, tile.pairs, chosen, self.memory, shares=shares)[0]

    def _fill(self, tile: Tile, rows: dict[str, ArtifactRow], measures: dict[str, Measure]) -> None:
        """Compute a tile and stage its scores, every few seconds."""
        from layeratlas.measures.engine import How, compare_tile, source_of
        from layeratlas.measures.scored import score_table

        artifacts = [rows[artifact] for artifact in tile.artifacts]
        source = source_of(tile.kind)
        layers = source.from_artifacts(self.store.root, artifacts)
        chosen = [measures[identity] for identity in tile.configurations]
        if self.device.type not in source.DEVICES:
            self.progress.note(f"{tile.kind} is compared on the CPU, not on {self.device}")
        title = f"{len(layers)} layers of {tile.kind}, {len(tile.pairs):,} pairs"
        how = How(device=self.device, memory=self.memory)
        with (
            self.progress.task(f"reading {title}", layers[0].words) as read,
            self.progress.task(f"comparing {title}", len(tile.pairs)) as compared,
        ):
            for some in _every(compare_tile(tile.kind, layers, tile.pairs, chosen, how, advance=read), _STAGE_SECONDS):
                self.store.stage_table("scores", score_table(some, tile.artifacts, self.run))
                self._count(some)
                compared(sum(len(outcomes.pairs) for outcomes in some) // (2 * len(chosen)))

    def _count(self, outcomes: Sequence[Outcomes]) -> None:
        for one in outcomes:
            reasons = one.reasons()
            self.summary.scores += len(one.pairs) - len(reasons)
            for reason in reasons:
                self.summary.refused[reason] = self.summary.refused.get(reason, 0) + 1


def part(tile: Tile, pairs: Sequence[tuple[int, int]]) -> Tile:
    """Return the tile of some of a tile's pairs, with the artifacts that these need."""
    used = sorted({index for pair in pairs for index in pair})
    place = {index: at for at, index in enumerate(used)}
    return replace(
        tile, artifacts=tuple(tile.artifacts[index] for index in used),
        pairs=tuple((place[a], place[b]) for a, b in pairs),
    )  # fmt: skip


def _every(items: Iterator[list[Outcomes]], seconds: float) -> Iterator[list[Outcomes]]:
    """Gather outcomes for some seconds at a time."""
    gathered: list[Outcomes] = []
    since = time.monotonic()
    for some in items:
        gathered += some
        if time.monotonic() - since > seconds:
            yield gathered
            gathered, since = [], time.monotonic()
    if gathered:
        yield gathered
