"""Every measure there is, by name: ours in `measures/kernels/`, and those that other packages offer.

A measure is looked up, not listed: its module has its name, or an entry point of the group `layeratlas.measures` does.
Only what is asked for is imported.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

from layeratlas.measures import kernels
from layeratlas.measures.declaration import LEVELS, PRESETS, Measure, parameters_of
from layeratlas.measures.figure import FIGURES
from layeratlas.store.errors import BadRequest, LayeratlasError, unknown
from layeratlas.store.identity import Configuration, canonical_json
from layeratlas.store.kinds import KINDS

ENTRY_POINTS = "layeratlas.measures"
_FIELDS = {"lambda": "lambda_"}  # parameters whose name is a word of Python


class Registry(Mapping[str, type[Measure]]):
    """Measures by name; iterated kind by kind, from single neurons to whole layers."""

    def __getitem__(self, name: str) -> type[Measure]:
        """Return a measure's class. Raises KeyError, and LayeratlasError when another package's cannot be used."""
        if name in _own():
            return _declared(name, import_module(f"{kernels.__name__}.{name}"), "layeratlas itself")
        if name in _offered():
            return _of_a_package(name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        kinds = list(KINDS)
        return iter(
            sorted((*_own(), *_offered()), key=lambda n: (kinds.index(self[n].kind), LEVELS.index(self[n].level), n))
        )

    def __len__(self) -> int:
        return len(_own()) + len(_offered())

    def __contains__(self, name: object) -> bool:
        return name in _own() or name in _offered()


MEASURES = Registry()


class Declared(Mapping[str, Any]):
    """One thing that every measure declares, by the measure's name; a measure is imported when it is asked for."""

    def __init__(self, attribute: str) -> None:
        self._attribute = attribute

    def __getitem__(self, name: str) -> Any:
        return getattr(MEASURES[name], self._attribute)

    def __iter__(self) -> Iterator[str]:
        return iter(MEASURES)

    def __len__(self) -> int:
        return len(MEASURES)

    def __contains__(self, name: object) -> bool:
        return name in MEASURES


class _Versions(Declared):
    """The version of each measure; asked for `figure:NAME`, of a layer's figure."""

    def __getitem__(self, name: str) -> int:
        kind, _, figure = name.partition(":")
        return FIGURES[figure].version if kind == "figure" else int(super().__getitem__(name))


#: The newest version of each measure and figure, as the catalog compares it; and which measures are symmetric.
VERSIONS: Mapping[str, int] = _Versions("version")
SYMMETRIC: Mapping[str, bool] = Declared("symmetric")


def configure(name: str, preset: str = "default", parameters: Mapping[str, Any] | None = None) -> Measure:
    """Return a measure by name, with a preset's parameters and then the given ones. Raises BadRequest."""
    if name not in MEASURES:
        raise BadRequest(unknown("measure", name, MEASURES))
    if preset not in PRESETS:
        raise BadRequest(unknown("preset", preset, PRESETS))
    declared = MEASURES[name]
    defaults = parameters_of(declared)
    chosen = dict(declared.presets.get(preset, {}))
    for given, value in (parameters or {}).items():
        key = given.rstrip("_")
        if key not in defaults:
            raise BadRequest(f"{name}: {unknown('parameter', given, defaults)}")
        chosen[_FIELDS.get(key, key)] = _like(defaults[key], value, f"{name}: {key}")
    try:
        return declared(**chosen)
    except ValueError as error:
        raise BadRequest(f"{name}: {error}") from None


def _like(default: Any, value: Any, what: str) -> Any:
    """Return a parameter's value in its default's type; a whole number will do for a number. Raises BadRequest."""
    if type(default) is float and type(value) is int:
        return float(value)
    if type(value) is not type(default):
        raise BadRequest(f"{what} must be like {default!r}, got {value!r}")
    return value


def asked(text: str) -> tuple[str, dict[str, Any]]:
    """Return the name and the parameters that `gulp:lambda=0.01` asks for. Raises BadRequest.

    Parameters follow a colon, with commas between them; a group of measures, or `all`, takes none.
    """
    name, colon, rest = text.partition(":")
    if not colon:
        return name, {}
    if name not in MEASURES:
        raise BadRequest(unknown("measure", name, MEASURES))
    defaults, given = parameters_of(MEASURES[name]), {}
    for part in rest.split(","):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not (key and equals):
            raise BadRequest(f"{name}: write parameters as {name}:name=value,name=value, got '{part}'")
        if key not in defaults:
            raise BadRequest(f"{name}: {unknown('parameter', key, defaults)}")
        given[key] = _read(defaults[key], value)
    return name, given


