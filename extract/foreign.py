"""Other people's code: whatever a model's own code or a library raises is one line about that model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pickle import UnpicklingError

from layeratlas.store.errors import LayeratlasError

_LONGEST = 400  # characters of what a library says
_NO_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory")


@contextmanager
def foreign(says: Callable[[str], str], *, memory: bool = False) -> Iterator[None]:
    """Turn whatever is raised inside into a LayeratlasError of one line; `says` makes the line from the reason.

    Our own errors and Ctrl-C pass as they are, and so does what is raised when memory is short, but with `memory`.
    Libraries in Rust raise panics that are no Exception, and a model's code may call `exit`: these are caught too.
    """
    try:
        yield
    except (LayeratlasError, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        if is_out_of_memory(error) and not memory:
            raise
        raise LayeratlasError(says(reason_of(error))) from error


def reason_of(error: BaseException) -> str:
    """Return what an error says, in one line."""
    if isinstance(error, UnpicklingError):
        return "its pickled weights hold more than weights: convert them to safetensors"
    try:
        said = " ".join(str(error).split())
    except Exception:  # an error whose own text fails
        said = ""
    if isinstance(error, RecursionError):
        said = "its files are nested too deeply"
    named = type(error).__name__
    if not said:
        return named
    return (said if isinstance(error, OSError | ValueError | RuntimeError) else f"{named}: {said}")[:_LONGEST]


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether a library raised this because memory was short."""
    if type(error).__name__ in ("MemoryError", "OutOfMemoryError"):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in _NO_MEMORY)
