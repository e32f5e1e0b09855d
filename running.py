"""What a study asks for, from end to end: import, extract, measure. The command line and the Python API both call this.

Each function plans first, without torch: what is known already is not computed again, and then nothing is loaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from layeratlas.executors.base import Executor, InProcess, Opening
from layeratlas.executors.processes import Processes
from layeratlas.extract import runner as extraction
from layeratlas.measures import plan as measuring
from layeratlas.measures import untrained
from layeratlas.measures.declaration import Measure
from layeratlas.measures.figure import Figure, chosen_figures
from layeratlas.measures.registry import SYMMETRIC, VERSIONS, asked, configuration
from layeratlas.measures.tiles import Tile
from layeratlas.store.discard import Discarded, discard, require_here
from layeratlas.store.errors import BadRequest, NothingYet
from layeratlas.store.progress import Progress, Silent
from layeratlas.store.results import ensure_results
from layeratlas.store.store import ArtifactRow, Store, default_root, store_at
from layeratlas.store.study import CorpusSpec, MeasureSpec, ResultsSpec, Study, corpus_spec, load_study, with_controls
from layeratlas.store.uncertainty import NOTHING, Uncertainty

if TYPE_CHECKING:
    import torch

    from layeratlas.extract.importers.base import Source
    from layeratlas.extract.importers.importing import Corpus
    from layeratlas.measures.audit import Audit
    from layeratlas.measures.runner import Filler
    from layeratlas.measures.runner import Summary as Measured

MEMORY = 2 * 2**30  # bytes for the sums of one pass over the words
_BESIDE = 2**30  # bytes that a worker needs beside these


class Summary(Protocol):
    """What one part of a run did."""

    @property
    def exit_code(self) -> int:
        """0 when all went well."""

    def lines(self) -> list[str]:
        """What to tell the user."""


@dataclass(frozen=True, repr=False)
class Outcome:
    """What a run did, part by part; `said` are lines of what needed no work. waiting: files of the log not merged."""

    said: tuple[str, ...] = ()
    parts: tuple[Summary, ...] = ()
    waiting: int = 0

    @property
    def exit_code(self) -> int:
        """The worst of its parts."""
        return max((part.exit_code for part in self.parts), default=0)

    def lines(self) -> list[str]:
        """What to tell the user."""
        waiting = (
            [f"{self.waiting} files of the log wait for the next run: the catalog is in use"] if self.waiting else []
        )
        return [*self.said, *(line for part in self.parts for line in part.lines()), *waiting]

    def __repr__(self) -> str:
        return "\n".join(self.lines())


@dataclass(frozen=True)
class Means:
    """With what means to work: the device by name (`auto`, `cpu`, `cuda:1` …), memory, and who watches."""

    device: str = "auto"
    memory: int = MEMORY
    refresh: bool = False  # measure again what is known
    sure: Uncertainty = NOTHING  # what is asked beside scores
    progress: Progress = field(default_factory=Silent)
    executor: Executor = field(default_factory=InProcess)
    discard_activations: bool = False  # once all is measured


def open_store(root: str | Path | Store | None = None) -> Store:
    """Return a store by its folder or address; none named is $LAYERATLAS_STORE, or ./layeratlas-data."""
    if isinstance(root, Store):
        return root
    return store_at(root if root is not None else default_root(), VERSIONS)


def run(
    study: Study | str | Path, *, store: Store | str | Path | None = None, device: str = "auto", memory: int = MEMORY,
    refresh: bool = False, progress: Progress | None = None, sure: Uncertainty = NOTHING, executor: Executor | int = 1,
    discard_activations: bool = False,
) -> Outcome:  # fmt: skip
    """Import, extract and measure whatever a study names and the store lacks; interrupted, it can be called again.

    study: a Study, a TOML file, or the name of a study that ships with layeratlas. store: its folder.
    device: `auto`, `cpu`, `cuda` …; attention is compared on the CPU. memory: bytes for the sums of one pass, of each
    worker. sure: what to find out beside scores, in place of what the study says of it.
    executor: how many processes of this machine do it, or `OnRay(...)`; 1 is this process.
    discard_activations: once all is measured, remove their files; what is in the catalog stays.
    Raises LayeratlasError; a model that fails does not stop the others, and is among the outcome's parts.
    """
    chosen = study if isinstance(study, Study) else load_study(Path(study))
    means = Means(
        device, memory, refresh, sure.over(chosen.sure), progress or Silent(),
        executor_of(executor) if isinstance(executor, int) else executor, discard_activations,
    )  # fmt: skip
    opened = open_store(store)
    if discard_activations:
        require_here(opened)
    return _run(opened, with_controls(chosen, means.sure.untrained), means)


def executor_of(workers: int | None = None, ray: str | None = None, memory: int = 0) -> Executor:
    """Return what works with so many processes (one is this one), or on Ray with as many as it has room for.

    memory: bytes for the sums of one worker's pass; it needs some more for what it reads.
    """
    if ray is None:
        return InProcess() if workers in (None, 1) else Processes(workers or 1)
    from layeratlas.executors.on_ray import OnRay

    return OnRay(ray, memory=memory + _BESIDE if memory else 0, most=workers)


def _run(store: Store, study: Study, means: Means) -> Outcome:
    said = tuple(import_results(store, spec) for spec in study.results)
    if not study.models:
        return Outcome(said)
    store.merge()
    measures = measuring.chosen_measures(study.measures, study.kinds)
    tasks, known = extraction.plan(store, study), extraction.present(store, study)
    said, figures = (*said, *extraction.restate(store, study)), chosen_figures(study.figures)
    needless = set[str]()
    if tasks and not means.refresh:
        needless = needless_artifacts(store, tasks, known, measures=measures, figures=figures, sure=means.sure)
        tasks = extraction.without(tasks, needless)
    lacking = measuring.missing_figures(store, known, figures)
    missing = measuring.plan(store, known, measures, sure=means.sure)
    if not (means.refresh or tasks or lacking or missing or _unset(store, known, measures, means)):
        apart = f" ({len(needless):,} without their activations, which nothing lacks)" if needless else ""
        layers = f"{len(known) + len(needless)} layers{apart}"
        outcome = Outcome((*said, f"nothing to do: {layers} are extracted and every pair is measured"))
        return _discarded(store, study, outcome) if means.discard_activations else outcome
    with _working(store, means) as work:
        extracted, measured = work.study(study, tasks, measures, figures)
        if measured.damaged:
            means.progress.note(f"rebuilding {len(measured.damaged)} damaged artifacts")
            again = extraction.without(extraction.plan(store, study), needless)
            extracted, measured = work.study(study, again, measures, figures)
    outcome = Outcome(said, (extracted, measured), store.waiting())
    return _discarded(store, study, outcome) if means.discard_activations else outcome


def needless_artifacts(
    store: Store, tasks: Sequence[extraction.Task], present: Sequence[ArtifactRow], *, measures: Sequence[Measure],
    figures: Sequence[Figure], sure: Uncertainty,
) -> set[str]:  # fmt: skip
    """Return the artifacts (fingerprints) without files of which all that is asked is known: discarded, or others'."""
    named = {
        task.identity(place).artifact: (task.content.corpus, place[0])
        for task in tasks if task.located for place in task.missing or ()
    }  # fmt: skip
    absent = [replace(row, damaged=None) for row in store.without_files(named)]
    if not absent:
        return set()
    known = {row.artifact for row in absent}
    new = {where for artifact, where in named.items() if artifact not in known}  # to be compared with all that there is
    new |= {(task.content.corpus, kind) for task in tasks if task.missing is None for kind in task.study.kinds}
    rows = [*present, *absent]
    lacking = {one for tile in measuring.plan(store, rows, measures, sure=sure) for one in tile.artifacts}
    lacking |= {artifact for artifact, _ in measuring.missing_figures(store, rows, figures)}
    return {row.artifact for row in absent if row.artifact not in lacking and (row.corpus, row.kind) not in new}


