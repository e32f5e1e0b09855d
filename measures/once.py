"""A property that is computed when it is first asked for, once: threads at work on several objects do not wait.

Before Python 3.12 `functools.cached_property` has one lock for all objects of a class: of two layers' decompositions
the second waited for the first.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")
_LOCK = "_computing"


class computed_once(Generic[T]):  # noqa: N801 - it is used as a decorator
    """Keeps what it computed in the object's own dictionary, under the property's name; one thread an object."""

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self._compute, self._name = compute, compute.__name__
        self.__doc__ = compute.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> computed_once[T]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...

    def __get__(self, instance: object | None, owner: type) -> computed_once[T] | T:
        if instance is None:
            return self
        kept = vars(instance)
        with kept.setdefault(_LOCK, threading.RLock()):  # of the object: one property may ask for another
            if self._name not in kept:
                kept[self._name] = self._compute(instance)
            found: T = kept[self._name]
            return found
