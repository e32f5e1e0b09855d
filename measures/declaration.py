"""How a measure declares itself: what it compares and needs, its range and direction, and what it is blind to.

A measure is one file in `measures/kernels/`, called by the measure's name, with one class under `@measure`. The engine,
the command line, the catalog, the questions' orderings and colours, the docs and the tests go by what it declares.
A package of one's own offers measures through the entry point group `layeratlas.measures` (CONTRIBUTING.md).

Nothing here imports torch, so that planning, `status` and the docs can read declarations in no time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, TypeVar, dataclass_transform, runtime_checkable

from layeratlas.measures.score import Scores

Direction = Literal["similarity", "distance"]

#: What is compared with what, from the most local to the most global; listings are in this order.
LEVELS = ("neuron", "mixed", "representation", "head")

#: Changes of b that a measure of a towards b may be blind to. Of attention, permutation is that of heads.
PERMUTATION, NEURON_SCALES, SCALE, TRANSLATION, ROTATION, INVERTIBLE = INVARIANCES = (
    "permutation", "neuron scales", "scale", "translation", "rotation", "invertible map",
)  # fmt: skip

#: Names for sets of parameters: ours, and those that follow the conventions of a paper's released code, or of a
#: collection of measures. A measure that has no set of that name is asked with its defaults.
PRESETS = (
    "default", "wu2020", "resi", "netrep", "repsim", "gulp", "google", "nbs", "rsatoolbox", "neuroai", "platonic",
)  # fmt: skip


class Range(NamedTuple):
    """The ends of what a measure can say; None where there is no end."""

    low: float | None
    high: float | None


@dataclass(frozen=True)
class Ends:
    """The two layers of a pair, as refusals name them, and how many words both have."""

    a: str
    b: str
    words: int


class Gathering(Protocol):
    """One statistic while one pass over the words fills it, for the layers and pairs of one tile (by index)."""

    def add(self, block: Any) -> None:
        """Take the next words of every layer, as the kind's source lays them out."""

    def group(self, a: int, b: int) -> Hashable:
        """Return on what, beside the layer itself, this pair's view of its layers depends; None as a rule."""

    def prepare(self, index: int, group: Hashable) -> Any:
        """Return what is known of one layer. Raises MeasureError where nothing can be said of it."""

    def pair(self, pairs: list[tuple[int, int]]) -> Any:
        """Return what is known of pairs (a, b), a < b, of one group whose layers have the same widths."""

    def release(self, row: int) -> None:
        """Give up what only pairs (a, b) with a < row need."""


@runtime_checkable
class Settling(Protocol):
    """A gathering whose layers take less once all measures have prepared them."""

    def settle(self, index: int) -> None:
        """Give up what only preparing a layer needs."""


class Statistic(Protocol):
    """What one pass over the words gathers. Hashable: measures that need the same one share it.

    One of which one can serve the measures of several is a `joined.Joint`.
    """

    def bytes(self, units: list[int], pairs: list[tuple[int, int]]) -> int:
        """Return how many bytes it takes for layers of these widths and pairs among them."""

    def begin(self, layers: Any, pairs: list[tuple[int, int]], how: Any) -> Gathering:
        """Make room for the layers and pairs of a tile. layers: the kind's sources; how: `engine.How`."""


