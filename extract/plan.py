"""What a study still lacks: one task a model × corpus, found without torch and, when nothing is missing, in no time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from extract import corpora, models
from extract.corpora import CorpusFacts
from extract.models import Located
from store.errors import BadRequest, SimcatError
from store.identity import ArtifactIdentity, Settings, artifact_path, fingerprint
from store.store import ArtifactRow, ModelRow, Store
from store.study import CorpusSpec, ModelSpec, Study


@dataclass(frozen=True)
class Task:
    """One model over one corpus. `layers` are the missing ones, None when only loading the model tells how many it has.

    A model that cannot be found has a `problem` and no `located`.
    """

    model: ModelSpec
    corpus: CorpusSpec
    content: CorpusFacts
    settings: Settings
    located: Located | None = None
    layers: tuple[int, ...] | None = None
    problem: str | None = None

    @property
    def title(self) -> str:
        """How messages name it."""
        return f"{self.model.name} over {self.corpus.name}"

    @property
    def lock(self) -> str:
        """The lock under which it is worked on."""
        weights = self.located.weights if self.located else self.model.name
        return "extract-" + fingerprint([weights, self.content.corpus, self.settings]).removeprefix("v1:")[:32]

    def identity(self, layer: int) -> ArtifactIdentity:
        """Return the identity of one of its artifacts."""
        if self.located is None:
            raise SimcatError(self.problem or f"{self.model.name} was not found")
        return ArtifactIdentity(self.located.weights, self.content.corpus, layer, self.settings)


def plan(store: Store, study: Study) -> list[Task]:
    """Return a task for every model × corpus of a study that lacks a layer; none when the study is finished.

    Raises BadRequest for a corpus that cannot be read, and when names and weights of models contradict each other or
    the catalog.
    """
    contents = [(spec, corpora.facts(spec, store.remembered)) for spec in study.corpora]
    _distinct_corpora(contents)
    found = [_found(spec, store) for spec in study.models]
    known = store.models()
    _distinct_models([located for located, _ in found if located], known)
    rows = store.artifacts()
    tasks = [
        Task(spec, corpus, content, study.settings, located, problem=problem)
        for corpus, content in contents
        for spec, (located, problem) in zip(study.models, found, strict=True)
    ]
    tasks = sorted(tasks, key=lambda task: study.models.index(task.model))  # a model is loaded once for all corpora
    planned = (replace(task, layers=missing(store, task, study.layers, known, rows)) for task in tasks)
    return [task for task in planned if task.layers != ()]


def present(store: Store, study: Study) -> list[ArtifactRow]:
    """Return the artifacts that a study names and the store has, sound ones only, in the study's order."""
    rows = [row for row in store.artifacts() if sound(store, row)]
    contents = [corpora.facts(spec, store.remembered).corpus for spec in study.corpora]
    weights = [located.weights for located, _ in (_found(spec, store) for spec in study.models) if located]
    named = {
        ArtifactIdentity(row.weights, row.corpus, row.layer, study.settings).artifact
        for row in rows
        if row.weights in weights and row.corpus in contents and (study.layers is None or row.layer in study.layers)
    }
    return sorted((row for row in rows if row.artifact in named), key=lambda row: weights.index(row.weights))


def missing(
    store: Store,
    task: Task,
    chosen: Sequence[int] | None,
    known: Iterable[ModelRow],
    rows: Iterable[ArtifactRow],
) -> tuple[int, ...] | None:
    """Return the layers that have no sound artifact; None when the catalog does not know how many there are."""
    if task.located is None:
        return None
    weights = task.located.weights
    blocks = next((row.layers for row in known if row.weights == weights), None)
    if blocks is None or (chosen is not None and max(chosen, default=0) > blocks):
        return None
    wanted = range(blocks + 1) if chosen is None else sorted(set(chosen))
    there = {row.artifact for row in rows if row.weights == weights and sound(store, row)}
    return tuple(layer for layer in wanted if task.identity(layer).artifact not in there)


def sound(store: Store, row: ArtifactRow) -> bool:
    """Tell whether an artifact's file is there in full and was never found damaged; its bytes are not read."""
    try:
        return row.damaged is None and (store.root / row.path).stat().st_size == row.bytes
    except FileNotFoundError:
        return False


def resting_place(store: Store, task: Task, layer: int) -> str:
    """Return where the file of one layer stands or would stand, relative to the store."""
    return str(artifact_path(task.identity(layer), task.model.name))


def _found(spec: ModelSpec, store: Store) -> tuple[Located | None, str | None]:
    try:
        return models.locate(spec, store.remembered), None
    except SimcatError as error:
        return None, str(error)


def _distinct_models(found: Sequence[Located], known: Sequence[ModelRow]) -> None:
    """Refuse one set of weights under two names, and one name for two sets of weights."""
    weights, names = {row.weights: row.name for row in known}, {row.name: row.weights for row in known}
    for located in found:
        name = located.spec.name
        other = weights.setdefault(located.weights, name)
        if other != name:
            raise BadRequest(f"'{name}' ({located.spec.id}) has the same weights as '{other}': use that name for both")
        if names.setdefault(name, located.weights) != located.weights:
            raise BadRequest(
                f"there is a model '{name}' with other weights already: give {located.spec.id} another name, "
                'with name = "…" in the study'
            )


def _distinct_corpora(contents: Sequence[tuple[CorpusSpec, CorpusFacts]]) -> None:
    names: dict[str, str] = {}
    for spec, content in contents:
        other = names.setdefault(content.corpus, spec.name)
        if other != spec.name:
            raise BadRequest(f"the corpora '{other}' and '{spec.name}' hold the same words: leave one out")