def _discarded(store: Store, study: Study, outcome: Outcome) -> Outcome:
    """Discard the activations of a study that went well."""
    if outcome.exit_code or outcome.waiting:
        gone = Discarded(kept="not all went well")
    else:
        gone = discard(store, extraction.present(store, study))
    return replace(outcome, parts=(*outcome.parts, gone))


def extract(store: Store, study: Study, means: Means) -> Outcome:
    """Extract what a study names and the store lacks."""
    store.merge()
    tasks, said = extraction.plan(store, study), tuple(extraction.restate(store, study))
    if not tasks:
        return Outcome((*said, "nothing to do: every layer is extracted"))
    with _working(store, means) as work:
        extracted = work.extract(study, tasks)
    return Outcome(said, parts=(extracted,), waiting=store.waiting())


def measure(
    store: Store, means: Means, *, names: Sequence[str] = (), groups: Sequence[str] = (), preset: str = "default",
    models: Sequence[str] = (), figures: Sequence[str] = (),
) -> Outcome:  # fmt: skip
    """Measure all pairs of extracted layers that have no score yet, under these measures or the usual ones.

    names: as `ckasim`, `gulp:lambda=0.01`, or `all`. groups: of measures, as `resi`. figures: of each layer alone, by
    name, `usual` (where none is named), `all` or `none`.
    Raises NothingYet when nothing is extracted, BadRequest for an unknown name.
    """
    store.merge()
    artifacts = store.artifacts(models)
    if not artifacts:
        raise NothingYet("nothing is extracted yet: run `layeratlas extract MODEL --corpus FILE`")
    specs = [MeasureSpec(name, preset, given) for name, given in map(asked, names)]
    specs += [MeasureSpec("", preset, group=group) for group in groups]
    measures = measuring.chosen_measures(specs, {row.kind for row in artifacts}, preset=preset)
    missing = measuring.plan(store, artifacts, measures, refresh=means.refresh, sure=means.sure)
    chosen = chosen_figures(figures)
    lacking = measuring.missing_figures(store, artifacts, chosen, refresh=means.refresh)
    if not (_unset(store, artifacts, measures, means) or missing or lacking):
        return Outcome((f"nothing to do: every pair of {len(artifacts)} layers is measured",))
    _require_devices({one.kind for one in measures}, means.device)
    with _working(store, means) as work:
        measured = work.measure(artifacts, measures, missing, chosen, lacking)
    return Outcome(parts=(measured,), waiting=store.waiting())


