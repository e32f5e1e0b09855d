"""One similarity s under several names: as it is, as what is missing to 1, as a length, as an angle."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from layeratlas.measures.declaration import Direction, Measure, Range, check_choice

if TYPE_CHECKING:
    from torch import Tensor

Form = Literal["similarity", "complement", "squared", "distance", "angular"]


def distance_range(low: float, form: str) -> Range:
    """Return the range of a form of a similarity in [low, 1], low 0 or -1."""
    if form == "similarity":
        return Range(low, 1)
    if form == "angular":
        return Range(0, math.acos(low))
    return Range(0, {"complement": 1 - low, "squared": 2 - 2 * low, "distance": math.sqrt(2 - 2 * low)}[form])


def formed(similarity: Tensor, form: str) -> Tensor:  # [pairs] -> [pairs]
    """Return a form of similarities; rounding beyond 1 counts as 1."""
    s = similarity.double().clamp(-1, 1)
    if form == "complement":
        return 1 - s
    if form == "angular":
        return s.arccos()
    if form == "squared":
        return 2 - 2 * s
    return (2 - 2 * s).sqrt() if form == "distance" else s


def expected_form(mean: Tensor, form: str) -> Tensor | None:  # [pairs], both
    """Return the mean of a form of similarities that have this mean; None where that does not follow."""
    return {"similarity": mean, "complement": 1 - mean, "squared": 2 - 2 * mean}.get(form)


@dataclass(frozen=True)
class Formed(Measure):
    """What measures share whose number has several forms, all of one similarity s.

    form: `similarity` is s, `complement` 1 - s, `squared` 2 - 2s, `distance` √(2 - 2s), `angular` arccos s.
    """

    form: Form = "similarity"

    forms: ClassVar[tuple[str, ...]] = ("similarity", "complement", "squared", "distance", "angular")  # that it takes
    metrics: ClassVar[tuple[str, ...]] = ()  # forms in which the triangle inequality holds

    def __post_init__(self) -> None:
        check_choice("form", self.form, self.forms)

    @property
    def bounds(self) -> Range:
        """The range of this form; `range` is that of s."""
        return distance_range(0 if self.range.low == 0 else -1, self.form)

    @property
    def sense(self) -> Direction:
        """All forms but s itself are distances."""
        return "similarity" if self.form == "similarity" else "distance"

    @property
    def is_metric(self) -> bool:
        """Whether the triangle inequality holds in this form."""
        return self.form in self.metrics

    @property
    def self_value(self) -> float | None:
        """1, or no distance."""
        return 1.0 if self.form == "similarity" else 0.0
