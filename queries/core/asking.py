"""Asking a store one question by name: the catalog is open as long as it takes, and no longer. All faces ask so."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from layeratlas.queries.core.registry import Option, Question
from layeratlas.queries.core.scope import Asked, UnknownMeasure
from layeratlas.queries.core.table import Table
from layeratlas.queries.core.usual import OWN
from layeratlas.store.errors import BadRequest, unknown
from layeratlas.store.kinds import KINDS

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from layeratlas.store.store import Store

Names = str | Sequence[str] | None


@contextmanager
def asking(store: Store) -> Iterator[DuckDBPyConnection]:
    """Open the catalog for questions. A measure that can be measured, but has no scores, says how to get some."""
    try:
        with store.catalog() as catalog:
            yield catalog
    except UnknownMeasure as error:
        if error.name in store.versions and error.source == OWN:
            raise BadRequest(f"{error} To add one: `layeratlas measure --measure {error.name}`") from None
        raise


def answer(store: Store, question: Question, asked: Asked, given: Mapping[str, Any]) -> Table:
    """Ask a store a question; return all rows; of each measure so many as `asked` says, where it counts them so.

    Raises BadRequest for what the question cannot be told, and what the question raises.
    """
    _check(question, asked, given)
    if question.limits_each_measure and asked.limit is None:
        asked = replace(asked, limit=sys.maxsize)
    with asking(store) as catalog:
        return question.ask(catalog, asked, **given, **files_for(question, store))


def files_for(question: Question, store: Store) -> dict[str, Any]:
    """Return what a question is given beside the catalog: the store, where it reads its files."""
    return {"store": store} if question.reads_files else {}


def names(given: Names) -> tuple[str, ...]:
    """Return one name, several or none as a tuple. Raises BadRequest for what is no name."""
    found = [given] if isinstance(given, str) else [] if given is None else given
    if not isinstance(found, Iterable) or not all(isinstance(each, str) for each in found):
        raise BadRequest(f"expected a name, or a list of names, got {given!r}")
    return tuple(found)


def model_layer(of: str, layer: int | None) -> str:
    """Return MODEL:LAYER of a model's name and a layer; with no layer, `of` is MODEL:LAYER itself."""
    return of if layer is None else f"{of}:{layer}"


def _check(question: Question, asked: Asked, given: Mapping[str, Any]) -> None:
    """Refuse what the command line would refuse before a question is asked."""
    if asked.kind is not None and asked.kind not in KINDS:
        raise BadRequest(unknown("kind", str(asked.kind), KINDS))
    if asked.limit is not None and (type(asked.limit) is not int or asked.limit < 1):
        raise BadRequest(f"limit must be a whole number from 1, or None for all rows, got {asked.limit!r}")
    for option in question.options:
        value = given[option.name]
        if value is not None:
            _check_option(option, value)


def _check_option(option: Option, value: object) -> None:
    if isinstance(option.kind, tuple):
        if value not in option.kind:
            raise BadRequest(f"{option.name} must be {' or '.join(option.kind)}, got {value!r}")
        return
    wanted = (int, float) if option.kind is float else option.kind
    if not isinstance(value, wanted) or (isinstance(value, bool) and option.kind is not bool):
        said = {str: "a text", int: "a whole number", float: "a number", bool: "True or False"}[option.kind]
        raise BadRequest(f"{option.name} must be {said}, got {value!r}")
    if option.least is not None and isinstance(value, int | float) and not value >= option.least:
        raise BadRequest(f"{option.name} must be at least {option.least}, got {value!r}")
