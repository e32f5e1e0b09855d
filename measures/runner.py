"""Measures over a store: takes what has no score yet, tile by tile (`remaining.py`), computes it and logs its scores.

Any number of processes share the work of one store. A tile's claim ends with its process, so nothing is lost with one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from layeratlas.executors.base import Executor, InProcess, Opening
from layeratlas.measures.declaration import Measure
from layeratlas.measures.figure import FIGURES, Figure, Stated
from layeratlas.measures.plan import FigureKey
from layeratlas.measures.registry import configuration, configuration_row
from layeratlas.measures.tiles import Tile
from layeratlas.store.errors import ArtifactDamaged, LayeratlasError
from layeratlas.store.progress import Progress, Silent
from layeratlas.store.store import ArtifactRow, Store
from layeratlas.store.uncertainty import NOTHING, Uncertainty

if TYPE_CHECKING:
    import torch

    from layeratlas.measures.engine import Outcomes
    from layeratlas.measures.remaining import Remaining

_STAGE_SECONDS = 5.0  # what a killed process loses of finished pairs, at most
_ATTEMPTS = 3  # of each worker, when they end amid their tiles


@dataclass
class Summary:
    """What one run measured: scores and figures, those refused with their reasons, and artifacts found damaged."""

    scores: int = 0
    figures: int = 0
    intervals: int = 0
    nulls: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    refused_figures: dict[str, int] = field(default_factory=dict)
    refused_intervals: dict[str, int] = field(default_factory=dict)
    refused_nulls: dict[str, int] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """4 when an artifact was damaged, else 0: a refused pair is an answer."""
        return 4 if self.damaged else 0

    def add(self, other: Summary) -> None:
        """Take in what another part of the run measured."""
        self.scores += other.scores
        self.figures += other.figures
        self.intervals += other.intervals
        self.nulls += other.nulls
        self.damaged += other.damaged
        for name in ("refused", "refused_figures", "refused_intervals", "refused_nulls"):
            ours = getattr(self, name)
            for reason, count in getattr(other, name).items():
                ours[reason] = ours.get(reason, 0) + count

    def count_beside(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Count rows of what was asked beside scores, and why others have none. table: `intervals` or `nulls`."""
        reasons = [row.get("refused") for row in rows]
        setattr(self, table, getattr(self, table) + reasons.count(None))
        refused = getattr(self, f"refused_{table}")
        for reason in filter(None, reasons):
            refused[reason] = refused.get(reason, 0) + 1

    def lines(self) -> list[str]:
        """What to tell the user."""
        figures = f" and {self.figures:,} figures of layers" if self.figures or self.refused_figures else ""
        intervals = f", {self.intervals:,} of them with an interval" if self.intervals or self.refused_intervals else ""
        nulls = f", {self.nulls:,} of them against chance" if self.nulls or self.refused_nulls else ""
        lines = [f"measured {self.scores:,} scores{intervals}{nulls}{figures}"]
        lines += [f"refused {count:,} scores: {reason}" for reason, count in self.refused.items()]
        lines += [f"refused {count:,} figures: {reason}" for reason, count in self.refused_figures.items()]
        lines += [f"no interval of {count:,} scores: {reason}" for reason, count in self.refused_intervals.items()]
        lines += [f"no null of {count:,} scores: {reason}" for reason, count in self.refused_nulls.items()]
        return lines + [f"damaged, not read: {line}. `layeratlas run STUDY.toml` rebuilds it" for line in self.damaged]


@dataclass(frozen=True)
class Job:
    """A tile for a worker, with what one needs to know to compute it, so that workers open no catalog."""

    tile: Tile
    rows: Mapping[str, ArtifactRow]
    measures: Mapping[str, Measure]  # by fingerprint

    @property
    def title(self) -> str:
        """How messages name it."""
        return f"the comparison of {self.tile.title}"


