"""Studies: a TOML file that names models, corpora, extraction settings and measures.

figures = "all"                   # optional, of each layer alone: "usual" otherwise, or "none", or a list of names
uncertainty = { method = "jackknife", blocks = 20 }   # optional: an interval for every score (store/uncertainty.py)
null = { permuted = "sentences", permutations = 100 } # optional: what chance alone gives; or another method = "drawn" …

[[models]]
id = "bert-base-cased"            # hub id, folder, or package:NAME/FOLDER
family = "bert"                   # optional: the configuration's model_type otherwise
revision = "cd5ef92"              # optional, hub models only
finetuned_from = "other-name"     # optional
untrained = true                  # optional: a control, initialised at random ...
seed = 1                          # ... from this seed
licence = "Apache-2.0"            # optional: else what its model card says
citation = "Devlin et al. 2019"   # optional

[[corpora]]
path = "corpora/ewt-dev.conllu.gz"
licence = "CC BY-SA 4.0"          # optional, as citation is

[extraction]
pooling = "last"
kinds = ["activations", "attention"]   # optional: activations alone otherwise

[[measures]]
name = "svsim"                    # or "all", or group = "resi" in place of a name
variance = 0.95                   # its parameters
preset = "wu2020"                 # optional: the conventions of somebody's code

[[results]]                       # similarities that were computed elsewhere; a study may have these alone
file = "published/scores.parquet"
name = "published"                # the source, by which questions find them
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from layeratlas.store.errors import BadRequest, unknown
from layeratlas.store.identity import AnySettings, Settings, SpecialTokens
from layeratlas.store.kinds import KINDS, kind_of
from layeratlas.store.shipped import find_study
from layeratlas.store.toml import INTEGERS, read_toml, shown
from layeratlas.store.uncertainty import NOTHING, UNTRAINED, Intervals, Nulls, Uncertainty, Untrained

B = TypeVar("B", Untrained, Intervals, Nulls)

CHOICES: dict[str, tuple[str, ...]] = {
    "pooling": ("last", "first", "mean", "sentence-mean", "cls"),
    "site": ("block", "attention", "mlp", "residual-mid"),
    "long_sentences": ("refuse", "split"),
    "precision": ("float32", "float16", "bfloat16"),
    "storage": ("float32", "float16"),
    "special_tokens": ("drop", "keep-mass"),
    "unknown_tokens": ("refuse", "keep"),
    "part": ("encoder", "decoder"),
    "words": ("icu",),
}
RANGES: dict[str, tuple[int, int]] = {
    "limit": (1, INTEGERS[1]), "window": (3, INTEGERS[1]), "batch_tokens": (1, INTEGERS[1]),
    "seed": (-(2**31), 2**31 - 1), "layers": (0, 2**31 - 1),
}  # fmt: skip
_OTHERS = ("batch_tokens", "special_tokens", "unknown_tokens")  # of a study's [extraction], beside settings
USUAL = ("activations",)  # the kinds that are taken when none is named


@dataclass(frozen=True)
class ModelSpec:
    """A model as a user names it. `id` is a hub id, a folder, or `package:NAME/FOLDER` inside an installed package."""

    id: str
    name: str
    revision: str | None = None
    family: str | None = None
    finetuned_from: str | None = None
    untrained: bool = False
    seed: int = 0
    trust_remote_code: bool = False
    part: str | None = None  # of an encoder-decoder: encoder (the same as None) or decoder
    objective: str | None = None
    licence: str | None = None
    citation: str | None = None
    folder: Path | None = None  # or a file of word vectors, which the id names; else the model is found by the id

    @property
    def could_be_elsewhere(self) -> bool:
        """Whether the hub, too, may have a model of this id, although a folder is meant."""
        is_folder = self.folder is not None and self.folder.is_dir()
        return is_folder and not self.id.startswith((".", "/", "~")) and self.id.count("/") <= 1


@dataclass(frozen=True)
class CorpusSpec:
    """A corpus, a file or a folder, as a user names it; `limit` takes its first sentences only.

    named: the name was given, not made of the file's. ids: rows that are no words, an id a line (images, cells …).
    column: of a table, the one that holds the sentences. words: what cuts texts into words, white space when None.
    """

    path: Path
    name: str
    limit: int | None = None
    licence: str | None = None
    citation: str | None = None
    named: bool = False
    ids: bool = False
    column: str | None = None
    words: str | None = None


@dataclass(frozen=True)
class MeasureSpec:
    """A measure as a user asks for it, or a group of them instead; `where` is said in errors."""

    name: str
    preset: str = "default"
    parameters: dict[str, Any] = field(default_factory=dict)
    where: str = ""
    group: str = ""


@dataclass(frozen=True)
class ResultsSpec:
    """A file of results from elsewhere, the source's name, and the file that describes its models (else beside it)."""

    file: Path
    name: str
    models: Path | None = None


