"""An answer: rows, and as values what they are rows of. Who shows it puts that into words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from layeratlas.queries.core.matrix import Matrix
    from layeratlas.queries.core.scope import Scope


@dataclass(frozen=True)
class Table:
    """An answer: what is shown, columns, rows, of which scores, and in words what the figures mean.

    `notes` say how it was asked. `given` is what the question named, and so the same of every row: no column has it.
    `sql` is the statement that gave the rows, its values written out, so that `layeratlas sql` can run it.
    `ordered`: of rows that are the leaves of a tree, the scores between them, both sides in the order of the rows.
    """

    what: str
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    scope: Scope | None = None
    says: str = ""
    sql: str = ""
    notes: tuple[str, ...] = ()
    given: Mapping[str, Any] = field(default_factory=dict)
    ordered: Matrix | None = field(default=None, compare=False, repr=False)

    def records(self) -> list[dict[str, Any]]:
        """The rows, each by column name."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def full_records(self) -> list[dict[str, Any]]:
        """The rows with what was named beside the columns."""
        return [{**self.given, **row} for row in self.records()]

    def column(self, name: str) -> list[Any]:
        """The values of one column."""
        place = self.columns.index(name)
        return [row[place] for row in self.rows]

    def where(self, column: str, value: Any) -> Table:
        """The same answer, cut to the rows that have this value."""
        place = self.columns.index(column)
        return self._cut([row for row in self.rows if row[place] == value])

    def first(self, rows: int | None) -> Table:
        """The same answer, cut to so many rows."""
        return self._cut(self.rows[:rows])

    def _cut(self, rows: list[tuple[Any, ...]]) -> Table:
        """Some leaves are no tree."""
        return replace(self, rows=rows, ordered=self.ordered if len(rows) == len(self.rows) else None)

    def saying(self, says: str) -> Table:
        """The same answer, with its meaning in words."""
        return replace(self, says=says)

    def without(self, names: Sequence[str]) -> Table:
        """The same answer without some columns."""
        kept = [place for place, name in enumerate(self.columns) if name not in names]
        rows = [tuple(row[place] for place in kept) for row in self.rows]
        return replace(self, columns=tuple(self.columns[place] for place in kept), rows=rows)

    @property
    def context(self) -> tuple[str, ...]:
        """Of which scores, apart from the measure: corpus, words, named models and families, source; and the notes."""
        return (*(self.scope.context if self.scope else ()), *self.notes)

    @property
    def subject(self) -> str:
        """What is shown, by which measures in which configuration."""
        return f"{self.what}, {self.scope.by}" if self.scope else self.what


def union(answers: Sequence[Table], what: str, scope: Scope) -> Table:
    """Put answers of the same columns, one a measure, under one another."""
    rows = [row for answer in answers for row in answer.rows]
    return Table(what, answers[0].columns, rows, scope, sql=union_sql([answer.sql for answer in answers]))


def union_sql(statements: Sequence[str]) -> str:
    """Return one statement that gives the rows of all of them."""
    return "\nUNION ALL\n".join(f"({each})" for each in statements) if len(statements) > 1 else statements[0]
