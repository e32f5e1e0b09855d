"""Measures over a store: finds the pairs that have no score yet, and fills them.

One process measures in a store at a time (it uses every core); a second one waits, then finds nothing left to do.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from layeratlas.measures import DEFAULT, PRESETS, configuration, configure
from layeratlas.measures.score import Measure, Score
from layeratlas.store.errors import ArtifactDamaged, BadRequest
from layeratlas.store.identity import Configuration, canonical_json
from layeratlas.store.progress import Progress
from layeratlas.store.store import ArtifactRow, Store
from layeratlas.store.study import MeasureSpec

if TYPE_CHECKING:
    from layeratlas.measures.engine import Outcome

    #: How many words will be read, and what reads and compares them, telling `advance` how many it has read.
    Comparison = tuple[int, Callable[..., Iterator[list[Outcome]]]]

_STAGE_SECONDS = 5.0  # what a killed process loses of finished pairs, at most


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
class Batch:
    """Pairs that lack the same configurations and share the same words: one pass of the engine."""

    artifacts: tuple[ArtifactRow, ...]
    pairs: tuple[tuple[int, int], ...]
    configurations: tuple[str, ...]


def chosen_measures(
    specs: Sequence[MeasureSpec], kinds: Collection[str] = ("activations",), *, preset: str = "default"
) -> list[Measure]:
    """Turn what a user asked for into measures; nothing asked is every measure of these kinds of artifacts.

    Raises BadRequest, naming the line, also for a measure of a kind that is not among them.
    """
    usual = [MeasureSpec(name, preset, dict(how)) for kind in DEFAULT if kind in kinds for name, how in DEFAULT[kind]]
    measures = []
    for spec in specs or usual:
        try:
            measures.append(configure(spec.name, spec.preset, spec.parameters))
        except BadRequest as error:
            raise BadRequest(f"{spec.where}{error}") from None
        kind = measures[-1].kind
        if kind not in kinds:
            how = f'kinds = ["{kind}"] in a study\'s [extraction]' + (", or --attention" if kind == "attention" else "")
            raise BadRequest(f"{spec.where}{spec.name} compares {kind}, and there are none: extract them, with {how}")
    return measures


def plan(
    store: Store, artifacts: Sequence[ArtifactRow], measures: Sequence[Measure], *, refresh: bool = False
) -> list[Batch]:
    """Return the passes that fill what is missing; none when everything is known. Does not import torch."""
    known = {row.artifact: row for row in artifacts if row.damaged is None}
    groups: dict[tuple[Any, ...], list[tuple[str, str]]] = {}
    for kind in dict.fromkeys(measure.kind for measure in measures):
        own = [artifact for artifact, row in known.items() if row.kind == kind]
        wanted = [configuration(measure).configuration for measure in measures if measure.kind == kind]
        for a, b, missing in store.missing_pairs(own, wanted, known_too=refresh):
            words = tuple(sorted({known[a].word_set, known[b].word_set}))
            groups.setdefault((known[a].corpus, kind, known[a].words_from_tokens, words, missing), []).append((a, b))
    return [_batch(known, pairs, key[-1]) for key, pairs in groups.items()]


def _batch(known: dict[str, ArtifactRow], pairs: list[tuple[str, str]], missing: tuple[str, ...]) -> Batch:
    used = {artifact for pair in pairs for artifact in pair}
    order = [artifact for artifact in known if artifact in used]
    place = {artifact: index for index, artifact in enumerate(order)}
    indices = sorted((min(place[a], place[b]), max(place[a], place[b])) for a, b in pairs)
    return Batch(tuple(known[artifact] for artifact in order), tuple(indices), missing)


@dataclass(frozen=True)
class Session:
    """One run that measures: where, for whom, with what means, and what came of it."""

    store: Store
    run: str
    progress: Progress
    device: str = "cpu"
    memory: int = 2 * 2**30  # bytes for the sums of a tile
    refresh: bool = False
    summary: Summary = field(default_factory=Summary)

    def measure(self, artifacts: Sequence[ArtifactRow], measures: Sequence[Measure]) -> Summary:
        """Score every pair that has no score yet under these measures; with `refresh`, all of them again."""
        with self.store.lock("measure", wait=False) as free:
            if free:
                self._measure(artifacts, measures)
                return self.summary
        self.progress.note("another layeratlas measures in this store: waiting for it")
        with self.store.lock("measure"):
            self._measure(artifacts, measures)
        return self.summary

    def _measure(self, artifacts: Sequence[ArtifactRow], measures: Sequence[Measure]) -> None:
        by_identity = {configuration(measure).configuration: measure for measure in measures}
        self.store.stage("configurations", [configuration_row(configuration(measure)) for measure in measures])
        self.store.merge()
        sound = self._sound(artifacts, plan(self.store, artifacts, measures, refresh=self.refresh))
        for batch in plan(self.store, sound, measures, refresh=self.refresh):
            self._fill(batch, [by_identity[identity] for identity in batch.configurations])
        self.store.merge()

    def _sound(self, artifacts: Sequence[ArtifactRow], batches: Sequence[Batch]) -> list[ArtifactRow]:
        """Re-hash what is about to be read; leave out, and mark, what is not what was written."""
        read = {row.artifact for batch in batches for row in batch.artifacts}
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

    def _fill(self, batch: Batch, measures: Sequence[Measure]) -> None:
        attention = batch.artifacts[0].kind == "attention"
        steps, compare = (self._attention if attention else self._activations)(batch, measures)
        title = f"{len(batch.artifacts)} layers{' of attention' if attention else ''}, {len(batch.pairs):,} pairs"
        with (
            self.progress.task(f"reading {title}", steps) as read,
            self.progress.task(f"comparing {title}", len(batch.pairs)) as compared,
        ):
            for outcomes in _every(compare(advance=read), _STAGE_SECONDS):
                scores = [_score_row(batch.artifacts, outcome, self.run) for pair in outcomes for outcome in pair]
                self.store.stage("scores", scores)
                _count(scores, self.summary)
                compared(len(outcomes))

    def _activations(self, batch: Batch, measures: Sequence[Measure]) -> Comparison:
        from layeratlas.measures.engine import compare_pairs, tiles
        from layeratlas.measures.rows import aligned_rows

        rows = aligned_rows(self.store.root, batch.artifacts)
        passes = len(tiles(batch.pairs, [row.neurons for row in rows], self.memory))
        compare = partial(compare_pairs, rows, batch.pairs, measures, device=self.device, memory=self.memory)
        return rows[0].words * passes, compare

    def _attention(self, batch: Batch, measures: Sequence[Measure]) -> Comparison:
        from layeratlas.measures.attention_engine import attention_tiles, compare_attention_pairs
        from layeratlas.measures.rows import aligned_attention

        layers = aligned_attention(self.store.root, batch.artifacts)
        passes = len(attention_tiles(batch.pairs, layers, len(measures), self.memory))
        compare = partial(compare_attention_pairs, layers, batch.pairs, measures, memory=self.memory)
        return layers[0].words * passes, compare


def _every(items: Iterator[list[Outcome]], seconds: float) -> Iterator[list[list[Outcome]]]:
    """Gather items for some seconds at a time."""
    gathered: list[list[Outcome]] = []
    since = time.monotonic()
    for item in items:
        gathered.append(item)
        if time.monotonic() - since > seconds:
            yield gathered
            gathered, since = [], time.monotonic()
    if gathered:
        yield gathered


def _score_row(artifacts: Sequence[ArtifactRow], outcome: Outcome, run: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        "configuration": configuration(outcome.measure).configuration,
        "artifact_a": artifacts[outcome.a].artifact,
        "artifact_b": artifacts[outcome.b].artifact,
        "run": run,
    }
    if isinstance(outcome.score, Score):
        score = outcome.score
        return {
            **row, "value": score.value, "words": score.diagnostics["words"], "units": score.neurons,
            "matches": score.matches, "diagnostics": json.dumps(dict(score.diagnostics)),
        }  # fmt: skip
    return {**row, "refused": f"{type(outcome.score).__name__}: {outcome.score}"}


def _count(scores: Collection[dict[str, Any]], summary: Summary) -> None:
    for row in scores:
        if "refused" in row:
            summary.refused[row["refused"]] = summary.refused.get(row["refused"], 0) + 1
        else:
            summary.scores += 1


def configuration_row(identity: Configuration) -> dict[str, Any]:
    """Return the row that tells the catalog of a configuration."""
    return {
        "configuration": identity.configuration, "measure": identity.measure, "version": identity.version,
        "label": _label(identity), "presets": list(identity.presets), "parameters": canonical_json(identity.parameters),
        "is_symmetric": identity.symmetric, **_range(identity),
    }  # fmt: skip


def _range(identity: Configuration) -> dict[str, Any]:
    """Return what a configuration's values mean; a bound that is None does not exist."""
    low: float | None = 0.0
    high: float | None = 1.0
    similarity, released = identity.parameters.get("similarity"), identity.parameters.get("convention") == "released"
    if similarity == "pearson" or (similarity == "pearson_nonzero" and not released):
        low = -1.0
    elif released and similarity in ("frobenius", "pearson_nonzero"):
        low, high = None, 1.0 if similarity == "frobenius" else None
    return {"direction": "similarity", "low": low, "high": high}


def _label(identity: Configuration) -> str:
    """Name a configuration by the preset that it is nearest to, and what differs: `wu2020, similarity=frobenius`."""
    labels: list[list[str]] = []
    for preset in PRESETS:
        base = configure(identity.measure, preset)
        changes = [f"{key}={value}" for key, value in identity.parameters.items() if value != getattr(base, key)]
        labels.append(changes if changes and preset == PRESETS[0] else [preset, *changes])
    nearest = min(labels, key=len)
    return ", ".join(nearest)
