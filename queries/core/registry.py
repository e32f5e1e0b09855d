"""The registry of questions: each is declared once, by its function; commands and the Python API are made from it.

A question is a function (catalog, Asked, its own options by name) -> Table. Its docstring is the help that users read,
its defaults are those of the options; here stand only the names, types and one line of help of these options.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from layeratlas.queries.core.table import Table

Asking = TypeVar("Asking", bound=Callable[..., Table])


@dataclass(frozen=True)
class Option:
    """What one question can be told beside what all share; `name` is the parameter of its function.

    `kind`: str, int, float, bool (a flag), or the names to choose from. `least`: the smallest number.
    """

    name: str
    kind: type | tuple[str, ...]
    help: str
    metavar: str | None = None
    least: int | None = None
    shows_default: bool = False
    default: Any = None  # as the function has it


@dataclass(frozen=True)
class Argument:
    """What has to be named for a question, in order; `is_many`: any number of names, none included."""

    name: str
    metavar: str | None = None
    is_many: bool = False


@dataclass(frozen=True)
class Question:
    """One question: who answers it, and what it is to be told.

    `limit`: rows that are printed unless the user says otherwise; `limits_each_measure`: they are counted for each
    measure, by the question itself. `is_drawn`: people see its answer as a heatmap.
    `reads_files`: its function also takes `store`, from whose files it reads what it was told to.
    """

    name: str
    ask: Callable[..., Table]
    arguments: tuple[Argument, ...] = ()
    options: tuple[Option, ...] = ()
    limit: int | None = None
    limits_each_measure: bool = False
    is_drawn: bool = False
    reads_files: bool = False

    @property
    def help(self) -> str:
        """What it asks, in words."""
        return inspect.getdoc(self.ask) or ""


_DECLARED: dict[str, Question] = {}


def question(
    name: str, *told: Argument | Option, limit: int | None = None, limits_each_measure: bool = False,
    is_drawn: bool = False, reads_files: bool = False,
) -> Callable[[Asking], Asking]:  # fmt: skip
    """Declare a question; `told` are its arguments and options, as parameters of the function are called."""

    def declare(ask: Asking) -> Asking:
        defaults = {each.name: each.default for each in inspect.signature(ask).parameters.values()}
        _DECLARED[name] = Question(
            name, ask, tuple(each for each in told if isinstance(each, Argument)),
            tuple(replace(each, default=defaults[each.name]) for each in told if isinstance(each, Option)),
            limit, limits_each_measure, is_drawn, reads_files,
        )  # fmt: skip
        return ask

    return declare


def declared() -> dict[str, Question]:
    """Return the questions by name, in the order in which they were declared."""
    return dict(_DECLARED)
