"""The errors a user can meet: one base class, a few named ones, each with the exit code of the command line."""

from __future__ import annotations

import difflib
import errno
import os
from collections.abc import Iterable
from pathlib import Path

_FULL = (errno.ENOSPC, errno.EDQUOT)  # the disk, or a user's share of it


class LayeratlasError(Exception):
    """Something the user can mend. The message says what was expected, what came, and what to do."""

    exit_code = 1
    has_lines = False  # whether the message is more than one line; else a line break in it belongs to a name


class BadRequest(LayeratlasError, ValueError):  # noqa: N818 - named for what it is, as its siblings are
    """A request that cannot be carried out as written: an unknown name, a bad study, a setting out of range."""

    exit_code = 2


class NothingYet(LayeratlasError):  # noqa: N818
    """The question is fine, the catalog has no answer yet."""

    exit_code = 3


class CatalogMissing(NothingYet):
    """There is no catalog, but a log that it can be made of: nobody has merged yet, or the catalog was deleted."""


class ArtifactDamaged(LayeratlasError):  # noqa: N818
    """An artifact's bytes are not what was written."""

    exit_code = 4


class CatalogDamaged(LayeratlasError):  # noqa: N818
    """The catalog cannot be read."""

    exit_code = 4


class CatalogNewer(CatalogDamaged):
    """The catalog was written by a newer layeratlas: nothing is wrong with it."""


class AttentionMissing(LayeratlasError):  # noqa: N818
    """A model that has attention gave none, or not for every block."""


class MissingPackage(LayeratlasError):  # noqa: N818
    """An optional package is not installed. The message says which extra brings it."""


class StoreBusy(LayeratlasError):  # noqa: N818
    """Another process holds what this one needs."""


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Say that a name is unknown, with its nearest neighbours or, failing these, all that there is."""
    names = sorted(set(known))
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there is: {', '.join(names) or 'none'}"
    return f"unknown {kind} '{name}'; {hint}"


def unwritable(file: Path | str | None, why: OSError | str) -> LayeratlasError:
    """Say that something cannot be written, in the system's words or in a library's; what is finished is never lost."""
    said = why if isinstance(why, str) else why.strerror or str(why)
    full = any(os.strerror(code) in said for code in _FULL)
    what = (
        f"the disk{f' that holds {file}' if file else ''} is full" if full else f"{file or 'a file'} cannot be written"
    )
    rest = "; make room, then run the same command to go on" if full else ""
    return LayeratlasError(f"{what}: {said}. Nothing that was finished is lost{rest}")
