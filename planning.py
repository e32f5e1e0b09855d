"""What a study would take, before anything is run: what is missing, reads, products, memory, disk, and time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product

from layeratlas.extract import corpora
from layeratlas.extract import runner as extraction
from layeratlas.extract.forecast import Expected, expected, operations_a_second
from layeratlas.measures import plan as measuring
from layeratlas.measures.declaration import Measure
from layeratlas.measures.figure import chosen_figures
from layeratlas.measures.forecast import Rates, Work, calibrate
from layeratlas.measures.tiles import Pair
from layeratlas.running import needless_artifacts
from layeratlas.store.errors import BadRequest
from layeratlas.store.files import readable_size
from layeratlas.store.progress import Progress
from layeratlas.store.store import ArtifactRow, Store
from layeratlas.store.study import CorpusSpec, Study, with_controls
from layeratlas.store.uncertainty import NOTHING, Uncertainty

_SCORE_BYTES = 40  # of a score in the log, its neurons not counted
_UNIT_BYTES = 7  # of a neuron or head in a score's details


def within(study: Study, *, words: int | None = None, layers: int | None = None) -> Study:
    """Return a study that keeps a budget: of each corpus the first sentences that hold so many words; so many layers.

    What is left out is part of the identity: a corpus of fewer sentences is another corpus, under a name that says so.
    """
    if layers is not None:
        study = replace(study, representative=layers)
    if words is not None:
        study = replace(study, corpora=tuple(_shortened(spec, words) for spec in study.corpora))
    return study


def _shortened(spec: CorpusSpec, words: int) -> CorpusSpec:
    """Return the corpus of the first sentences that together hold so many words at most; itself if it has fewer."""
    so_far = 0
    for count, sentence in enumerate(corpora.read(spec)):
        so_far += len(sentence)
        if so_far > words:
            if not count:
                raise BadRequest(f"{spec.name}: its first sentence alone has more than {words:,} words")
            return replace(spec, limit=count, name=f"{spec.name}-{words}-words", named=True)
    return spec


@dataclass(frozen=True)
class _Layer:
    """A layer that is there, or will be."""

    name: str
    units: int
    words: int


@dataclass(frozen=True)
class _Missing:
    """Pairs that lack the same configurations, of layers of one corpus."""

    layers: Sequence[_Layer]
    pairs: Sequence[Pair]
    configurations: int


def forecast(
    store: Store, study: Study, *, memory: int, workers: Sequence[int], device: str, progress: Progress,
    sure: Uncertainty = NOTHING,
) -> list[str]:  # fmt: skip
    """Say what `run` would do, and how long it would take here and on as many machines like this one."""
    from layeratlas.devices import device_named
    from layeratlas.measures.engine import How

    store.merge()
    sure = sure.over(study.sure)
    study = with_controls(study, sure.untrained)
    tasks, present = extraction.plan(store, study), extraction.present(store, study)
    asked, figures = measuring.chosen_measures(study.measures, study.kinds), chosen_figures(study.figures)
    needless = needless_artifacts(store, tasks, present, measures=asked, figures=figures, sure=sure)
    tasks = extraction.without(tasks, needless)
    measures = [one for one in asked if one.kind == "activations"]
    found = [(task, expected(task)) for task in tasks]
    known = [one for _, one in found if one]
    missing = [*_of_store(store, present, measures, sure), *_to_come(present, known, len(measures))]
    lines = [*_extraction_lines(found), *_measuring_lines(missing, measures, memory, sure)]
    if not (tasks or missing):
        return [f"nothing to do: {len(present)} layers are extracted and every pair is measured"]
    rates = calibrate(measures, How(device=device_named(device), memory=memory), progress)
    extracting = sum(one.operations for one in known) / operations_a_second() if known else 0.0
    for count in sorted({1, *workers}):
        where = "here" if count == 1 else f"on {count} machines like this one"
        seconds = extracting / min(count, max(1, len(known))) + _seconds(missing, measures, memory, rates, count)
        lines.append(f"time {where}: about {_duration(seconds)}, of these {_duration(extracting / count)} extraction")
    uncounted = [*(["attention"] if "attention" in study.kinds else []), *(one.table for one in sure.asked)]
    if uncounted:
        lines.append(f"time for {' and '.join(uncounted)} is not counted; it may be several times as much")
    return lines


def _of_store(
    store: Store, present: Sequence[ArtifactRow], measures: Sequence[Measure], sure: Uncertainty
) -> list[_Missing]:
    rows = {row.artifact: row for row in present}
    return [
        _Missing(
            [_Layer(rows[one].title, rows[one].units, rows[one].words) for one in tile.artifacts], tile.pairs,
            len(tile.configurations),
        )
        for tile in measuring.plan(store, present, measures, sure=sure)
    ]  # fmt: skip


def _to_come(present: Sequence[ArtifactRow], known: Sequence[Expected], configurations: int) -> list[_Missing]:
    """Return the pairs of layers that are yet to be extracted, with each other and with those that are there."""
    missing = []
    for corpus in dict.fromkeys(one.task.content.corpus for one in known):
        there = [_Layer(row.title, row.units, row.words) for row in present
                 if row.corpus == corpus and row.kind == "activations"]  # fmt: skip
        new = [
            _Layer(f"{one.task.model.name} layer {layer}", one.neurons, one.words)
            for one in known if one.task.content.corpus == corpus for layer in one.layers
        ]  # fmt: skip
        count = len(new) + len(there)
        pairs = [*combinations(range(len(new)), 2), *product(range(len(new)), range(len(new), count))]
        missing.append(_Missing([*new, *there], pairs, configurations))
    return [one for one in missing if one.pairs]


def _extraction_lines(found: Sequence[tuple[extraction.Task, Expected | None]]) -> list[str]:
    known = [one for _, one in found if one]
    if not found:
        return ["to extract: nothing"]
    layers, size = sum(len(one.layers) for one in known), sum(one.bytes for one in known)
    lines = [f"to extract: {len(found):,} model × corpus, {layers:,} layers, {readable_size(size)} on disk"]
    unknown = ", ".join(task.title for task, one in found if one is None)
    return [*lines, *([f"not counted, since only loading tells how large they are: {unknown}"] if unknown else [])]


def _measuring_lines(
    missing: Sequence[_Missing], measures: Sequence[Measure], memory: int, sure: Uncertainty
) -> list[str]:
    from layeratlas.measures.engine import memory_of

    pairs, scores = sum(len(one.pairs) for one in missing), 0
    size = reads = passes = largest = 0
    products = 0.0
    for one in missing:
        scores += 2 * len(one.pairs) * one.configurations
        units = sum(one.layers[end].units for pair in one.pairs for end in pair)
        size += 2 * len(one.pairs) * one.configurations * _SCORE_BYTES + _details(measures) * units * _UNIT_BYTES
        for tile in _tiles(one, measures, memory, 1, sure):
            used = [one.layers[index] for index in sorted({end for pair in tile for end in pair})]
            passes += 1
            reads += sum(4 * layer.units * layer.words for layer in used)
            products += 2.0 * used[0].words * sum(one.layers[a].units * one.layers[b].units for a, b in tile)
            largest = max(largest, memory_of("activations", one.layers, tile, measures, sure))
    return [
        f"to measure: {pairs:,} pairs, {scores:,} scores, about {readable_size(size)} in the log",
        f"reads: {readable_size(reads)} in {passes:,} passes · products: {products / 1e12:.2f} teraflop · memory of "
        f"sums: {readable_size(largest)} of {readable_size(memory)}",
    ]


def _details(measures: Sequence[Measure]) -> int:
    return sum(one.level in ("neuron", "mixed") for one in measures)


def _tiles(
    one: _Missing, measures: Sequence[Measure], memory: int, groups: int, sure: Uncertainty = NOTHING
) -> list[list[Pair]]:
    from layeratlas.measures.engine import tiles_of

    return tiles_of("activations", one.layers, one.pairs, measures, memory, groups=groups, sure=sure)


def _seconds(
    missing: Sequence[_Missing], measures: Sequence[Measure], memory: int, rates: Rates, workers: int
) -> float:
    """Return how long measuring takes: an equal share for each worker, but never less than the longest tile."""
    seconds = [rates.of(_work(one, tile)) for one in missing for tile in _tiles(one, measures, memory, workers)]
    return max([sum(seconds) / workers, *seconds], default=0.0)


def _work(one: _Missing, tile: Sequence[Pair]) -> Work:
    used = sorted({end for pair in tile for end in pair})
    place = {index: at for at, index in enumerate(used)}
    pairs = [(place[a], place[b]) for a, b in tile]
    return Work([one.layers[index].units for index in used], pairs, one.layers[used[0]].words)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.1f} days"