def _unset(store: Store, artifacts: Sequence[ArtifactRow], measures: Sequence[Measure], means: Means) -> bool:
    """Tell whether scores lack those of untrained copies beside them, where that is asked; note models without any."""
    if means.sure.untrained is None:
        return False
    if names := untrained.without_copies(store, artifacts):
        means.progress.note(
            f"{', '.join(names)}: no untrained copy here, so that scores stand against none: extract one with "
            "`layeratlas extract MODEL --untrained --seed 1`, or `run` a study with `--null untrained`"
        )
    known = {configuration(measure).configuration: measure for measure in measures}
    return bool(untrained.missing(store, artifacts, known))


def audit(
    store: Store, means: Means, *, sample: int, seed: int = 0, measures: Sequence[str] = (), models: Sequence[str] = (),
    origins: Sequence[int] = (),
) -> Audit:  # fmt: skip
    """Measure a random sample of scores again from the artifacts, and say which differ; nothing is written.

    origins: of which stores, as base.origins numbers them, 0 for this one. Raises NothingYet without scores to audit,
    BadRequest for an unknown name.
    """
    from layeratlas.devices import device_named
    from layeratlas.measures.audit import Auditor

    auditor = Auditor(store, device_named(means.device), means.memory, means.progress)
    found = auditor.audit(sample=sample, seed=seed, measures=measures, models=models, origins=origins)
    if not found.scores:
        raise NothingYet("; ".join(["there is nothing to audit", *found.lines()[1:]]))
    return found


