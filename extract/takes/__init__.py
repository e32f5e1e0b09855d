"""How each kind of artifact is taken from a model: one module a kind, under the kind's name, with its TAKE."""

from __future__ import annotations

from importlib import import_module

from layeratlas.extract.takes.base import Take
from layeratlas.store.kinds import kind_of


def take_of(kind: str) -> type[Take]:
    """Return how a kind is taken. Raises BadRequest."""
    take: type[Take] = import_module(f"{__name__}.{kind_of(kind).name}").TAKE
    return take
