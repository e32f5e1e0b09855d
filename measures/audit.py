"""Auditing: a random sample of scores is measured again from the artifacts, and held against what the catalog says.

Every measure has an equal share of the sample, as far as it has scores. Nothing is written: what differs is said.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from layeratlas.measures.declaration import Measure
from layeratlas.measures.registry import MEASURES, configure
from layeratlas.store.errors import BadRequest, LayeratlasError, unknown
from layeratlas.store.progress import Progress
from layeratlas.store.store import ArtifactRow, Store

if TYPE_CHECKING:
    import torch

    from layeratlas.measures.score import MeasureError, Score

EQUAL, DIFFERS, REFUSED, DAMAGED, STALE = "equal", "differs", "refused now", "artifact damaged", "stale"
SAMPLE = 50
_UNITS = 100  # how much further single neurons may be apart than the score that is made of them

Key = tuple[str, str, str]  # configuration, artifact, other artifact (fingerprints)


@dataclass(frozen=True)
class Drawn:
    """A score of the sample, as the catalog has it. units: of single neurons or heads, where the measure has them."""

    measure: str
    configuration: str  # by name
    model_a: str
    layer_a: int
    model_b: str
    layer_b: int
    corpus: str
    pooling: str
    value: float
    origin: str
    run: str
    version: int
    parameters: str
    key: Key
    units: Sequence[float] | None = field(repr=False)


@dataclass(frozen=True)
class Audited:
    """What came of measuring one score again; `why` says it in words where it is not equal."""

    drawn: Drawn
    verdict: str
    recomputed: float | None = None
    why: str = ""

    @property
    def difference(self) -> float | None:
        """How far the two numbers are apart."""
        return None if self.recomputed is None else abs(self.recomputed - self.drawn.value)


@dataclass(frozen=True)
class Audit:
    """A sample that was audited, out of how many scores; and how many could not be in it, for want of artifacts."""

    scores: list[Audited]
    auditable: int
    imported: int
    elsewhere: int  # their artifacts' files are not here

    COLUMNS: ClassVar[tuple[str, ...]] = (
        "verdict", "measure", "model_a", "layer_a", "model_b", "layer_b", "value", "recomputed", "difference", "origin",
        "corpus", "pooling", "configuration", "run", "why",
    )  # fmt: skip

    def rows(self) -> list[tuple[Any, ...]]:
        """Return the scores that are not equal, under COLUMNS."""
        found = [{**asdict(one.drawn), **vars(one), "difference": one.difference}
                 for one in self.scores if one.verdict != EQUAL]  # fmt: skip
        return [tuple(row[column] for column in self.COLUMNS) for row in found]

    @property
    def exit_code(self) -> int:
        """4 when a score is not what its artifacts give, or an artifact not what was written; else 0."""
        return 4 if any(one.verdict in (DIFFERS, REFUSED, DAMAGED) for one in self.scores) else 0

    def of(self, verdict: str) -> list[Audited]:
        """Return the scores of which this was found."""
        return [one for one in self.scores if one.verdict == verdict]

    def lines(self) -> list[str]:
        """What to tell the user."""
        others = [f"{len(found):,} {verdict}" for verdict in (DIFFERS, REFUSED, DAMAGED, STALE)
                  if (found := self.of(verdict))]  # fmt: skip
        equal = self.of(EQUAL)
        near = max((one.difference or 0.0 for one in equal), default=0.0)
        within = f"to within {near:.0e}" if near else "to the last digit"
        said = [*others, *([f"{f'{len(equal):,}' if others else 'all'} equal {within}"] if equal else [])]
        lines = [f"{len(self.scores):,} of {self.auditable:,} scores recomputed: {', '.join(said) or 'there are none'}"]
        if self.imported:
            lines.append(f"{self.imported:,} scores are imported results, which no artifacts here can confirm")
        if self.elsewhere:
            lines.append(f"{self.elsewhere:,} scores are of layers whose files are not here")
        return lines


@dataclass(frozen=True)
class Auditor:
    """With what means scores are measured again. memory: bytes for the sums of one pass over the words."""

    store: Store
    device: torch.device
    memory: int
    progress: Progress

    def audit(
        self, *, sample: int = SAMPLE, seed: int = 0, measures: Collection[str] = (), models: Collection[str] = (),
        origins: Collection[int] = (),
    ) -> Audit:  # fmt: skip
        """Draw a sample and measure it again; of these measures, models (at either end) and origins, where named.

        origins: numbers as base.origins has them, 0 for this store. Raises BadRequest for a name that is not there.
        """
        rows = {
            row.artifact: row for row in self.store.artifacts()
            if (self.store.root / row.path).is_file() or self.store.has(row)
        }  # fmt: skip
        self._check_names(measures, models)
        narrowed = [list(rows), list(measures), list(models), list(origins)]
        [(auditable, imported, elsewhere)] = self.store.rows(_COUNTED, *narrowed) or [(0, 0, 0)]
        drawn = [_drawn(row) for row in self.store.rows(_DRAWN, *narrowed, str(seed), sample)]
        bad = self._damaged({artifact for one in drawn for artifact in one.key[1:]}, rows)
        found = {one.drawn.key: one for one in self._judged(drawn, rows, bad)}
        return Audit([found[one.key] for one in drawn], auditable, imported, elsewhere)

    def _check_names(self, measures: Collection[str], models: Collection[str]) -> None:
        for what, names, sql in (
            ("measure", measures, "SELECT DISTINCT measure FROM base.configurations"),
            ("model", models, "SELECT DISTINCT name FROM base.models"),
        ):
            known = [name for (name,) in self.store.rows(sql)] if names else []
            for name in names:
                if name not in known:
                    raise BadRequest(unknown(what, name, known))

    def _damaged(self, used: Collection[str], rows: dict[str, ArtifactRow]) -> dict[str, str]:
        """Re-hash what is about to be read; return why artifacts are not what was written."""
        from layeratlas.measures.runner import damage_of

        bad = {}
        self.store.bring([rows[artifact] for artifact in used if self.store.keeps(rows[artifact])])
        with self.progress.task("checking artifacts", len(used)) as advance:
            for artifact in sorted(used):
                reason = damage_of(self.store, rows[artifact])
                if reason:
                    bad[artifact] = reason
                advance(1)
        return bad

    def _judged(self, drawn: Sequence[Drawn], rows: dict[str, ArtifactRow], bad: dict[str, str]) -> Iterator[Audited]:
        """Judge every score, measure by measure and words by words, so that a layer is read once for each measure."""
        together: dict[tuple[Any, ...], list[Drawn]] = {}
        for one in drawn:
            a, b = (rows[artifact] for artifact in one.key[1:])
            damage = next((bad[artifact] for artifact in one.key[1:] if artifact in bad), None)
            if damage or _of_what(a) != _of_what(b) or a == b:
                yield Audited(one, *((DAMAGED, None, damage) if damage else _NOT_COMPARED))
            else:
                words = frozenset((a.word_set, b.word_set))
                together.setdefault((one.key[0], *_of_what(a), words), []).append(one)
        with self.progress.task("measuring again", len(drawn)) as advance:
            for (_, kind, *_), some in together.items():
                yield from self._again(kind, some, rows)
                advance(len(some))

    def _again(self, kind: str, drawn: Sequence[Drawn], rows: dict[str, ArtifactRow]) -> Iterator[Audited]:
        """Measure scores of one configuration over the same words again."""
        from layeratlas.measures.engine import reason
        from layeratlas.measures.score import MeasureError

        measure = _measure_of(drawn[0])
        if isinstance(measure, str):
            yield from (Audited(one, STALE, why=measure) for one in drawn)
            return
        if measure.kind != kind:
            yield from (Audited(one, *_NOT_COMPARED) for one in drawn)
            return
        try:
            found = self._compared(kind, measure, drawn, rows)
        except MeasureError as refusal:
            yield from (Audited(one, REFUSED, why=reason(refusal)) for one in drawn)
            return
        for one in drawn:
            again = found[one.key[1:]]
            if isinstance(again, MeasureError):
                yield Audited(one, REFUSED, why=reason(again))
            else:
                why = _difference(one, again, measure.noise)
                yield Audited(one, DIFFERS if why else EQUAL, again.value, why)

    def _compared(
        self, kind: str, measure: Measure, drawn: Iterable[Drawn], rows: dict[str, ArtifactRow]
    ) -> dict[tuple[str, ...], Score | MeasureError]:
        from layeratlas.measures.engine import CPU, How, compare_pairs, source_of

        source = source_of(kind)
        used = list(dict.fromkeys(artifact for one in drawn for artifact in one.key[1:]))
        place = {artifact: index for index, artifact in enumerate(used)}
        ends = {tuple(sorted((place[a], place[b]))) for a, b in (one.key[1:] for one in drawn)}
        layers = source.from_artifacts(self.store, [rows[artifact] for artifact in used])
        device = self.device if self.device.type in source.DEVICES else CPU
        how = How(device=device, memory=self.memory)
        return {
            (used[a], used[b]): score
            for outcomes in compare_pairs(kind, layers, sorted((a, b) for a, b in ends), [measure], how)
            for one in outcomes for (a, b), score in one.single()
        }  # fmt: skip


def _drawn(row: Sequence[Any]) -> Drawn:
    said = dict(zip(Drawn.__dataclass_fields__, row, strict=True))
    return Drawn(**{**said, "key": tuple(said["key"])})


def _of_what(row: ArtifactRow) -> tuple[str, str, str]:
    """What two artifacts must share to be compared."""
    return row.kind, row.corpus, row.words_from_tokens


_NOT_COMPARED = (REFUSED, None, "such layers are never compared by this measure")


def _measure_of(drawn: Drawn) -> Measure | str:
    """Return the measure that a configuration says it is, or why there is none here that would give its numbers."""
    if drawn.measure not in MEASURES:
        return f"there is no measure {drawn.measure} here"
    try:
        measure = configure(drawn.measure, parameters=dict(json.loads(drawn.parameters)))
    except (LayeratlasError, ValueError, TypeError, RecursionError) as error:  # it may come from anybody
        return f"its parameters cannot be read: {error}"
    if measure.version != drawn.version:
        return f"it is of version {drawn.version} of {drawn.measure}, here is {measure.version}"
    return measure


def _difference(drawn: Drawn, again: Score, noise: float) -> str:
    """Say how a score differs by more than noise from the same, measured again; nothing where it does not."""
    if not abs(again.value - drawn.value) <= noise * max(1.0, abs(again.value)):
        return f"the artifacts give {again.value:.6g}"
    if drawn.units is None or again.units is None:
        return ""
    stored, fresh = np.asarray(drawn.units, np.float64), np.asarray(again.units, np.float64)
    if len(stored) == len(fresh) and np.allclose(stored, fresh, rtol=0, atol=noise * _UNITS, equal_nan=True):
        return ""
    return "its value is right, the scores of its single neurons or heads are not"


#: Scores of what is named, by number alone; $1: artifacts whose files are here.
_NAMED = """
WITH here AS MATERIALIZED (
    SELECT id FROM base.artifacts WHERE list_contains($1, artifact)),
