"""Activations that were computed elsewhere: a module a file format, which says what layers a file has and streams them.

Such a module has `SUFFIXES`, the endings of its files, and `open_file(path)`, which returns a Source (`base.py`).
Nothing else lists them. `importing.py` checks a source against a corpus and writes it into a store.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from layeratlas.extract.importers.base import Source, reading
from layeratlas.store.errors import BadRequest


def open_file(path: Path) -> Source:
    """Look at one file: which layers it has. Raises BadRequest for another format, LayeratlasError for damage."""
    formats = list(_formats())
    for module in formats:
        if path.suffix.lower() in module.SUFFIXES:
            with reading(path.name):
                source: Source = module.open_file(path)
            return source
    known = sorted(suffix for module in formats for suffix in module.SUFFIXES)
    raise BadRequest(f"cannot tell the format of {path.name}: activations come as {', '.join(known)}")


def _formats() -> Iterator[Any]:
    for found in iter_modules(__path__):
        module = import_module(f"{__name__}.{found.name}")
        if hasattr(module, "SUFFIXES"):
            yield module
