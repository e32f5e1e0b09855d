"""What measures there are and what each declares, as rows: for the command line and the docs. Imports no torch."""

from __future__ import annotations

import inspect
import re
from typing import Any

from layeratlas.measures.declaration import INVARIANCES, Measure, Range, parameters_of
from layeratlas.measures.registry import MEASURES, groups
from layeratlas.store.errors import BadRequest, unknown

COLUMNS = (
    "measure", "what it is", "of", "range", "direction", "symmetric", "blind to", "needs", "parameters", "groups",
    "paper",
)  # fmt: skip

#: What has no room on a screen.
DETAILS = ("what it is", "of", "symmetric", "parameters", "groups")


def listing(group: str | None = None) -> list[tuple[Any, ...]]:
    """Return a row a measure, all or those of a group. Raises BadRequest."""
    known = groups()
    if group is not None and group not in known:
        raise BadRequest(unknown("group", group, known))
    rows = []
    for name in known["all" if group is None else group]:
        declared, measure = MEASURES[name], MEASURES[name]()
        own = [one for one, members in known.items() if name in members and one != "all"]
        rows.append((
            name, summary(declared), measure.kind, range_text(measure.bounds), measure.sense,
            "yes" if measure.symmetric else "no", blind_text(measure), re.sub(r"(?<!^)(?=[A-Z])", " ",
            type(measure.statistic).__name__).lower(), parameter_text(measure), ", ".join(own), paper(declared),
        ))  # fmt: skip
    return rows


def summary(declared: type[object]) -> str:
    """Return what a measure or a figure is, in a line."""
    return inspect.cleandoc(declared.__doc__ or "").splitlines()[0]


def paper(declared: type[Measure]) -> str:
    """Return the papers that a measure's description names."""
    found = re.findall(r"[^\W\d_][\w\-]+(?: et al\.| and [^\W\d_][\w\-]+)? (?:19|20)\d\d", declared.__doc__ or "")
    return "; ".join(dict.fromkeys(found))


def range_text(ends: Range) -> str:
    """Return a range as it is written."""
    low, high = ("∞" if end is None else f"{end:.4g}" for end in ends)
    return f"[{'-∞' if ends.low is None else low}, {high}]"


def blind_text(measure: Measure) -> str:
    """Return what a measure is blind to."""
    return ", ".join(change for change in INVARIANCES if change in measure.blind_to) or "nothing"


def parameter_text(measure: Measure) -> str:
    """Return a measure's parameters."""
    return ", ".join(f"{name} = {value!r}" for name, value in parameters_of(measure).items()) or "none"