@dataclass(frozen=True)
class Study:
    """What to extract, measure and import. No layers means every layer, no measures every measure of these kinds.

    figures: of each layer alone, by name, or `usual`, `all`, `none`; nothing named is `usual`.
    settings are those of activations; special_tokens is what attention has instead of pooling. unknown_tokens: `refuse`
    or `keep` a model of whose tokens most are unknown. representative: no more layers of each model than this.
    """

    models: tuple[ModelSpec, ...]
    corpora: tuple[CorpusSpec, ...]
    settings: Settings = Settings()
    layers: tuple[int, ...] | None = None
    batch_tokens: int = 4096
    measures: tuple[MeasureSpec, ...] = ()
    kinds: tuple[str, ...] = USUAL
    special_tokens: SpecialTokens = "drop"
    results: tuple[ResultsSpec, ...] = ()
    unknown_tokens: str = "refuse"
    figures: tuple[str, ...] = ()
    sure: Uncertainty = NOTHING
    representative: int | None = None

    def chosen_layers(self, layers: Iterable[int]) -> list[int]:
        """Return which of a model's layers are wanted: those named, or so many spread evenly, first and last too."""
        wanted = [layer for layer in layers if self.layers is None or layer in self.layers]
        count = self.representative
        if count is None or count >= len(wanted):
            return wanted
        last = len(wanted) - 1
        return [wanted[round(place * last / max(1, count - 1))] for place in range(count)] if count > 1 else wanted[-1:]

    def settings_of(self, kind: str) -> AnySettings:
        """The settings that are part of the identity of artifacts of one kind."""
        given = {**asdict(self.settings), "special_tokens": self.special_tokens}
        row = kind_of(kind)
        return row.settings(**{option: given[option] for option in row.options})


def load_study(path: Path) -> Study:
    """Read a study, a file or the name of one that ships. Relative paths are taken from the study's folder.

    Raises BadRequest, naming the line where one is wrong.
    """
    path = find_study(path)
    text, data = read_toml(path)
    return _Reader(path, text).study(data)


def study_from(data: dict[str, Any]) -> Study:
    """Return the study that tables stand for, as a TOML file has them. Relative paths are from the current folder.

    Raises BadRequest, naming the entry that is wrong.
    """
    found = _Given().study({name: entries for name, entries in data.items() if entries})
    return replace(found, measures=tuple(replace(spec, where="") for spec in found.measures))


def first_layer(kind: str, settings: Settings) -> int:
    """Return the first layer that has a kind: the embeddings have no sites within them."""
    own = kind_of(kind).first_layer
    return own if settings.site == "block" else max(own, 1)


