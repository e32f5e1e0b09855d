"""What a user can ask to know beside a score: how far it would differ on other text, and what chance alone gives.

A request is known in the log and in the catalog by its `settings`, canonical JSON: what was asked otherwise is another.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from layeratlas.store.errors import BadRequest
from layeratlas.store.identity import canonical_json

METHODS = ("jackknife", "bootstrap")
#: What each method shuffles or turns; the first is meant where none is named.
NULLS = {"permuted": ("sentences", "words"), "drawn": ("words",), "rotated": ("neurons",)}
UNTRAINED = "untrained"
_BLOCKS = (4, 1000)
_DRAWS = (20, 10_000)
_SEEDS = (0, 2**31 - 1)


class _Asked:
    """What a user asked for, by which it is known."""

    @property
    def settings(self) -> str:
        """Every field, as the catalog knows it."""
        return canonical_json(asdict(self))  # type: ignore[call-overload]  # subclasses are dataclasses


@dataclass(frozen=True)
class Intervals(_Asked):
    """An interval of 95 % for every score. The corpus is cut into so many blocks of whole sentences.

    `jackknife` leaves out one block at a time; `bootstrap` draws as many blocks as there are, again and again, `draws`
    times from this seed. Raises BadRequest.
    """

    table: ClassVar[str] = "intervals"  # of the log

    method: str = "jackknife"
    blocks: int = 20
    seed: int = 0
    draws: int = 200

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise BadRequest(f"method must be {' or '.join(METHODS)}, got '{self.method}'")
        _check("blocks", self.blocks, _BLOCKS)
        _check("seed", self.seed, _SEEDS)
        _check("draws", self.draws, _DRAWS)
        if self.method == "jackknife":  # nothing is drawn
            object.__setattr__(self, "seed", 0)
            object.__setattr__(self, "draws", self.blocks)


@dataclass(frozen=True)
class Nulls(_Asked):
    """What a score would be by chance. `permuted`: the layers have nothing to do with each other, b's text is shuffled.

    `sentences`: which sentence goes with which, among those of one length; `words`: which word with which, whatever the
    sentence. `drawn` is what `words` would give, drawn from its distribution and not from words. `rotated`: b holds
    what it holds, but no neuron stands for anything: its `neurons` are turned at random. Raises BadRequest.
    """

    table: ClassVar[str] = "nulls"

    permuted: str = ""
    permutations: int = 100
    seed: int = 0
    method: str = "permuted"

    def __post_init__(self) -> None:
        if self.method not in NULLS:
            raise BadRequest(f"method must be {' or '.join(NULLS)}, got '{self.method}'")
        units = NULLS[self.method]
        if not self.permuted:
            object.__setattr__(self, "permuted", units[0])
        if self.permuted not in units:
            raise BadRequest(f"permuted must be {' or '.join(units)} of {self.method}, got '{self.permuted}'")
        _check("permutations", self.permutations, (1, 10_000))
        _check("seed", self.seed, _SEEDS)

    @property
    def settings(self) -> str:
        """Every field, as the catalog knows it; `permuted` was all there was once."""
        said = asdict(self)
        if self.method == "permuted":
            del said["method"]
        return canonical_json(said)


@dataclass(frozen=True)
class Untrained(_Asked):
    """What a score would be if b had never been trained: those of a with untrained copies of b's model.

    seeds: how many such copies a study gets of each of its models. Nothing is compared for it but layers as ever, so
    that it takes all copies that there are. Raises BadRequest.
    """

    table: ClassVar[str] = "nulls"

    seeds: int = 3

    def __post_init__(self) -> None:
        _check("seeds", self.seeds, (1, 100))

    @property
    def settings(self) -> str:
        """How the catalog knows it, however many copies there are."""
        return canonical_json({"method": UNTRAINED})


@dataclass(frozen=True)
class Uncertainty:
    """What is asked beside scores; nothing, as a rule."""

    intervals: Intervals | None = None
    nulls: Nulls | None = None
    untrained: Untrained | None = None

    @classmethod
    def of(cls, intervals: Intervals | None, null: Nulls | Untrained | None) -> Uncertainty:
        """Return what these ask."""
        return cls(intervals, None, null) if isinstance(null, Untrained) else cls(intervals, null)

    @property
    def asked(self) -> tuple[Intervals | Nulls, ...]:
        """What is computed with the scores themselves."""
        return tuple(one for one in (self.intervals, self.nulls) if one is not None)

    def over(self, other: Uncertainty) -> Uncertainty:
        """Return this, and of what it does not ask what another does."""
        ours = self if self.nulls or self.untrained else other
        return Uncertainty(self.intervals or other.intervals, ours.nulls, ours.untrained)


NOTHING = Uncertainty()


def intervals_of(text: str) -> Intervals:
    """Return what `jackknife`, `bootstrap` or `bootstrap:blocks=20,seed=3` asks for. Raises BadRequest."""
    method, _, rest = text.partition(":")
    return Intervals(method, **_numbers(rest, ("blocks", "seed", "draws"), text))


def nulls_of(text: str) -> Nulls | Untrained:
    """Return what `permuted`, `permuted:sentences,permutations=200,seed=3` or `untrained:seeds=5` asks for.

    Raises BadRequest.
    """
    name, _, rest = text.partition(":")
    if name == UNTRAINED:
        return Untrained(**_numbers(rest, ("seeds",), text))
    if name not in NULLS:
        known = ", ".join((*NULLS, UNTRAINED))
        raise BadRequest(f"a null is {known}, or as permuted:words,permutations=200,seed=3, got '{text}'")
    unit, _, numbers = rest.partition(",") if rest and "=" not in rest.split(",")[0] else ("", "", rest)
    return Nulls(unit, method=name, **_numbers(numbers, ("permutations", "seed"), text))


def _numbers(text: str, allowed: tuple[str, ...], whole: str) -> dict[str, Any]:
    found = {}
    for part in filter(None, text.split(",")):
        name, _, value = part.partition("=")
        if name not in allowed or not value.isdecimal():
            raise BadRequest(f"'{whole}': expected whole numbers for {', '.join(allowed)}, got '{part}'")
        found[name] = int(value)
    return found


def _check(name: str, value: int, ends: tuple[int, int]) -> None:
    if not ends[0] <= value <= ends[1]:
        raise BadRequest(f"{name} must be from {ends[0]} to {ends[1]:,}, got {value}")