def _read(default: Any, text: str) -> Any:
    """Read a parameter's value in its default's type; what cannot be read so stays text, and is refused as such."""
    with suppress(ValueError):
        if isinstance(default, bool):
            return {"true": True, "false": False}.get(text.lower(), text)
        if isinstance(default, int | float):
            return type(default)(text)
    return text


def groups() -> dict[str, list[str]]:
    """Return the measures of every group: `all`, those that a preset is for, and those that declare a group."""
    found: dict[str, list[str]] = {"all": list(MEASURES)}
    for name, declared in MEASURES.items():
        for group in dict.fromkeys((*declared.groups, *declared.presets)):
            found.setdefault(group, []).append(name)
    return found


def group(name: str, kinds: Collection[str], preset: str = "default") -> list[Measure]:
    """Return the measures of a group that compare one of these kinds, each as it is usual or else by its defaults."""
    return list(dict.fromkeys(
        configure(member, preset, parameters)
        for member in groups()[name] if MEASURES[member].kind in kinds
        for parameters in MEASURES[member].usual or ({},)
    ))  # fmt: skip


def usual_measures(kinds: Collection[str], preset: str = "default") -> list[Measure]:
    """Return what is computed of these kinds of artifacts when no measure is named."""
    return [
        configure(name, preset, parameters)
        for name, declared in MEASURES.items()
        if declared.kind in kinds
        for parameters in declared.usual
    ]


def in_order(measures: Sequence[Measure]) -> list[Measure]:
    """Return measures from single neurons to whole layers: what they share is then made for the one that needs most.

    Those that tell the two directions apart come first, since they need the vectors of what others need the values of;
    among them those that take all directions of a layer, of which others take the first.
    """
    return sorted(measures, key=lambda measure: (LEVELS.index(measure.level), measure.symmetric, not measure.whole))


def configuration(measure: Measure) -> Configuration:
    """Return a measure's identity, with what the catalog keeps of its declaration."""
    declared, parameters = type(measure), parameters_of(measure, of_identity=True)
    own = [preset for preset in PRESETS if preset in ("default", *declared.presets)]
    presets = tuple(preset for preset in own if declared(**declared.presets.get(preset, {})) == measure)
    return Configuration(measure.name, measure.version, parameters, measure.symmetric, presets)


def configuration_row(measure: Measure) -> dict[str, Any]:
    """Return the row that tells the catalog of a measure with these parameters."""
    identity = configuration(measure)
    return {
        "configuration": identity.configuration, "measure": identity.measure, "version": identity.version,
        "label": _label(measure), "presets": list(identity.presets), "parameters": canonical_json(identity.parameters),
        "is_symmetric": measure.symmetric, "direction": measure.sense, "low": measure.bounds.low,
        "high": measure.bounds.high,
    }  # fmt: skip


def _label(measure: Measure) -> str:
    """Name a configuration by the preset that it is nearest to, and what differs: `wu2020, similarity=frobenius`."""
    labels: list[list[str]] = []
    for preset in PRESETS:
        base = parameters_of(configure(measure.name, preset))
        changes = [f"{key}={value}" for key, value in parameters_of(measure).items() if value != base[key]]
        labels.append(changes if changes and preset == PRESETS[0] else [preset, *changes])
    nearest: list[str] = min(labels, key=len)
    return ", ".join(nearest)


@cache
def _own() -> frozenset[str]:
    return frozenset(file.stem for file in Path(kernels.__path__[0]).glob("[!_]*.py"))


@cache
def _offered() -> dict[str, metadata.EntryPoint]:
    found: dict[str, metadata.EntryPoint] = {}
    for point in metadata.entry_points(group=ENTRY_POINTS):
        if point.name in _own() or point.name in found:
            raise LayeratlasError(f"{_package(point)} offers a measure called '{point.name}', which there is already")
        found[point.name] = point
    return found


def _of_a_package(name: str) -> type[Measure]:
    point = _offered()[name]
    try:
        offered = point.load()
    except (ImportError, AttributeError, TypeError) as error:
        raise LayeratlasError(
            f"{_package(point)} offers the measure '{name}', which cannot be loaded: {error}. Repair or uninstall it"
        ) from error
    if not (isinstance(offered, type) and issubclass(offered, Measure) and offered.name == name):
        raise LayeratlasError(f"{_package(point)} offers '{name}' as {point.value}, which is no measure of that name")
    if offered.kind not in KINDS:
        raise LayeratlasError(f"{_package(point)}: {unknown('kind', offered.kind, KINDS)}")
    return offered


def _declared(name: str, module: Any, package: str) -> type[Measure]:
    for found in vars(module).values():
        if isinstance(found, type) and issubclass(found, Measure) and vars(found).get("name") == name:
            return found
    raise LayeratlasError(f"{package} has a module {module.__name__} without a measure called '{name}'")


def _package(point: metadata.EntryPoint) -> str:
    return f"the package {point.dist.name}" if point.dist is not None else "an installed package"
