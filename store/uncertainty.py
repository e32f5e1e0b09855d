"""What a user can ask to know beside a score: how far it would differ on other text, and what chance alone gives.

A request is known in the log and in the catalog by its `settings`, canonical JSON: what was asked otherwise is another.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from layeratlas.store.errors import BadRequest
from layeratlas.store.identity import canonical_json

METHODS = ("jackknife", "bootstrap")
UNITS = ("sentences", "words")
NULLS = ("permuted", "drawn")
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
    """What a score would be if the layers had nothing to do with each other: b's text is shuffled, again and again.

    `sentences`: which sentence goes with which, among those of one length; `words`: which word with which, whatever the
    sentence. `drawn` is what `words` would give, drawn from its distribution and not from words. Raises BadRequest.
    """

    table: ClassVar[str] = "nulls"

    permuted: str = ""
    permutations: int = 100
    seed: int = 0
    method: str = "permuted"

    def __post_init__(self) -> None:
        if self.method not in NULLS:
            raise BadRequest(f"method must be {' or '.join(NULLS)}, got '{self.method}'")
        if not self.permuted:
            object.__setattr__(self, "permuted", UNITS[self.method == "drawn"])
        if self.method == "drawn" and self.permuted != "words":
            raise BadRequest(f"what is drawn is what words in another order give, got permuted = '{self.permuted}'")
        if self.permuted not in UNITS:
            raise BadRequest(f"permuted must be {' or '.join(UNITS)}, got '{self.permuted}'")
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
class Uncertainty:
    """What is asked beside scores; nothing, as a rule."""

    intervals: Intervals | None = None
    nulls: Nulls | None = None

    @property
    def asked(self) -> tuple[Intervals | Nulls, ...]:
        """What there is."""
        return tuple(one for one in (self.intervals, self.nulls) if one is not None)

    def over(self, other: Uncertainty) -> Uncertainty:
        """Return this, and of what it does not ask what another does."""
        return Uncertainty(self.intervals or other.intervals, self.nulls or other.nulls)


NOTHING = Uncertainty()


def intervals_of(text: str) -> Intervals:
    """Return what `jackknife`, `bootstrap` or `bootstrap:blocks=20,seed=3` asks for. Raises BadRequest."""
    method, _, rest = text.partition(":")
    return Intervals(method, **_numbers(rest, ("blocks", "seed", "draws"), text))


def nulls_of(text: str) -> Nulls:
    """Return what `permuted`, `permuted:sentences,permutations=200,seed=3` or `drawn:permutations=200` asks for.

    Raises BadRequest.
    """
    name, _, rest = text.partition(":")
    if name == "drawn":
        return Nulls(method="drawn", **_numbers(rest, ("permutations", "seed"), text))
    if name != "permuted":
        raise BadRequest(f"a null is permuted, drawn, or as permuted:words,permutations=200,seed=3, got '{text}'")
    unit, _, numbers = rest.partition(",") if rest and "=" not in rest.split(",")[0] else (UNITS[0], "", rest)
    return Nulls(unit, **_numbers(numbers, ("permutations", "seed"), text))


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