def import_results(store: Store, spec: ResultsSpec, *, replace: bool = False) -> str:
    """Import results from elsewhere where the store lacks them; return what was done as a line."""
    return ensure_results(store, spec, symmetric=SYMMETRIC, replace=replace)


def import_activations(
    store: Store, files: Sequence[Path], model: str, *, layer: int | None = None, corpus: CorpusSpec,
    progress: Progress | None = None, **about: Any,
) -> Outcome:  # fmt: skip
    """Take activations that were computed elsewhere into the store; interrupted, it can be called again.

    layer: which one a single layer is, or the one to take; else the files say. about: family, finetuned_from,
    objective, pooling, storage. Raises LayeratlasError, naming the row that is not the corpus's or no number.
    """
    from layeratlas.extract.importers import open_file

    sources = [open_file(file) for file in files]
    origin = ", ".join(file.name for file in files)
    return _import(store, sources, layer, _corpus_of(store, corpus), progress, name=model, origin=origin, **about)


def add_activations(
    store: Store | str | Path, model: str, layer: int | None, array: Any, *, corpus: str | Path | Sequence[str],
    corpus_name: str | None = None, ids: bool = False, progress: Progress | None = None, **about: Any,
) -> Outcome:  # fmt: skip
    """Take activations from memory into a store: what `layeratlas import-activations` does with files.

    array: [rows, neurons], or an iterator of such blocks, of one layer; [layers, rows, neurons] where layer is None.
    Rows are in the order of the corpus's words. An iterator is kept in the store's folder until it has ended.
    corpus: a file, or a list of ids, with a corpus_name; ids: the file is a list of ids. about: family, finetuned_from,
    objective, pooling, storage.
    Raises BadRequest for a name that is taken, LayeratlasError, naming the row that is not the corpus's or no number.
    """
    from layeratlas.extract.importers.arrays import source_of

    store = open_store(store)
    if isinstance(corpus, str | Path):
        rows = _corpus_of(store, corpus_spec(Path(corpus), corpus_name, ids=ids))
    else:
        rows = _listed(store, list(corpus), corpus_name)
    with source_of(array, layer, store.root) as source:
        return _import(store, [source], layer, rows, progress, name=model, origin="Python", **about)


def _import(
    store: Store, sources: Sequence[Source], layer: int | None, corpus: Corpus, progress: Progress | None, **about: Any
) -> Outcome:
    from layeratlas.extract.importers.importing import Imported, chosen, import_layers

    store.clean()
    with store.claims.at_work(), store.run(device="none", threads=1) as run:
        done = import_layers(
            store, chosen(sources, layer), corpus, Imported(**about), run=run, progress=progress or Silent()
        )
    return Outcome(parts=(done,), waiting=store.waiting())


def _corpus_of(store: Store, spec: CorpusSpec) -> Corpus:
    from layeratlas.extract import corpora
    from layeratlas.extract.importers.importing import Corpus
    from layeratlas.extract.plan import find_corpora
    from layeratlas.store.places import shown_path

    store.merge()
    [(named, content)] = find_corpora([spec], store)
    return Corpus(named.name, content, lambda: corpora.read(spec), shown_path(spec.path))


def _listed(store: Store, ids: list[str], name: str | None) -> Corpus:
    from layeratlas.extract.corpora import facts_of, listed
    from layeratlas.extract.importers.importing import Corpus
    from layeratlas.extract.plan import settle_names

    if not name:
        raise BadRequest("a list of ids needs a corpus_name")
    store.merge()
    spec = CorpusSpec(Path("the list of ids"), name, named=True)
    [(named, content)] = settle_names([(spec, facts_of(listed(ids), "the list of ids"))], store)
    return Corpus(named.name, content, lambda: listed(ids))


def _require_devices(kinds: set[str], device: str) -> None:
    """Refuse a device that was named and that none of these kinds can be compared on. Raises BadRequest."""
    from layeratlas.devices import device_named
    from layeratlas.measures.engine import source_of

    possible = {name for kind in kinds for name in source_of(kind).DEVICES}
    if device != "auto" and device_named(device).type not in possible:
        raise BadRequest(
            f"{' and '.join(sorted(kinds))} can be compared on {', '.join(sorted(possible))} only, not on '{device}': "
            "leave --device out"
        )


