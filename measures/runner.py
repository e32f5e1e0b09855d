"""Measures over a store: takes what has no score yet, tile by tile (`remaining.py`), computes it and logs its scores.

Any number of processes share the work of one store. A tile's claim ends with its process, so nothing is lost with one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from layeratlas.measures.declaration import Measure
from layeratlas.measures.figure import FIGURES, Figure, Stated
from layeratlas.measures.plan import FigureKey
from layeratlas.measures.registry import configuration, configuration_row
from layeratlas.measures.tiles import Tile
from layeratlas.store.errors import ArtifactDamaged
from layeratlas.store.progress import Progress
from layeratlas.store.store import ArtifactRow, Store
from layeratlas.store.uncertainty import NOTHING, Uncertainty

if TYPE_CHECKING:
    import torch

    from layeratlas.measures.engine import Outcomes

_STAGE_SECONDS = 5.0  # what a killed process loses of finished pairs, at most


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
class Session:
    """One run that measures: where, for whom, with what means, and what came of it."""

    store: Store
    run: str
    progress: Progress
    device: torch.device
    memory: int = 2 * 2**30  # bytes for the sums of a tile
    refresh: bool = False
    sure: Uncertainty = NOTHING  # what is asked beside scores
    cores: Callable[[], AbstractContextManager[None]] = nullcontext  # holds this process to its share, tile by tile
    summary: Summary = field(default_factory=Summary)

    def measure(
        self, artifacts: Sequence[ArtifactRow], measures: Sequence[Measure], missing: Sequence[Tile],
        figures: Sequence[Figure] = (), lacking: Sequence[FigureKey] = (),
    ) -> Summary:  # fmt: skip
        """Score every pair that has no score yet under these measures; with `refresh`, all of them again.

        missing, lacking: what `plan` and `missing_figures` say of these artifacts; what another process does meanwhile
        is left to it. figures: of every layer, where it has none yet.
        """
        from layeratlas.measures.remaining import Remaining

        by_identity = {configuration(measure).configuration: measure for measure in measures}
        self.store.write("configurations", [configuration_row(measure) for measure in measures])
        self.store.merge()
        read = {artifact for tile in missing for artifact in tile.artifacts} | {artifact for artifact, _ in lacking}
        sound = {row.artifact: row for row in self._sound(artifacts, read)}
        remaining = Remaining(
            self.store, list(sound.values()), by_identity, figures, run=self.run, memory=self.memory,
            refresh=self.refresh, sure=self.sure,
        )  # fmt: skip
        for tile in remaining.tiles(self.progress.note):
            with self.cores():
                self._fill(tile, sound, by_identity)
        self.store.merge()
        return self.summary

    def _sound(self, artifacts: Sequence[ArtifactRow], read: Collection[str]) -> list[ArtifactRow]:
        """Re-hash what is about to be read; leave out, and mark, what is not what was written."""
        used = [row for row in artifacts if row.artifact in read]
        bad = {}
        self.store.bring(used)
        with self.progress.task("checking artifacts", len(used)) as advance, ThreadPoolExecutor() as pool:
            for row, reason in zip(used, pool.map(partial(damage_of, self.store), used), strict=True):
                if reason:
                    bad[row.artifact] = reason
                    self.summary.damaged.append(f"{row.title}: {reason}")
                advance(1)
        self.store.write("damaged", [{"artifact": artifact, "reason": reason} for artifact, reason in bad.items()])
        return [row for row in used if row.artifact not in bad]

    def _fill(self, tile: Tile, rows: dict[str, ArtifactRow], measures: dict[str, Measure]) -> None:
        """Compute a tile and log its scores, every few seconds."""
        from layeratlas.measures.engine import How, compare_tile, source_of
        from layeratlas.measures.scored import interval_rows, null_rows, score_table

        artifacts = [rows[artifact] for artifact in tile.artifacts]
        source = source_of(tile.kind)
        layers = source.from_artifacts(self.store.root, artifacts)
        chosen = [measures[identity] for identity in tile.configurations]
        if self.device.type not in source.DEVICES:
            self.progress.note(f"{tile.kind} is compared on the CPU, not on {self.device}")
        title = f"{len(layers)} layers of {tile.kind}" + (f", {len(tile.pairs):,} pairs" if tile.pairs else "")
        wanted = [(place, FIGURES[name]) for place, name in tile.figures]
        how = How(device=self.device, memory=self.memory, sure=self.sure)
        with (
            self.progress.task(f"reading {title}", layers[0].words) as read,
            self._comparing(title, len(tile.pairs)) as compared,
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
            )
            for some in _every(found, _STAGE_SECONDS):
                self.store.write_table("scores", score_table(some, tile.artifacts, self.run))
                if self.sure.intervals:
                    found_beside = interval_rows(self.sure.intervals, some, tile.artifacts, self.run)
                    self.store.write("intervals", found_beside)
                    self._count_beside(found_beside)
                if self.sure.nulls:
                    found_beside = null_rows(self.sure.nulls, some, tile.artifacts, self.run)
                    self.store.write("nulls", found_beside)
                    self._count_beside(found_beside, nulls=True)
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

    def _count_beside(self, rows: Sequence[Mapping[str, Any]], *, nulls: bool = False) -> None:
        summary = self.summary
        refused = summary.refused_nulls if nulls else summary.refused_intervals
        reasons = [row.get("refused") for row in rows]
        for reason in reasons:
            if reason is not None:
                refused[reason] = refused.get(reason, 0) + 1
        if nulls:
            summary.nulls += reasons.count(None)
        else:
            summary.intervals += reasons.count(None)

    def _count(self, outcomes: Sequence[Outcomes]) -> None:
        for one in outcomes:
            reasons = one.reasons()
            self.summary.scores += len(one.pairs) - len(reasons)
            for reason in reasons:
                self.summary.refused[reason] = self.summary.refused.get(reason, 0) + 1


def damage_of(store: Store, row: ArtifactRow) -> str | None:
    """Re-hash an artifact; return why it is not what was written, or None."""
    from layeratlas.store.artifacts.base import check

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
