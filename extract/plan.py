"""What a study still lacks: one task a model × corpus, found without torch and, when nothing is missing, in no time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from layeratlas.extract import corpora
from layeratlas.extract.corpora import CorpusFacts
from layeratlas.extract.handling import version_of
from layeratlas.extract.locate import Located, locate
from layeratlas.extract.takes import take_of
from layeratlas.store.errors import BadRequest, LayeratlasError
from layeratlas.store.identity import ArtifactIdentity, artifact_path, fingerprint
from layeratlas.store.store import ArtifactRow, CorpusRow, ModelRow, Store
from layeratlas.store.study import CorpusSpec, ModelSpec, Study, first_layer

#: One artifact of a task: its kind and layer.
Place = tuple[str, int]


@dataclass(frozen=True)
class Task:
    """One model over one corpus. `missing` are its artifacts, None when only loading the model tells how many it has.

    A model that cannot be found has a `problem` and no `located`. needless: fingerprints of what may be missing.
    """

    model: ModelSpec
    corpus: CorpusSpec
    content: CorpusFacts
    study: Study
    located: Located | None = None
    missing: tuple[Place, ...] | None = None
    problem: str | None = None
    needless: frozenset[str] = frozenset()

    @property
    def title(self) -> str:
        """How messages name it."""
        return f"{self.model.name} over {self.corpus.name}"

    @property
    def lock(self) -> str:
        """The lock under which it is worked on: whatever the settings, for kinds depend on different ones."""
        weights = self.located.weights if self.located else self.model.name
        return "extract-" + fingerprint([weights, self.content.corpus]).removeprefix("v1:")[:32]

    def identity(self, place: Place) -> ArtifactIdentity:
        """Return the identity of one of its artifacts."""
        if self.located is None:
            raise LayeratlasError(self.problem or f"{self.model.name} was not found")
        return _identity(self.study, self.located, self.content.corpus, place)


def plan(store: Store, study: Study) -> list[Task]:
    """Return a task for every model × corpus of a study that lacks a layer; none when the study is finished.

    Raises BadRequest for a corpus that cannot be read, and when names and weights of models contradict each other or
    the catalog.
    """
    contents = find_corpora(study.corpora, store)
    located = [find_model(spec, store) for spec in study.models]
    known = store.models()
    _distinct_models([one for one, _ in located if one], known)
    rows = store.artifacts()
    tasks = [
        Task(spec, corpus, content, study, one, problem=problem)
        for corpus, content in contents
        for spec, (one, problem) in zip(study.models, located, strict=True)
    ]
    tasks = sorted(tasks, key=lambda task: study.models.index(task.model))  # a model is loaded once for all corpora
    planned = (replace(task, missing=missing(store, task, known, rows)) for task in tasks)
    return [task for task in planned if task.missing != ()]


def without(tasks: Iterable[Task], needless: Iterable[str]) -> list[Task]:
    """Return tasks without these artifacts (fingerprints), which nothing that is asked lacks."""
    left_out = frozenset(needless)
    found = [
        task if task.missing is None else replace(
            task, needless=left_out,
            missing=tuple(place for place in task.missing if task.identity(place).artifact not in left_out),
        )
        for task in tasks
    ]  # fmt: skip
    return [task for task in found if task.missing != ()]


def present(store: Store, study: Study) -> list[ArtifactRow]:
    """Return the artifacts that a study names and the store has, sound ones only, in the study's order."""
    rows = [row for row in store.artifacts() if sound(store, row)]
    contents = [corpora.facts(spec, store.remembered).corpus for spec in study.corpora]
    found = {located.weights: located for located, _ in (find_model(spec, store) for spec in study.models) if located}
    weights = list(found)
    blocks = {row.weights: row.layers for row in store.models()}

    def wanted(kind: str, row: ArtifactRow) -> list[int]:
        return study.chosen_layers(range(first_layer(kind, study.settings), blocks[row.weights] + 1))

    named = {
        _identity(study, found[row.weights], row.corpus, (kind, row.layer)).artifact
        for row in rows
        for kind in study.kinds
        if row.weights in found and row.corpus in contents and row.layer in wanted(kind, row)
    }
    return sorted((row for row in rows if row.artifact in named), key=lambda row: weights.index(row.weights))