named AS MATERIALIZED (
    SELECT a.id, m.source <> 'own' AS imported FROM base.artifacts a JOIN base.models m USING (weights)),
meant AS MATERIALIZED (
    SELECT a.id FROM base.artifacts a JOIN base.models m USING (weights)
    WHERE len($3) = 0 OR list_contains($3, m.name)),
scores AS (
    SELECT s.*, k.configuration AS known_as, k.measure, n.imported,
           s.artifact_a IN (FROM here) AND s.artifact_b IN (FROM here) AS is_here
    FROM base.scores s JOIN base.configurations k ON k.id = s.configuration JOIN named n ON n.id = s.artifact_a
    WHERE s.value IS NOT NULL AND (len($2) = 0 OR list_contains($2, k.measure))
      AND (s.artifact_a IN (FROM meant) OR s.artifact_b IN (FROM meant))
      AND (len($4) = 0 OR list_contains($4, coalesce(s.origin, 0))))
"""

_COUNTED = f"""{_NAMED}
SELECT count(*) FILTER (is_here), count(*) FILTER (imported), count(*) FILTER (NOT is_here AND NOT imported) FROM scores
"""

_DRAWN = f"""{_NAMED},
drawn AS (
    SELECT s.*, a.artifact AS one, b.artifact AS other,
           md5(concat_ws('|', $5, s.known_as, a.artifact, b.artifact)) AS number
    FROM scores s JOIN base.artifacts a ON a.id = s.artifact_a JOIN base.artifacts b ON b.id = s.artifact_b
    WHERE is_here),
chosen AS (
    SELECT *, row_number() OVER (PARTITION BY measure ORDER BY number) AS place
    FROM drawn ORDER BY place, number LIMIT $6)
SELECT k.measure, k.label, ma.name, a.layer, mb.name, b.layer, c.name, a.words_from_tokens, s.value,
       coalesce(o.origin, 'this store'), s.run, k.version, k.parameters, [s.known_as, s.one, s.other], d.units
FROM chosen s JOIN base.configurations k ON k.id = s.configuration
JOIN base.artifacts a ON a.id = s.artifact_a JOIN base.artifacts b ON b.id = s.artifact_b
JOIN base.models ma ON ma.weights = a.weights JOIN base.models mb ON mb.weights = b.weights
JOIN base.corpora c ON c.corpus = a.corpus
LEFT JOIN base.origins o ON o.id = s.origin
LEFT JOIN base.details d ON d.configuration = s.configuration AND d.artifact_a = s.artifact_a
    AND d.artifact_b = s.artifact_b
ORDER BY k.measure, s.number
"""
