"""What a study asks for, from end to end: import, extract, measure. The command line and the Python API both call this.

Each function plans first, without torch: what is known already is not computed again, and then nothing is loaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from layeratlas.extract import runner as extraction
from layeratlas.measures import plan as measuring
from layeratlas.measures.declaration import Measure
from layeratlas.measures.figure import Figure, chosen_figures
from layeratlas.measures.registry import SYMMETRIC, VERSIONS, asked
from layeratlas.measures.tiles import Tile
from layeratlas.store.errors import BadRequest, NothingYet
from layeratlas.store.progress import Progress, Silent
from layeratlas.store.results import ensure_results
from layeratlas.store.store import ArtifactRow, Store, default_root, store_at
from layeratlas.store.study import MeasureSpec, ResultsSpec, Study, load_study

if TYPE_CHECKING:
    import torch

    from layeratlas.measures.audit import Audit
    from layeratlas.measures.runner import Summary as Measured

MEMORY = 2 * 2**30  # bytes for the sums of one pass over the words


class Summary(Protocol):
    """What one part of a run did."""

    @property
    def exit_code(self) -> int:
        """0 when all went well."""

    def lines(self) -> list[str]:
        """What to tell the user."""


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class Means:
    """With what means to work: the device by name (`auto`, `cpu`, `cuda:1` …), memory, and who watches."""

    device: str = "auto"
    memory: int = MEMORY
    refresh: bool = False  # measure again what is known
    progress: Progress = field(default_factory=Silent)


def open_store(root: str | Path | Store | None = None) -> Store:
    """Return a store by its folder or address; none named is $LAYERATLAS_STORE, or ./layeratlas-data."""
    if isinstance(root, Store):
        return root
    return store_at(root if root is not None else default_root(), VERSIONS)


def run(
    study: Study | str | Path, *, store: Store | str | Path | None = None, device: str = "auto", memory: int = MEMORY,
    refresh: bool = False, progress: Progress | None = None,
) -> Outcome:  # fmt: skip
    """Import, extract and measure whatever a study names and the store lacks; interrupted, it can be called again.

    study: a Study, a TOML file, or the name of a study that ships with layeratlas. store: its folder.
    device: `auto`, `cpu`, `cuda` …; attention is compared on the CPU. memory: bytes for the sums of one pass.
    Raises LayeratlasError; a model that fails does not stop the others, and is among the outcome's parts.
    """
    means = Means(device, memory, refresh, progress or Silent())
    return _run(open_store(store), study if isinstance(study, Study) else load_study(Path(study)), means)


def _run(store: Store, study: Study, means: Means) -> Outcome:
    said = tuple(import_results(store, spec) for spec in study.results)
    if not study.models:
        return Outcome(said)
    store.merge()
    measures = measuring.chosen_measures(study.measures, study.kinds)
    tasks, known = extraction.plan(store, study), extraction.present(store, study)
    said = (*said, *extraction.restate(store, study))
    figures = chosen_figures(study.figures)
    lacking = measuring.missing_figures(store, known, figures)
    if not (means.refresh or tasks or lacking or measuring.plan(store, known, measures)):
        return Outcome((*said, f"nothing to do: {len(known)} layers are extracted and every pair is measured"))
    with _working(store, means) as work:
        extracted, measured = work.study(study, tasks, measures, figures)
        if measured.damaged:
            means.progress.note(f"rebuilding {len(measured.damaged)} damaged artifacts")
            extracted, measured = work.study(study, extraction.plan(store, study), measures, figures)
    return Outcome(said, (extracted, measured), store.waiting())


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
    missing = measuring.plan(store, artifacts, measures, refresh=means.refresh)
    chosen = chosen_figures(figures)
    lacking = measuring.missing_figures(store, artifacts, chosen, refresh=means.refresh)
    if not (missing or lacking):
        return Outcome((f"nothing to do: every pair of {len(artifacts)} layers is measured",))
    _require_devices({one.kind for one in measures}, means.device)
    with _working(store, means) as work:
        measured = work.measure(artifacts, measures, missing, chosen, lacking)
    return Outcome(parts=(measured,), waiting=store.waiting())


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
        missing = measuring.plan(self.store, present, measures, refresh=self.means.refresh)
        lacking = measuring.missing_figures(self.store, present, figures, refresh=self.means.refresh)
        return extracted, self.measure(present, measures, missing, figures, lacking)

    def extract(self, study: Study, tasks: Sequence[extraction.Task]) -> extraction.Summary:
        """Work through the tasks of a study."""
        return extraction.extract(
            self.store, study, tasks, device=str(self.device), progress=self.means.progress, run=self.run,
            cores=self.cores,
        )  # fmt: skip

    def measure(
        self, artifacts: Sequence[ArtifactRow], measures: Sequence[Measure], missing: Sequence[Tile],
        figures: Sequence[Figure], lacking: Sequence[measuring.FigureKey],
    ) -> Measured:  # fmt: skip
        """Score what is missing of these artifacts, and state the figures that layers lack."""
        from layeratlas.measures.runner import Session

        means = self.means
        session = Session(self.store, self.run, means.progress, self.device, means.memory, means.refresh, self.cores)
        return session.measure(artifacts, measures, missing, figures, lacking)


@contextmanager
def _working(store: Store, means: Means) -> Iterator[_Work]:
    """Record a run, on the device that was asked for."""
    import torch

    from layeratlas.devices import device_named, give_large_blocks_back

    device = device_named(means.device)
    give_large_blocks_back()
    store.clean()
    with store.claims.at_work(), store.run(device=str(device), threads=torch.get_num_threads()) as run:
        yield _Work(store, run, means, device)