def study_of(
    models: Sequence[str],
    corpora: Sequence[Path],
    *,
    layers: Sequence[int] = (),
    batch_tokens: int = 4096,
    revision: str | None = None,
    name: str | None = None,
    family: str | None = None,
    finetuned_from: str | None = None,
    objective: str | None = None,
    licence: str | None = None,
    citation: str | None = None,
    corpus_licence: str | None = None,
    corpus_citation: str | None = None,
    part: str | None = None,
    untrained: bool = False,
    seed: int = 0,
    trust_remote_code: bool = False,
    attention: bool = False,
    special_tokens: SpecialTokens = "drop",
    unknown_tokens: str = "refuse",
    corpus_name: str | None = None,
    column: str | None = None,
    words: str | None = None,
    **settings: Any,
) -> Study:
    """Return the study that an `extract` command line stands for; `settings` are the fields of Settings."""
    low, high = RANGES["seed"]
    if not low <= seed <= high:
        raise BadRequest(f"seed must be from {low:,} to {high:,}, got {seed}")
    if name is not None and len(models) > 1:
        raise BadRequest(f"'{name}' can be the name of one model only, {len(models)} are given: use a study")
    chosen = Settings(**settings)
    if layers and max(layers) < first_layer("activations", chosen):
        raise BadRequest(f"the embeddings, layer 0, have no site '{chosen.site}': name layers from 1")
    specs = tuple(
        ModelSpec(
            identifier, name or model_name(identifier, untrained=untrained, seed=seed, part=part), revision, family,
            finetuned_from, untrained, seed, trust_remote_code, part, objective, licence, citation,
            folder_of(identifier, Path()),
        )
        for identifier in models
    )  # fmt: skip
    for index, spec in enumerate(specs):
        if spec.name in {other.name for other in specs[:index]}:
            raise BadRequest(f"two models would be called '{spec.name}': use a study, where each gets a name")
    if corpus_name is not None and len(corpora) > 1:
        raise BadRequest(f"'{corpus_name}' can be the name of one corpus only, {len(corpora)} are given: use a study")
    stated = {"licence": corpus_licence, "citation": corpus_citation, "column": column, "words": words}
    files = tuple(corpus_spec(path, corpus_name, **stated) for path in corpora)
    return Study(
        specs, files, chosen, tuple(layers) or None, batch_tokens,
        kinds=tuple(KINDS) if attention else USUAL, special_tokens=special_tokens, unknown_tokens=unknown_tokens,
    )  # fmt: skip


def with_controls(study: Study, asked: Untrained | None) -> Study:
    """Return a study with untrained copies of its models, where they are asked for; of a copy its base's will do."""
    if asked is None:
        return study
    names, known = (
        {spec.name for spec in study.models},
        {(spec.id, spec.part, spec.seed) for spec in study.models if spec.untrained},
    )
    copied = [spec for spec in study.models if not (spec.untrained or spec.finetuned_from in names)]
    controls = [
        replace(
            spec, name=f"{spec.name}-{UNTRAINED}-{seed}", finetuned_from=None, untrained=True, seed=seed, licence=None
        )
        for spec in copied for seed in range(1, asked.seeds + 1) if (spec.id, spec.part, seed) not in known
    ]  # fmt: skip
    return replace(study, models=(*study.models, *controls))


def model_name(identifier: str, *, untrained: bool = False, seed: int = 0, part: str | None = None) -> str:
    """Return the name a model has when none is given: the last part of its id, marked when untrained or a decoder."""
    name = identifier.removeprefix("hub:").rstrip("/").rsplit("/", 1)[-1] or identifier
    name = f"{name}-decoder" if part == "decoder" else name
    return f"{name}-untrained-{seed}" if untrained else name


def folder_of(identifier: str, near: Path) -> Path | None:
    """Return the folder, or the file of word vectors, that an id names; None where there is none, or it is another's.

    near: the folder it is seen from. What is there is meant, although the hub may have such a model: `hub:NAME`.
    """
    if identifier.startswith(("package:", "hub:")):
        return None
    try:
        place = near / Path(identifier).expanduser()
        return place.resolve() if place.is_dir() or place.is_file() else None
    except (OSError, ValueError, RuntimeError):  # too long, with a NUL, of a user that there is not
        return None


