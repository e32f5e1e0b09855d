"""How a figure declares itself: a number of one layer alone, beside the scores of pairs.

A figure is one file in `measures/figures/`, called by the figure's name, with one class under `@figure`. It takes what
a statistic knows of one layer: the statistics are those that measures of pairs need, and one pass gives both.

Nothing here imports torch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib import import_module
from typing import Any, ClassVar, TypeVar

from layeratlas.measures.declaration import Range, Statistic
from layeratlas.measures.score import MeasureError
from layeratlas.store.errors import BadRequest, unknown
from layeratlas.store.identity import canonical_json

CHOICES = ("usual", "all", "none")

#: Every figure, in the order in which answers have them.
NAMES = (
    "participation_ratio", "effective_rank", "first_component", "anisotropy", "concentricity", "mean_length",
    "magnitude", "dead_neurons", "outlier_neurons", "uniformity", "intrinsic_dimension",
)  # fmt: skip


_ROUNDING = 1e-9  # how far it may carry a value out of its range


@dataclass(frozen=True)
class Figure:
    """What every figure declares. Parameters, which are part of its identity, are the fields of a subclass."""

    name: ClassVar[str]
    version: ClassVar[int]  # raise it when numbers change
    kind: ClassVar[str] = "activations"  # of artifacts, a name in store.kinds
    range: ClassVar[Range]  # what values there are
    needs: ClassVar[Statistic]  # what one pass over the words must gather
    usual: ClassVar[bool] = True  # whether it is computed unasked

    @property
    def statistic(self) -> Statistic:
        """What one pass over the words must gather under these parameters."""
        return self.needs

    def of(self, layer: Any) -> float:
        """Return the figure of what the statistic knows of one layer. Raises MeasureError where there is none."""
        raise NotImplementedError

    def diagnostics(self, layer: Any) -> dict[str, int | float]:
        """Return what one needs to judge the number; `words`, of how many it is, stands first."""
        return {"words": layer.words}

    @property
    def parameters(self) -> str:
        """The parameters as the catalog keeps them."""
        return canonical_json(asdict(self))


F = TypeVar("F", bound=Figure)


def figure(declared: type[F]) -> type[F]:
    """Make a figure of a class: a frozen dataclass whose declaration is whole. Raises TypeError where it is not."""
    missing = [name for name in ("name", "version", "range") if not hasattr(declared, name)]
    if missing:
        raise TypeError(f"the figure {declared.__name__} lacks {', '.join(missing)}")
    return dataclass(frozen=True)(declared)


@dataclass(frozen=True)
class Stated:
    """What a figure says of one layer: a value, or why there is none."""

    figure: Figure
    layer: int  # its place among those that were read
    value: float | None
    refused: str | None = None
    diagnostics: Mapping[str, int | float] = field(default_factory=dict)


class _Figures(Mapping[str, Figure]):
    """Figures by name, each with its parameters."""

    def __getitem__(self, name: str) -> Figure:
        if name not in NAMES:
            raise KeyError(name)
        return _load(name)

    def __iter__(self) -> Iterator[str]:
        return iter(NAMES)

    def __len__(self) -> int:
        return len(NAMES)


FIGURES: Mapping[str, Figure] = _Figures()


@cache
def _load(name: str) -> Figure:
    for found in vars(import_module(f"layeratlas.measures.figures.{name}")).values():
        if isinstance(found, type) and issubclass(found, Figure) and vars(found).get("name") == name:
            return found()
    raise TypeError(f"layeratlas.measures.figures.{name} declares no figure of its name")


def chosen_figures(chosen: Sequence[str]) -> list[Figure]:
    """Return the figures that are named, or meant by `usual`, `all` or `none`; nothing named is `usual`.

    Raises BadRequest.
    """
    named = chosen or ("usual",)
    for name in named:
        if name not in (*CHOICES, *NAMES):
            raise BadRequest(unknown("figure", name, (*CHOICES, *NAMES)))
    return [
        one for one in FIGURES.values()
        if "all" in named or one.name in named or ("usual" in named and one.usual)
    ]  # fmt: skip


def state(figure: Figure, layer: int, known: Any) -> Stated:
    """Return what a figure says of what a statistic knows of a layer, or of the refusal that stands in its place."""
    try:
        if isinstance(known, MeasureError):
            raise known
        value = figure.of(known)
        if not _within(figure.range, value):
            raise MeasureError(f"{known.name}: {figure.name} comes out as {value:.6g}, which is no value of it")
    except MeasureError as refusal:
        return Stated(figure, layer, None, f"{type(refusal).__name__}: {refusal}")
    return Stated(figure, layer, value, None, figure.diagnostics(known))


def _within(ends: Range, value: float) -> bool:
    low, high = ends
    return (
        math.isfinite(value)
        and (low is None or value >= low - _ROUNDING)
        and (high is None or value <= high + _ROUNDING)
    )
