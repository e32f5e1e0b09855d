"""Who measured the scores that a question is asked of: everybody, this store, or one bundle or remote.

The SQL of questions says nothing of it: `measured_by` puts the condition where a statement reads scores.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from layeratlas.store.errors import BadRequest, NothingYet, unknown

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

OWN, ALL = "own", "all"
THIS_STORE = "this store"  # what the views call it
_OURS = 0  # base.scores has NULL there

#: What statements read scores from: the table, where origins are numbers, and the views, where they are names.
_TABLE, _VIEWS = "base.scores", ("layer_pairs", "all_layer_pairs", "neurons", "heads", "refusals")
_READ = re.compile(rf"\b(FROM|JOIN) ({'|'.join(map(re.escape, (_TABLE, *_VIEWS)))})\b")
_CONDITIONS = {
    _TABLE: f"list_contains($origins, coalesce(origin, {_OURS}))", **dict.fromkeys(_VIEWS, "origin = $origin"),
}  # fmt: skip


@dataclass(frozen=True)
class Origin:
    """Whose scores are meant, as the views name it; None: everybody's. `numbers`: the same as base.scores has it."""

    name: str | None = None
    numbers: tuple[int, ...] = ()

    @property
    def values(self) -> dict[str, Any]:
        """What SQL can bind, by name."""
        return {"origin": self.name, "origins": list(self.numbers)}

    @property
    def context(self) -> tuple[str, ...]:
        """Whose scores an answer is of, in words, where it is not everybody's."""
        return (f"only scores of {self.name}",) if self.name else ()

    def nothing(self, otherwise: str) -> NothingYet:
        """Say that there is nothing; `otherwise` says so where everybody's scores were asked for."""
        return NothingYet(f"there are no scores of {self.name}: leave --origin out for all" if self.name else otherwise)


EVERYBODY = Origin()


def find_origin(catalog: DuckDBPyConnection, named: str | None) -> Origin:
    """Find the origin that is meant: `own`, `all` (as when none is named), or a name. Raises BadRequest."""
    if named in (None, ALL):
        return EVERYBODY
    if named in (OWN, THIS_STORE):
        return Origin(THIS_STORE, (_OURS,))
    known = catalog.execute("SELECT origin, id FROM base.origins").fetchall()
    numbers = tuple(number for origin, number in known if origin == named)
    if not numbers:
        raise BadRequest(unknown("origin", str(named), (OWN, ALL, *(origin for origin, _ in known))))
    return Origin(named, numbers)


def measured_by(sql: str, values: Mapping[str, Any]) -> str:
    """Return a statement that reads the scores of `origin` only; as it is where `values` name none."""
    if values.get("origin") is None:
        return sql
    return _READ.sub(lambda found: f"{found[1]} (FROM {found[2]} WHERE {_CONDITIONS[found[2]]})", sql)
