"""Runs what a study lacks and puts it into the store: lock, adopt, compute, write, register, merge; task by task.

Importing this module imports no torch; only a model that runs does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from layeratlas.allocator import large_blocks_kept
from layeratlas.executors.base import InProcess
from layeratlas.extract import corpora, vocabulary
from layeratlas.extract.foreign import is_out_of_memory, reason_of
from layeratlas.extract.plan import Place, Task, by_kind, missing, places, plan, present, resting_place, sound, without
from layeratlas.extract.restate import restate
from layeratlas.extract.takes import take_of
from layeratlas.store.errors import ArtifactDamaged, BadRequest, LayeratlasError
from layeratlas.store.files import make_room
from layeratlas.store.kinds import KINDS, kind_of
from layeratlas.store.places import shown_path, without_places
from layeratlas.store.progress import Progress, Silent
from layeratlas.store.store import Store
from layeratlas.store.study import Study, model_name

if TYPE_CHECKING:
    from layeratlas.extract.encoders.base import Encoder, Shape
    from layeratlas.extract.locate import Located
    from layeratlas.extract.takes.base import Take
    from layeratlas.extract.windows import Windowing
    from layeratlas.store.artifacts.base import Artifact

_ATTEMPTS = 3  # at one task, by workers that end amid it


@dataclass(frozen=True)
class Failure:
    """A model that could not be extracted from a corpus, and why."""

    model: str
    corpus: str
    reason: str


@dataclass
class Summary:
    """What one extraction did. `adopted` counts files that an interrupted run had finished but not registered."""

    written: int = 0
    adopted: int = 0
    failures: list[Failure] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """1 when a model failed, else 0."""
        return 1 if self.failures else 0

    def lines(self) -> list[str]:
        """What to tell the user. Why a model failed was a note when it did, and is in `failures` and the catalog."""
        adopted = f", found {self.adopted:,} that an interrupted run had finished" if self.adopted else ""
        gone = ", ".join(f"{one.model} over {one.corpus}" for one in self.failures)
        return [f"extracted {self.written:,} layers{adopted}", *([f"not extracted: {gone}"] if gone else [])]

    def add(self, other: Summary) -> None:
        """Take in what another part of the extraction did."""
        self.written += other.written
        self.adopted += other.adopted
        self.failures += other.failures


@dataclass(frozen=True)
class Job:
    """One task for a worker. wait: for another process that is at it; else it is left to that one for now."""

    task: Task
    wait: bool = False

    @property
    def title(self) -> str:
        """How messages name it."""
        return f"the extraction of {self.task.title}"


class Extracting:
    """What `plan` says a study lacks, given out task by task; those that another process is busy with come last."""

    title = "extracting"

    def __init__(self, store: Store, tasks: Sequence[Task], run: str) -> None:
        self.summary = Summary()
        self._store, self._run, self._left, self._busy = store, run, list(tasks), list[Task]()
        self._at: Counter[str] = Counter()  # models that workers have in hand
        self._lost: Counter[str] = Counter()

    def take(self, last: Job | None) -> Job | None:
        """Give the next task: of the model that a worker has loaded, or else of one that no other has in hand."""
        if self._left:
            names = [task.model.name for task in self._left]
            loaded = last.task.model.name if last else None
            free = (place for place, name in enumerate(names) if not self._at[name])
            job = Job(self._left.pop(names.index(loaded) if loaded in names else next(free, 0)))
        elif self._busy:
            job = Job(self._busy.pop(0), wait=True)
        else:
            return None
        self._at[job.task.model.name] += 1
        return job

    def done(self, job: Job, result: Summary | None) -> None:
        """Take in what came of a task: nothing, where another process is at it."""
        self._at[job.task.model.name] -= 1
        if result is None:
            self._busy.append(job.task)
        else:
            self.summary.add(result)

    def lost(self, job: Job, why: str) -> None:
        """Give the task of a worker that has ended to another; a model that ends one after the other has failed."""
        self._at[job.task.model.name] -= 1
        self._lost[job.task.title] += 1
        if self._lost[job.task.title] < _ATTEMPTS:
            self._left.append(job.task)
        else:
            reason = f"its worker ended {_ATTEMPTS} times ({why}): it may need more memory than there is"
            self.summary.failures.append(_failure(self._store, job.task, reason, self._run))

    def is_over(self) -> bool:
        """Tell whether every task was done."""
        return not (self._left or self._busy)


def _failure(store: Store, task: Task, reason: str, run: str) -> Failure:
    """Write down that a model failed, and return it."""
    row = {"model": task.model.name, "corpus": task.content.corpus, "reason": without_places(reason)}
    store.write("failures", [{**row, "run": run}])
    return Failure(task.model.name, task.corpus.name, reason)


def extract(store: Store, study: Study, tasks: Sequence[Task], *, device: str, progress: Progress, run: str) -> Summary:
    """Work through what `plan` says a study lacks, in this process. A model that fails does not stop the others."""
    names = {task.located.weights: task.model.name for task in tasks if task.located}
    jobs, worker = Extracting(store, tasks, run), Extractor(store, study, device=device, run=run, names=names)
    InProcess().run(lambda place: worker, jobs, progress)
    return jobs.summary


class Extractor:
    """Does tasks of a study; keeps the model that was loaded last, for the corpora that follow.

    device: `cpu`, `cuda` … run: the run that artifacts are registered under.
    cores: holds this process to its share of them, task by task.
    Interrupted, it leaves what was finished and nothing half-written.
    """

    def __init__(
        self, store: Store, study: Study, *, device: str, run: str, names: Mapping[str, str],
        cores: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:  # fmt: skip
        self._store, self._study, self._device, self._run, self._cores = store, study, device, run, cores
        self._names = names  # of the study's models, by weights
        self._loaded: tuple[str, Encoder] | None = None
        self._summary = Summary()
        self._progress: Progress = Silent()

    def do(self, job: Job, progress: Progress) -> Summary | None:
        """Do one task; None when another process is at it. A model that fails is in the summary."""
        self._summary, self._progress, task = Summary(), progress, job.task
        if job.wait:
            progress.note(f"waiting for another process that extracts {task.title}")
        with self._cores(), self._store.lock(task.lock, wait=job.wait) as held:
            if not held:
                return None
            try:
                with _out_of_memory(task), large_blocks_kept():
                    self._task(task)
            except LayeratlasError as error:
                self._progress.note(f"{task.title} failed: {error}")
                self._summary.failures.append(_failure(self._store, task, str(error), self._run))
            self._store.merge()
        return self._summary

    def _task(self, task: Task) -> None:
        if task.located is None:
            raise LayeratlasError(task.problem or f"{task.model.name} was not found")
        wanted = self._missing(task)
        if wanted is None:
            self._register_model(task, self._encoder(task))
            wanted = self._wanted(task, self._encoder(task))
        wanted = self._adopt(task, wanted)
        if wanted:
            encoder = self._encoder(task)
            self._register_model(task, encoder)
            self._compute(task, encoder, self._shown(task, encoder, wanted))

    def _missing(self, task: Task) -> tuple[Place, ...] | None:
        """Look again, now that the lock is held: another process may have worked on it since."""
        return missing(self._store, task, self._store.models(), self._store.artifacts())

    def _wanted(self, task: Task, encoder: Encoder) -> tuple[Place, ...]:
        shape, deepest = encoder.shape, max(self._study.layers or (0,))
        if deepest > shape.layers:
            raise BadRequest(f"{task.model.name} has the layers 0 to {shape.layers}, the study asks for {deepest}")
        self._note_lacking(task, shape, self._study.kinds)
        return places(self._study, shape.units)

    def _shown(self, task: Task, encoder: Encoder, wanted: Sequence[Place]) -> list[Place]:
        """Return what the model has of what the catalog supposes."""
        units = encoder.shape.units
        self._note_lacking(task, encoder.shape, by_kind(wanted))
        return [(kind, layer) for kind, layer in wanted if kind in units]

    def _note_lacking(self, task: Task, shape: Shape, kinds: Iterable[str]) -> None:
        for kind in kinds:
            if kind not in shape.units:
                why = shape.absent.get(kind, f"{shape.architecture} has no {kind}")
                self._progress.note(f"{task.title}: {why}, which is left out")

    def _adopt(self, task: Task, wanted: Iterable[Place]) -> tuple[Place, ...]:
        """Register finished files that the catalog does not know; return what is still missing."""
        rows = {row.path: row for row in self._store.artifacts()}
        rest: list[Place] = []
        for place in wanted:
            known = rows.get(resting_place(task, place))
            if known is not None and sound(self._store, known):
                continue
            artifact = None if known is not None else self._orphan(task, place)
            if artifact is None:
                rest.append(place)
            else:
                self._store.write_artifact(artifact, self._run)
                self._summary.adopted += 1
        return tuple(rest)

    def _orphan(self, task: Task, place: Place) -> Artifact | None:
        from layeratlas.store.artifacts.base import describe

        path = self._store.root / resting_place(task, place)
        if not path.exists():
            return None
        try:
            found = describe(self._store.root, path)
        except ArtifactDamaged:
            return None
        return found if found.artifact == task.identity(place).artifact else None

    def _encoder(self, task: Task) -> Encoder:
        from layeratlas.extract.encoders import load

        if task.located is None:
            raise LayeratlasError(f"{task.model.name} was not found")
        key = task.located.weights
        if self._loaded is None or self._loaded[0] != key:
            self._loaded = None  # one model in memory at a time
            if task.model.could_be_elsewhere:
                self._progress.note(
                    f"{task.model.name}: {task.model.id} is the folder here; the hub's is hub:{task.model.id}"
                )
            self._loaded = key, load(task.located, self._study.settings, self._device, self._study.kinds)
        return self._loaded[1]

    def _register_model(self, task: Task, encoder: Encoder) -> None:
        located, shape, content = task.located, encoder.shape, task.content
        if located is None:
            return
        spec = task.model
        model = {
            "weights": located.weights, "name": spec.name, "family": self._family(located),
            "architecture": shape.architecture, "origin": shown_path(spec.id), "revision": located.revision,
            "finetuned_from": spec.finetuned_from or self._base(task), "objective": spec.objective,
            "untrained_seed": spec.seed if spec.untrained else None,
            "licence": self._licence(located), "citation": spec.citation,
            "layers": shape.layers, "parameters": shape.parameters, "source": "own", **self._units(shape),
        }  # fmt: skip
        corpus = {
            "corpus": content.corpus, "name": task.corpus.name, "origin": shown_path(task.corpus.path),
            "sentences": content.sentences, "words": content.words,
            "licence": task.corpus.licence, "citation": task.corpus.citation,
        }  # fmt: skip
        self._store.write("models", [model])
        self._store.write("corpora", [corpus])

    def _family(self, located: Located) -> str:
        """The family that the user states, or stated before, or else what the literature calls the architecture."""
        from layeratlas.extract.encoders import family_of

        known = (row.family for row in self._store.models() if row.weights == located.weights)
        return located.spec.family or next(known, None) or family_of(located)

    def _licence(self, located: Located) -> str | None:
        """The licence that the user states, or stated before, or else the model card; a control has no card."""
        from layeratlas.extract.locate import cards

        known = self._store.rows("SELECT licence FROM base.models WHERE weights = ?", located.weights)
        stated = located.spec.licence or next((licence for (licence,) in known), None)
        return stated or (None if located.spec.untrained else cards.licence(located.adapter or located.folder))

    def _base(self, task: Task) -> str | None:
        """The name of an adapter's base: the catalog's, the study's, or else the one that it would be given."""
        base = task.located.base if task.located else None
        if base is None:
            return None
        known = {row.weights: row.name for row in self._store.models()}
        return known.get(base.weights) or self._names.get(base.weights) or model_name(base.spec.id)

    def _units(self, shape: Shape) -> dict[str, int]:
        """What the catalog keeps of a model's units; of a kind that was asked for, also that there is none."""
        columns: dict[str, int] = {}
        for kind in KINDS:
            if kind in shape.units or kind in self._study.kinds:
                columns |= take_of(kind).model_columns(shape.units.get(kind, {}))
        return columns

    def _compute(self, task: Task, encoder: Encoder, wanted: Sequence[Place]) -> None:
        if not wanted:
            return
        from layeratlas.extract.stream import Pass
        from layeratlas.extract.windows import Windowing
        from layeratlas.extract.writing import BackgroundWriter

        name, study = task.model.name, self._study
        windowing = Windowing(encoder, study.settings, name)
        windowing.refuse_early(corpora.read(task.corpus), task.content.longest)
        keep = study.unknown_tokens == "keep"
        if not keep:
            vocabulary.refuse_early(encoder, corpora.read(task.corpus), name)
        takes = [take_of(kind)(name, encoder, layers, study) for kind, layers in by_kind(wanted).items()]
        stream = Pass(encoder, windowing, takes, study.batch_tokens)
        background = BackgroundWriter({take.kind: self._writers(task, take) for take in takes})
        with self._progress.task(f"extract {task.title}", task.content.sentences) as advance, background:
            for chunk in stream.chunks(corpora.read(task.corpus)):
                background.write(chunk)
                advance(chunk.sentences)
            if not keep:
                windowing.vocabulary.refuse(name)
            background.describe({"batching": encoder.shape.batching, **windowing.vocabulary.found})
        for artifact in background.artifacts:
            self._store.write_artifact(artifact, self._run)
        self._summary.written += len(background.artifacts)
        self._report(task, encoder, windowing, takes)
        self._note_former(task, wanted)
        for remark in encoder.shape.remarks:
            self._progress.note(f"{task.title}: {remark}")

    def _note_former(self, task: Task, wanted: Sequence[Place]) -> None:
        """Say so when the store has what an earlier version made of the same layers, with other numbers."""
        known = {row.artifact for row in self._store.artifacts()}
        identities = [task.identity(place) for place in wanted]
        former = (replace(own, version=version) for own in identities for version in range(1, own.version))
        if any(own.artifact in known for own in former):
            self._progress.note(
                f"{task.title}: the store also has these layers as an earlier release ran them, with other numbers: to "
                f"be rid of those, `layeratlas forget {task.model.name}` and extract it anew"
            )

    def _writers(self, task: Task, take: Take) -> dict[int, Any]:
        """What writes the take's layers, by layer; whatever else stands in the place of their files is set aside."""
        root, name, files = self._store.root, task.model.name, kind_of(take.kind).files
        for layer in take.layers:
            for kept in make_room(root / resting_place(task, (take.kind, layer)), root):
                self._progress.note(f"{task.title}: something else stood in layer {layer}'s place and is kept: {kept}")
        return {
            layer: files.writer(root, task.identity((take.kind, layer)), name, take.units[layer])
            for layer in take.layers
        }

    def _report(self, task: Task, encoder: Encoder, windowing: Windowing, takes: Sequence[Take]) -> None:
        words = f"of {task.content.words:,} words left out"
        lacking = getattr(encoder, "lacking", "its tokenizer gives them no token")
        notes = windowing.without_token.notes(f"{words}, {lacking}")
        notes += windowing.vocabulary.notes()
        notes += windowing.too_long.notes(f"{words}, each alone is longer than the window")
        for take in takes:
            notes += take.notes(windowing, task.content.sentences)
        for note in notes:
            self._progress.note(f"{task.title}: {note}")


@contextmanager
def _out_of_memory(task: Task) -> Iterator[None]:
    """Turn what the libraries raise when memory is short into an error of this model."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise LayeratlasError(
            f"out of memory: lower batch_tokens in the study's [extraction] ({reason_of(error)[:200]})"
        ) from error


__all__ = [
    "Extracting",
    "Extractor",
    "Failure",
    "Job",
    "Summary",
    "Task",
    "extract",
    "plan",
    "present",
    "restate",
    "without",
]