def corpus_spec(path: Path, name: str | None = None, **more: Any) -> CorpusSpec:
    """Return a corpus file under a name, or else under its file's name without endings; `more` are other fields."""
    return CorpusSpec(path, name or path.name.split(".", 1)[0], named=bool(name), **more)


_OF_CORPORA = (
    "limit",
    "licence",
    "citation",
    "column",
    "words",
)  # and its path and name


class _Reader:
    """Turns the tables of one study into dataclasses, and finds the line of what is wrong."""

    def __init__(self, path: Path, text: str) -> None:
        self._path, self._lines = path, text.splitlines()

    def study(self, data: dict[str, Any]) -> Study:
        """Return the study that the parsed tables stand for. Raises BadRequest naming the line."""
        self._keys(data, ("models", "corpora", "extraction", "measures", "results", "figures", "uncertainty", "null"),
                   table="")  # fmt: skip
        models = tuple(self._model(entry, i) for i, entry in enumerate(self._tables(data, "models")))
        corpora = tuple(self._corpus(entry, i) for i, entry in enumerate(self._tables(data, "corpora")))
        measures = tuple(self._measure(entry, i) for i, entry in enumerate(self._tables(data, "measures")))
        results = tuple(self._result(entry, i) for i, entry in enumerate(self._tables(data, "results")))
        alone = bool(results) and not models and not corpora
        for table, entries in (("models", models), ("corpora", corpora), ("results", results)):
            if not entries and not alone and table != "results":
                raise BadRequest(f"{self._path}: a study needs at least one [[{table}]]")
            self._unique(table, [entry.name for entry in entries])
        return Study(
            models, corpora, measures=measures, results=results, figures=self._figures(data.get("figures", [])),
            sure=Uncertainty.of(self._beside(data, "uncertainty", Intervals), self._null(data)),
            **self._extraction(data.get("extraction", {})),
        )  # fmt: skip

    def _null(self, data: dict[str, Any]) -> Nulls | Untrained | None:
        given = data.get("null")
        if isinstance(given, dict) and given.get("method") == UNTRAINED:
            return self._beside({"null": {key: given[key] for key in given if key != "method"}}, "null", Untrained)
        return self._beside(data, "null", Nulls)

    def _beside(self, data: dict[str, Any], key: str, asked: type[B]) -> B | None:
        """Return what is asked beside scores."""
        if key not in data:
            return None
        given, kinds = data[key], {one.name: one.type for one in fields(asked)}
        if not isinstance(given, dict):
            self._fail(f"write {key} as {{ {next(iter(kinds))} = … }}, got {shown(given)}", "", 0, key)
        for name, value in given.items():
            if name not in kinds:
                self._fail(unknown("key", name, kinds), "", 0, key)
            if type(value).__name__ != kinds[name]:
                wanted = {"int": "a whole number", "str": "a text"}[str(kinds[name])]
                self._fail(f"{name} must be {wanted}, got {shown(value)}", "", 0, key)
        try:
            return asked(**given)
        except BadRequest as error:
            self._fail(str(error), "", 0, key)

    def _figures(self, given: Any) -> tuple[str, ...]:
        named = [given] if isinstance(given, str) else given
        if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
            wanted = 'figures must be "usual", "all", "none", or a list of names'
            self._fail(f"{wanted}, got {shown(given)}", "", 0, "figures")
        return tuple(named)

    def _model(self, entry: dict[str, Any], index: int) -> ModelSpec:
        self._keys(entry, [f.name for f in fields(ModelSpec) if f.name != "folder"], "models", index)
        self._require(entry, "id", "models", index)
        self._types(entry, {"untrained": bool, "seed": int, "trust_remote_code": bool}, "models", index)
        if entry.get("part") not in (None, *CHOICES["part"]):
            self._fail(f"part must be {' or '.join(CHOICES['part'])}, got {entry['part']!r}", "models", index, "part")
        folder = folder_of(entry["id"], self._path.parent)
        if folder is None and self._is_folder(entry["id"]):
            self._fail(f"there is no model folder or file {entry['id']}", "models", index, "id")
        given = {"untrained": entry.get("untrained", False), "seed": entry.get("seed", 0), "part": entry.get("part")}
        name = entry.get("name") or model_name(entry["id"], **given)
        return ModelSpec(**{**entry, "name": name, "folder": folder})

    def _corpus(self, entry: dict[str, Any], index: int) -> CorpusSpec:
        self._keys(entry, ("path", "name", *_OF_CORPORA), "corpora", index)
        self._require(entry, "path", "corpora", index)
        self._types(entry, {"limit": int}, "corpora", index)
        if entry.get("words") not in (None, *CHOICES["words"]):
            self._fail(f"words must be {CHOICES['words'][0]}, got {shown(entry['words'])}", "corpora", index, "words")
        path = self._place(entry, "path", "corpus", "corpora", index)
        return corpus_spec(path, entry.get("name"), **{name: entry.get(name) for name in _OF_CORPORA})

    def _result(self, entry: dict[str, Any], index: int) -> ResultsSpec:
        self._keys(entry, [f.name for f in fields(ResultsSpec)], "results", index)
        self._types(entry, {}, "results", index)
        for key in ("file", "name"):
            self._require(entry, key, "results", index)
        found = {key: self._place(entry, key, "file", "results", index) for key in ("file", "models") if key in entry}
        return ResultsSpec(found["file"], entry["name"], found.get("models"))

    def _measure(self, entry: dict[str, Any], index: int) -> MeasureSpec:
        named = "group" if "group" in entry and "name" not in entry else "name"
        self._require(entry, named, "measures", index)
        self._types({key: entry[key] for key in ("preset",) if key in entry}, {}, "measures", index)
        for key, value in entry.items():
            self._plain(key, value, index)
        parameters = {key: value for key, value in entry.items() if key not in (named, "preset")}
        where = f"{self._path}:{self._line('measures', index, named)}: "
        return MeasureSpec(
            entry.get("name", ""), entry.get("preset", "default"), parameters, where,
            entry[named] if named == "group" else "",
        )  # fmt: skip

    def _plain(self, key: str, value: object, index: int) -> None:
        """Refuse what no parameter of a measure is."""
        if type(value) not in (str, int, float, bool) or (isinstance(value, float) and not math.isfinite(value)):
            self._fail(f"{key} must be a text, a number, true or false, got {shown(value)}", "measures", index, key)
        if isinstance(value, int):
            self._within(key, value, INTEGERS, "measures", index)

    def _extraction(self, entry: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(entry, dict):
            self._fail("write the settings as [extraction]", "extraction", 0, "extraction")
        settings = [f.name for f in fields(Settings)]
        self._keys(entry, [*settings, "layers", *_OTHERS, "kinds"], "extraction")
        self._types(
            entry, {"window": int, "layers": list, "batch_tokens": int, "kinds": list, "stateful": bool}, "extraction"
        )
        for key, choices in CHOICES.items():
            if key in entry and entry[key] not in choices:
                self._fail(f"{key} must be one of {', '.join(choices)}, got {shown(entry[key])}", "extraction", 0, key)
        layers = entry.get("layers")
        if layers is not None and not all(type(layer) is int and layer >= 0 for layer in layers):
            self._fail("layers must be whole numbers from 0", "extraction", 0, "layers")
        for layer in layers or ():
            self._within("layers", layer, RANGES["layers"], "extraction")
        chosen: dict[str, Any] = {"settings": Settings(**{k: v for k, v in entry.items() if k in settings})}
        if layers is not None:
            chosen["layers"] = tuple(layers)
        kinds = entry.get("kinds", list(USUAL))
        if not kinds or any(type(kind) is not str or kind not in KINDS for kind in kinds):
            self._fail(f"kinds must name some of {', '.join(KINDS)}, got {shown(kinds)}", "extraction", 0, "kinds")
        first = min(first_layer(kind, chosen["settings"]) for kind in kinds)
        if layers and max(layers) < first:
            self._fail(f"{' and '.join(kinds)} is numbered by block, from {first}: layer 0 has none", "extraction", 0,
                       "layers")  # fmt: skip
        chosen["kinds"] = tuple(kind for kind in KINDS if kind in kinds)
        return {**chosen, **{key: entry[key] for key in _OTHERS if key in entry}}

    @staticmethod
    def _is_folder(identifier: str) -> bool:
        return identifier.startswith((".", "/", "~")) or (identifier.count("/") > 1 and ":" not in identifier)

    def _tables(self, data: dict[str, Any], name: str) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = data.get(name, [])
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            self._fail(f"write each of the {name} as [[{name}]]", name)
        return entries

    def _keys(self, entry: dict[str, Any], allowed: Any, table: str, index: int = 0) -> None:
        for key in entry:
            if key not in allowed:
                self._fail(unknown("key", key, allowed), table, index, key)

    def _require(self, entry: dict[str, Any], key: str, table: str, index: int) -> None:
        if not isinstance(entry.get(key), str) or not entry[key]:
            self._fail(f'this [[{table}]] needs {key} = "…"', table, index, key)

    def _types(self, entry: dict[str, Any], typed: dict[str, type], table: str, index: int = 0) -> None:
        for key, value in entry.items():
            wanted = typed.get(key, str)
            if (key in typed or key not in CHOICES) and type(value) is not wanted:
                names = {str: "a text", int: "a whole number", bool: "true or false", list: "a list"}
                self._fail(f"{key} must be {names[wanted]}, got {shown(value)}", table, index, key)
            if type(value) is int:
                self._within(key, value, RANGES.get(key, INTEGERS), table, index)

    def _within(self, key: str, value: int, ends: tuple[int, int], table: str, index: int = 0) -> None:
        low, high = ends
        if not low <= value <= high:
            wanted = f"at least {low}" if value < low else f"at most {high:,}"
            self._fail(f"{key} must be {wanted}, got {shown(value)}", table, index, key)

    def _place(self, entry: dict[str, Any], key: str, what: str, table: str, index: int) -> Path:
        """Return where a file or a folder is that an entry names."""
        try:
            named = Path(entry[key])
            path = (self._path.parent / (named.expanduser() if key == "id" else named)).resolve()
            is_there = path.is_dir() if key == "id" else path.is_file() or (key == "path" and path.is_dir())
        except (OSError, ValueError, RuntimeError):  # too long, with a NUL, of a user that there is not
            is_there = False
        if not is_there:
            self._fail(f"there is no {what} {entry[key]}", table, index, key)
        return path

    def _unique(self, table: str, names: list[str]) -> None:
        for index, name in enumerate(names):
            if name in names[:index]:
                self._fail(f"two of the {table} are called '{name}': give one another name = \"…\"", table, index)

    def _fail(self, message: str, table: str, index: int = 0, key: str | None = None) -> NoReturn:
        raise BadRequest(f"{self._path}:{self._line(table, index, key)}: {message}")

    def _line(self, table: str, index: int, key: str | None = None) -> int:
        """Return the line of `key` in the index-th table of that name, or else of the table's header."""
        header, here, count = 1, table == "", -1
        for number, line in enumerate(self._lines, start=1):
            opened = re.match(r"\s*\[+\s*([^\]]*?)\s*\]", line)
            if opened:
                count += opened[1] == table
                here = opened[1] == table and count == index
                header = number if here else header
            if (here or not table) and key and re.match(rf"\s*\[*\s*[\"']?{re.escape(key)}[\"']?\s*[=\]]", line):
                return number
        return header


class _Given(_Reader):
    """Turns tables that were given in Python into dataclasses, and says which entry is wrong."""

    def __init__(self) -> None:
        super().__init__(Path("study"), "")

    def _fail(self, message: str, table: str, index: int = 0, key: str | None = None) -> NoReturn:
        raise BadRequest(f"{table}[{index}]: {message}" if table and table != "extraction" else message)
