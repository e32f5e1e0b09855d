"""Statistics that can be gathered as one: what several measures ask of the same sample of words is gathered once."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any, Protocol, TypeVar, runtime_checkable

from layeratlas.measures.declaration import Statistic

J = TypeVar("J", bound="Joint")


class Needs(Hashable, Protocol):
    """A measure, or a figure."""

    @property
    def statistic(self) -> Statistic:
        """What one pass over the words must gather."""


N = TypeVar("N", bound=Needs)


@runtime_checkable
class Joint(Protocol):
    """A statistic of which one can serve the measures of several."""

    @property
    def shared(self) -> Hashable:
        """What must be equal for two of them to be gathered as one."""

    def joined(self: J, other: J) -> J:
        """Return the one that serves the measures of both."""


def statistics_of(measures: Iterable[N]) -> dict[N, Statistic]:
    """Return what to gather for each measure or figure; what can be gathered as one is one and the same."""
    keys: dict[N, Hashable] = {}
    found: dict[Hashable, Any] = {}
    for measure in measures:
        statistic: Any = measure.statistic
        key: Hashable = statistic.shared if isinstance(statistic, Joint) else statistic
        keys[measure] = key
        found[key] = found[key].joined(statistic) if key in found and isinstance(statistic, Joint) else statistic
    return {measure: found[key] for measure, key in keys.items()}


def rides_along(asked: Needs, measures: Iterable[Needs]) -> bool:
    """Tell whether a pass for these measures gathers what is asked, or would at hardly a cost."""
    others = list(measures)
    gathered = statistics_of([*others, asked])
    return bool(getattr(asked.statistic, "light", False)) or gathered[asked] in {gathered[one] for one in others}