@dataclass(frozen=True)
class Session:
    """One run that measures: where, for whom, by what workers, and what came of it.

    opening: makes a `Filler`, in this process or another. memory: bytes for the sums of a tile.
    """

    store: Store
    run: str
    progress: Progress
    opening: Opening
    executor: Executor = field(default_factory=InProcess)
    memory: int = 2 * 2**30
    refresh: bool = False
    sure: Uncertainty = NOTHING  # what is asked beside scores

    def measure(
        self, artifacts: Sequence[ArtifactRow], measures: Sequence[Measure], missing: Sequence[Tile],
        figures: Sequence[Figure] = (), lacking: Sequence[FigureKey] = (),
    ) -> Summary:  # fmt: skip
        """Score every pair that has no score yet under these measures; with `refresh`, all of them again.

        missing, lacking: what `plan` and `missing_figures` say of these artifacts; what another process does meanwhile
        is left to it. figures: of every layer, where it has none yet.
        """
        by_identity = {configuration(measure).configuration: measure for measure in measures}
        self.store.write("configurations", [configuration_row(measure) for measure in measures])
        self.store.merge()
        read = {artifact for tile in missing for artifact in tile.artifacts} | {artifact for artifact, _ in lacking}
        rows = [row for row in artifacts if row.artifact in read]
        summary = self._measured(rows, by_identity, figures) if rows else Summary()
        if self.sure.untrained:
            self._set_against_copies(artifacts, by_identity, summary)
        return summary

    def _measured(
        self, rows: Sequence[ArtifactRow], measures: Mapping[str, Measure], figures: Sequence[Figure]
    ) -> Summary:
        """Have workers compute what is left."""
        from layeratlas.measures.remaining import Remaining

        remaining = Remaining(
            self.store, rows, measures, figures, run=self.run, memory=self.memory, refresh=self.refresh,
            sure=self.sure, workers=self.executor.workers,
        )  # fmt: skip
        jobs = Measuring(remaining, rows, measures, self.progress, self.executor.workers)
        with closing(remaining):
            self.executor.run(self.opening, jobs, self.progress)
        self.store.merge()
        return jobs.summary

    def _set_against_copies(
        self, artifacts: Sequence[ArtifactRow], measures: Mapping[str, Measure], summary: Summary
    ) -> None:
        """Say of scores what they would be if b had never been trained, where untrained copies are in the store."""
        from layeratlas.measures import untrained

        rows = untrained.rows_of(untrained.missing(self.store, artifacts, measures), measures, self.run)
        self.store.write("nulls", rows)
        summary.count_beside("nulls", rows)
        self.store.merge()


class Measuring:
    """What is left to measure, given out tile by tile."""

    title = "measuring"

    def __init__(
        self, remaining: Remaining, rows: Sequence[ArtifactRow], measures: Mapping[str, Measure], progress: Progress,
        workers: int,
    ) -> None:  # fmt: skip
        self.summary = Summary()
        self._remaining, self._measures, self._progress = remaining, measures, progress
        self._rows = {row.artifact: row for row in rows}
        self._damaged: set[str] = set()
        self._lost, self._too_many = 0, _ATTEMPTS * workers  # workers, since something was last done
        self._is_waiting = False

    def take(self, last: Job | None) -> Job | None:
        """Give the next tile."""
        tile = self._remaining.take()
        if tile is None:
            return None
        return Job(tile, {one: self._rows[one] for one in tile.artifacts}, self._chosen(tile))

    def _chosen(self, tile: Tile) -> dict[str, Measure]:
        return {one: self._measures[one] for one in tile.configurations}

    def done(self, job: Job, result: Filled) -> None:
        """Take in what was computed; what is damaged is compared no more."""
        self._lost = 0
        if new := result.damaged.keys() - self._damaged:
            self._damaged |= new
            self._remaining.leave_out(new)
        result.summary.damaged = [result.damaged[one] for one in sorted(new)]
        self.summary.add(result.summary)
        self._remaining.done(job.tile)

    def lost(self, job: Job, why: str) -> None:
        """Free what a worker that has ended had not finished. Raises LayeratlasError when one ends after the other."""
        self._remaining.lost(job.tile)
        self._lost += 1
        if self._lost >= self._too_many:
            raise LayeratlasError(
                f"{self._lost} workers ended one after the other, the last amid {job.title} ({why}): they may need "
                "more memory than there is: use fewer workers, or less --memory. What is finished is kept"
            )

    def is_over(self) -> bool:
        """Tell whether nothing is left; say so once when others are at what is."""
        if self._remaining.others_work and not self._is_waiting:
            self._progress.note("another layeratlas measures what is left in this store: waiting for it")
            self._is_waiting = True
        return not self._remaining.others_work


@dataclass(frozen=True)
class Filled:
    """What a worker did of a tile, and which of its artifacts are damaged: what is said of each."""

    summary: Summary
    damaged: Mapping[str, str]


