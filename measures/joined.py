"""Statistics that can be gathered as one: what several measures ask of the same sample of words is gathered once."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any, Protocol, TypeVar, runtime_checkable

from layeratlas.measures.declaration import Measure, Statistic

J = TypeVar("J", bound="Joint")


@runtime_checkable
class Joint(Protocol):
    """A statistic of which one can serve the measures of several."""

    @property
    def shared(self) -> Hashable:
        """What must be equal for two of them to be gathered as one."""

    def joined(self: J, other: J) -> J:
        """Return the one that serves the measures of both."""


def statistics_of(measures: Iterable[Measure]) -> dict[Measure, Statistic]:
    """Return what to gather for each measure; what can be gathered as one is one and the same."""
    keys: dict[Measure, Hashable] = {}
    found: dict[Hashable, Any] = {}
    for measure in measures:
        statistic: Any = measure.statistic
        key: Hashable = statistic.shared if isinstance(statistic, Joint) else statistic
        keys[measure] = key
        found[key] = found[key].joined(statistic) if key in found and isinstance(statistic, Joint) else statistic
    return {measure: found[key] for measure, key in keys.items()}