def missing(
    store: Store, task: Task, known: Iterable[ModelRow], rows: Iterable[ArtifactRow]
) -> tuple[Place, ...] | None:
    """Return what has no sound artifact; None when the catalog does not know which layers there are of every kind."""
    if task.located is None:
        return None
    weights, study = task.located.weights, task.study
    model = next((row for row in known if row.weights == weights), None)
    if model is None or max(study.layers or (0,)) > model.layers:
        return None
    layers = {kind: take_of(kind).layers_of(model) for kind in study.kinds}
    has = {kind: own for kind, own in layers.items() if own is not None}
    if has.keys() != layers.keys():
        return None
    there = {row.artifact for row in rows if row.weights == weights and sound(store, row)} | task.needless
    return tuple(place for place in places(study, has) if task.identity(place).artifact not in there)


def places(study: Study, layers: Mapping[str, Iterable[int]]) -> tuple[Place, ...]:
    """Return what a study wants of a model that has these layers of each kind."""
    return tuple(
        (kind, layer)
        for kind in study.kinds
        for first in (first_layer(kind, study.settings),)
        for layer in study.chosen_layers(layer for layer in layers.get(kind, ()) if layer >= first)
    )


def by_kind(found: Iterable[Place]) -> dict[str, list[int]]:
    """Return the layers of some places, kind by kind."""
    layers: dict[str, list[int]] = {}
    for kind, layer in found:
        layers.setdefault(kind, []).append(layer)
    return layers


def _identity(study: Study, located: Located, corpus: str, place: Place) -> ArtifactIdentity:
    kind, layer = place
    version = version_of(located.model_type)
    return ArtifactIdentity(located.weights, corpus, layer, study.settings_of(kind), kind, version)


def sound(store: Store, row: ArtifactRow) -> bool:
    """Tell whether an artifact's file is there in full and was never found damaged; its bytes are not read."""
    return row.damaged is None and store.has(row)


def resting_place(task: Task, place: Place) -> str:
    """Return where an artifact's file stands or would stand, relative to the store."""
    return str(artifact_path(task.identity(place), task.model.name))


def find_model(spec: ModelSpec, store: Store) -> tuple[Located | None, str | None]:
    """Return where a model is, or why it cannot be had."""
    try:
        return locate(spec, store.remembered), None
    except LayeratlasError as error:
        return None, str(error)
    except (OSError, ValueError) as error:  # files that cannot be read, numbers that no identity can hold
        return None, f"{spec.name} cannot be read: {' '.join(str(error).split())[:400]}"


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


def find_corpora(specs: Iterable[CorpusSpec], store: Store) -> list[tuple[CorpusSpec, CorpusFacts]]:
    """Return corpora with their contents; one that the catalog has goes by the name it has there, if none is given.

    Raises BadRequest for one that cannot be read, for two of the same words, and for a name that other words have.
    """
    return settle_names([(spec, corpora.facts(spec, store.remembered)) for spec in specs], store)


def settle_names(contents: list[tuple[CorpusSpec, CorpusFacts]], store: Store) -> list[tuple[CorpusSpec, CorpusFacts]]:
    """Return corpora under the names that the catalog has for them, as `find_corpora` does."""
    _distinct_words(contents)
    known = store.corpora()
    stated = {row.corpus: row.stated for row in known}
    contents = [
        (spec if spec.named else replace(spec, name=stated.get(content.corpus, spec.name)), content)
        for spec, content in contents
    ]
    _distinct_names(contents, known)
    return contents


def _distinct_words(contents: Iterable[tuple[CorpusSpec, CorpusFacts]]) -> None:
    names: dict[str, str] = {}
    for spec, content in contents:
        other = names.setdefault(content.corpus, spec.name)
        if other != spec.name:
            raise BadRequest(f"the corpora '{other}' and '{spec.name}' hold the same words: leave one out")


def _distinct_names(contents: Iterable[tuple[CorpusSpec, CorpusFacts]], known: Iterable[CorpusRow]) -> None:
    """Refuse one name for two contents. Those that an older store has under one name may both go on."""
    called: dict[str, set[str]] = {}
    for row in known:
        if row.extracted:
            called.setdefault(row.stated, set()).add(row.corpus)
    for spec, content in contents:
        if content.corpus not in called.setdefault(spec.name, {content.corpus}):
            raise BadRequest(
                f"there is a corpus '{spec.name}' with other words already: give {spec.path} another name, with "
                '--corpus-name NAME or name = "…" in the study'
            )