class Filler:
    """Computes tiles and logs their scores, and what is asked beside them.

    cores: holds this process to its share, tile by tile.
    """

    def __init__(
        self, store: Store, run: str, device: torch.device, memory: int = 2 * 2**30, *,
        cores: Callable[[], AbstractContextManager[None]] = nullcontext, sure: Uncertainty = NOTHING,
    ) -> None:  # fmt: skip
        self.store, self.run, self.device, self.memory, self.cores = store, run, device, memory, cores
        self.sure = sure
        self.progress: Progress = Silent()
        self.summary = Summary()
        self._checked: dict[str, str | None] = {}  # artifact -> why it is damaged

    def do(self, job: Job, progress: Progress) -> Filled:
        """Compute a tile, less what is damaged."""
        self.progress, self.summary = progress, Summary()
        with self.cores():
            self._check([job.rows[one] for one in job.tile.artifacts if one not in self._checked])
            damaged = {
                one: f"{job.rows[one].title}: {why}" for one in job.tile.artifacts if (why := self._checked[one])
            }
            tile = job.tile.without(damaged)
            if tile.pairs or tile.figures:
                self._fill(tile, job.rows, job.measures)
        return Filled(self.summary, damaged)

    def _check(self, rows: Sequence[ArtifactRow]) -> None:
        """Re-hash what is about to be read; mark what is not what was written."""
        if not rows:
            return
        self.store.bring([row for row in rows if self.store.keeps(row)])
        with self.progress.task("checking artifacts", len(rows)) as advance, ThreadPoolExecutor() as pool:
            for row, reason in zip(rows, pool.map(partial(damage_of, self.store), rows), strict=True):
                self._checked[row.artifact] = reason
                advance(1)
        bad = [row.artifact for row in rows if self._checked[row.artifact]]
        self.store.write("damaged", [{"artifact": one, "reason": self._checked[one]} for one in bad])

    def _fill(self, tile: Tile, rows: Mapping[str, ArtifactRow], measures: Mapping[str, Measure]) -> None:
        """Compute a tile and log its scores, every few seconds."""
        from layeratlas.measures.engine import How, compare_tile, source_of
        from layeratlas.measures.scored import beside_rows, score_table

        artifacts = [rows[artifact] for artifact in tile.artifacts]
        source = source_of(tile.kind)
        layers = source.from_artifacts(self.store, artifacts)
        chosen = [measures[identity] for identity in tile.configurations]
        if self.device.type not in source.DEVICES:
            self.progress.note(f"{tile.kind} is compared on the CPU, not on {self.device}")
        wanted = [(place, FIGURES[name]) for place, name in tile.figures]
        how = How(device=self.device, memory=self.memory, sure=self.sure)
        with (
            self.progress.task(f"reading {tile.title}", layers[0].words) as read,
            self._comparing(tile.title, len(tile.pairs)) as compared,
        ):
            found = compare_tile(
                tile.kind,
                layers,
                tile.pairs,
                chosen,
                how,
                figures=wanted,
                tell=partial(self._state, tile),
                advance=read,
                follow=lambda title, times: self.progress.task(f"{title}: {tile.title}", times),
            )
            for some in _every(found, _STAGE_SECONDS):
                if not tile.is_scored:
                    self.store.write_table("scores", score_table(some, tile.artifacts, self.run))
                for asked in self.sure.asked:
                    rows_beside = beside_rows(asked, some, tile.artifacts, self.run)
                    self.store.write(asked.table, rows_beside)
                    self.summary.count_beside(asked.table, rows_beside)
                self._count(some)
                compared(sum(len(outcomes.pairs) for outcomes in some) // (2 * len(chosen)))

    def _comparing(self, title: str, pairs: int) -> AbstractContextManager[Callable[[int], None]]:
        """Show how many pairs are done; of a tile of figures alone, nothing."""
        return self.progress.task(f"comparing {title}", pairs) if pairs else nullcontext(lambda done: None)

    def _state(self, tile: Tile, stated: Sequence[Stated]) -> None:
        """Log figures."""
        from layeratlas.measures.scored import figure_rows

        self.store.write("figures", figure_rows(stated, tile.artifacts, self.run))
        for one in stated:
            self.summary.figures += one.refused is None
            if one.refused is not None:
                self.summary.refused_figures[one.refused] = self.summary.refused_figures.get(one.refused, 0) + 1

    def _count(self, outcomes: Sequence[Outcomes]) -> None:
        for one in outcomes:
            reasons = one.reasons()
            self.summary.scores += len(one.pairs) - len(reasons)
            for reason in reasons:
                self.summary.refused[reason] = self.summary.refused.get(reason, 0) + 1


def damage_of(store: Store, row: ArtifactRow) -> str | None:
    """Re-hash an artifact; return why it is not what was written, or None.

    Of one that is read elsewhere, part by part, the checksums of these parts are compared as they come.
    """
    from layeratlas.store.artifacts.base import check

    if not store.keeps(row) and store.has(row):
        return None
    try:
        check(store.root, row.path, size=row.bytes, sha256=row.sha256)
    except ArtifactDamaged as error:
        return str(error)
    return None


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