class Measure:
    """What every measure declares, and the three steps of a comparison. Parameters are the fields of a subclass.

    A comparison is batched: `compare` takes many pairs at once whose prepared layers have the same shapes. Of what
    `prepare` returns (a frozen dataclass, or None), tensors get a leading axis `pairs`, floats become tensors [pairs],
    and whole numbers stay as they are: pairs whose whole numbers differ are never compared together.
    """

    name: ClassVar[str]
    version: ClassVar[int]  # raise it when numbers change
    kind: ClassVar[str] = "activations"  # of artifacts, a name in store.kinds
    level: ClassVar[str] = "representation"  # one of LEVELS
    symmetric: ClassVar[bool]  # whether a towards b is always b towards a
    range: ClassVar[Range]  # what values there are; see `bounds`
    direction: ClassVar[Direction] = "similarity"  # larger is closer, or `distance`: smaller is; see `sense`
    itself: ClassVar[float | None] = 1.0  # of a layer towards itself; None where that depends on the layer
    triangle: ClassVar[bool] = False  # whether it is a distance that keeps the triangle inequality; see `is_metric`
    invariant_to: ClassVar[frozenset[str]] = frozenset()  # some of INVARIANCES; see `blind_to`
    of_words: ClassVar[bool] = True  # whether it asks how each word does in both layers; else only shapes are compared
    noise: ClassVar[float] = 1e-5  # how far two computations of a value may differ, beside the larger of it and 1
    equal_widths: ClassVar[bool] = False  # whether both layers need the same number of units
    needs: ClassVar[Statistic]  # what one pass over the words must gather; see `statistic`
    groups: ClassVar[tuple[str, ...]] = ()  # by which it can be asked for with others, beside those of its presets
    whole: ClassVar[bool] = False  # whether it takes all of a layer's directions: others then find theirs made
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}  # parameters that reproduce somebody's conventions
    usual: ClassVar[tuple[Mapping[str, Any], ...]] = ()  # parameters it is computed with when no measure is named
    variants: ClassVar[tuple[Mapping[str, Any], ...]] = ()  # further parameters that tests must go over
    no_interval: ClassVar[str] = ""  # why the spread over blocks of text says nothing of it; "": it does; see `unsure`

    @property
    def bounds(self) -> Range:
        """The range under these parameters."""
        return self.range

    @property
    def sense(self) -> Direction:
        """The direction under these parameters."""
        return self.direction

    @property
    def is_metric(self) -> bool:
        """Whether the triangle inequality holds under these parameters."""
        return self.triangle

    @property
    def blind_to(self) -> frozenset[str]:
        """What b may undergo under these parameters without moving a's value towards it."""
        return self.invariant_to

    @property
    def self_value(self) -> float | None:
        """The value of a layer towards itself under these parameters."""
        return self.itself

    @property
    def statistic(self) -> Statistic:
        """What one pass over the words must gather under these parameters."""
        return self.needs

    @property
    def unsure(self) -> str:
        """Why it has no interval under these parameters; "" where it has."""
        return self.no_interval

    def expected(self, a: Any, b: Any, words: int) -> Any:
        """Return the mean, [pairs] float64, over all ways in which words can meet, each as likely; None: unknown.

        a, b: what was prepared, batched, as `compare` takes it.
        """
        return None

    def prepare(self, layer: Any) -> Any:
        """Return, once a layer, what comparing it will need of its statistics; changes nothing."""
        return None

    def check(self, a: Any, b: Any, ends: Ends) -> None:
        """Raise MeasureError where this pair of prepared layers must not be compared; the message says what to do.

        It goes by whole numbers and by the words, which are the same for all pairs of a batch.
        """

    def compare(self, a: Any, b: Any, cross: Any) -> Scores:
        """Score a towards b for a batch of pairs. a, b: what was prepared, batched; cross: the statistic's pairs.

        Diagnostics begin with `cross.counts`, which say how many words were compared.
        """
        raise NotImplementedError


def added(default: Any) -> Any:
    """Return the field of a parameter that a measure got after scores of it were kept.

    At its default it is no part of the measure's identity, so that what is kept stays known.
    """
    return dataclasses.field(default=default, metadata={"added": True})


def parameters_of(measure: Measure | type[Measure], *, of_identity: bool = False) -> dict[str, Any]:
    """Return a measure's parameters, or a class's defaults, as users write them: `lambda_` is called `lambda`.

    of_identity: without those that were added later and stand at their default.
    """
    return {
        field.name.rstrip("_"): getattr(measure, field.name)
        for field in dataclasses.fields(measure)  # type: ignore[arg-type]  # every measure is a dataclass
        if not (of_identity and field.metadata.get("added") and getattr(measure, field.name) == field.default)
    }


M = TypeVar("M", bound=Measure)


@dataclass_transform(frozen_default=True, field_specifiers=(added, dataclasses.field))
def measure(declared: type[M]) -> type[M]:
    """Make a measure of a class: a frozen dataclass whose declaration is whole. Raises TypeError where it is not."""
    missing = [name for name in ("name", "version", "symmetric", "range", "needs") if not hasattr(declared, name)]
    wrong = [
        *(f"lacks {name}" for name in missing),
        *(f"names an unknown invariance '{name}'" for name in declared.invariant_to - set(INVARIANCES)),
        *([f"has no level '{declared.level}'"] if declared.level not in LEVELS else []),
        *([f"has no direction '{declared.direction}'"] if declared.direction not in ("similarity", "distance") else []),
        *(f"has no preset '{preset}'" for preset in declared.presets if preset not in PRESETS),
    ]
    if wrong:
        raise TypeError(f"the measure {declared.__name__} {', '.join(wrong)}: see layeratlas.measures.declaration")
    return dataclass(frozen=True)(declared)


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise ValueError when a parameter is not one of its choices."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got '{value}'")