@dataclass(frozen=True)
class _Work:
    """One recorded run that is under way."""

    store: Store
    run: str
    means: Means
    device: torch.device

    def cores(self) -> AbstractContextManager[None]:
        """Hold this process to its share of the cores, for the length of a block."""
        from layeratlas.devices import share_of_cores

        return share_of_cores(self.store)

    def study(
        self, study: Study, tasks: Sequence[extraction.Task], measures: Sequence[Measure], figures: Sequence[Figure]
    ) -> tuple[extraction.Summary, Measured]:
        """Extract what these tasks are for, then measure what is there."""
        extracted = self.extract(study, tasks)
        present = extraction.present(self.store, study)
        missing = measuring.plan(self.store, present, measures, refresh=self.means.refresh, sure=self.means.sure)
        lacking = measuring.missing_figures(self.store, present, figures, refresh=self.means.refresh)
        return extracted, self.measure(present, measures, missing, figures, lacking)

    def extract(self, study: Study, tasks: Sequence[extraction.Task]) -> extraction.Summary:
        """Work through the tasks of a study."""
        names = {task.located.weights: task.model.name for task in tasks if task.located}
        jobs = extraction.Extracting(self.store, tasks, self.run)
        opening: Opening
        if self.means.executor.is_here:
            extractor = extraction.Extractor(
                self.store, study, device=str(self.device), run=self.run, names=names, cores=self.cores
            )
            opening = lambda place: extractor  # noqa: E731
        else:
            opening = partial(
                open_extractor, self.store.address, study, device=self.means.device, run=self.run, names=names
            )
        self.means.executor.run(opening, jobs, self.means.progress)
        return jobs.summary

    def measure(
        self, artifacts: Sequence[ArtifactRow], measures: Sequence[Measure], missing: Sequence[Tile],
        figures: Sequence[Figure], lacking: Sequence[measuring.FigureKey],
    ) -> Measured:  # fmt: skip
        """Score what is missing of these artifacts, and state the figures that layers lack."""
        from layeratlas.measures.runner import Filler, Session

        means = self.means
        opening: Opening
        if means.executor.is_here:
            filler = Filler(self.store, self.run, self.device, means.memory, cores=self.cores, sure=means.sure)
            opening = lambda place: filler  # noqa: E731
        else:
            opening = partial(
                open_filler, self.store.address, device=means.device, run=self.run, memory=means.memory, sure=means.sure
            )
        session = Session(
            self.store, self.run, means.progress, opening, means.executor, means.memory, means.refresh, means.sure
        )
        return session.measure(artifacts, measures, missing, figures, lacking)


def open_extractor(
    address: str, study: Study, place: int, *, device: str, run: str, names: Mapping[str, str]
) -> extraction.Extractor:
    """Return what extracts in a worker, whatever process it is."""
    from layeratlas.devices import device_of_place

    return extraction.Extractor(
        open_store(address), study, device=str(device_of_place(device, place)), run=run, names=names
    )


def open_filler(address: str, place: int, *, device: str, run: str, memory: int, sure: Uncertainty = NOTHING) -> Filler:
    """Return what measures in a worker, whatever process it is."""
    from layeratlas.allocator import give_large_blocks_back
    from layeratlas.devices import device_of_place
    from layeratlas.measures.runner import Filler

    give_large_blocks_back()
    return Filler(open_store(address), run, device_of_place(device, place), memory, sure=sure)


@contextmanager
def _working(store: Store, means: Means) -> Iterator[_Work]:
    """Record a run, on the device that was asked for."""
    import torch

    from layeratlas.allocator import give_large_blocks_back
    from layeratlas.devices import device_named

    device = device_named(means.device)
    give_large_blocks_back()
    store.clean()
    with store.claims.at_work(), store.run(device=str(device), threads=torch.get_num_threads()) as run:
        yield _Work(store, run, means, device)
