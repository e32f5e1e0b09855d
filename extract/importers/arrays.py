"""Arrays in memory, and streams of blocks, as sources of an import."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from layeratlas.extract.importers.base import Source, shaped
from layeratlas.extract.importers.numpy_files import of_array
from layeratlas.store.errors import BadRequest, LayeratlasError
from layeratlas.store.files import TEMPORARY, process_name

TITLE = "the array"


@contextmanager
def source_of(array: Any, layer: int | None, folder: Path) -> Iterator[Source]:
    """Give an array, or an iterator of blocks [rows, neurons] of one layer, as a source for the length of the block.

    Blocks are kept in a temporary file in `folder` meanwhile: memory holds one of them.
    """
    if hasattr(array, "__array__") or hasattr(array, "detach"):
        yield of_array(_numpy(array), TITLE, layer)
        return
    if not isinstance(array, Iterable) or isinstance(array, str | bytes):
        raise BadRequest(f"expected an array, or an iterator of arrays, got {type(array).__name__}")
    folder.mkdir(parents=True, exist_ok=True)
    spool = folder / f"{TEMPORARY}{process_name()}-{secrets.token_hex(4)}-blocks"
    try:
        shape = _spool(array, spool)
        yield of_array(np.memmap(spool, np.float64, "r", shape=shape), TITLE, layer)
    finally:
        spool.unlink(missing_ok=True)


def _spool(blocks: Iterable[Any], file: Path) -> tuple[int, int]:
    """Write blocks one after another, in a type that holds them all exactly; return [rows, neurons]."""
    rows, neurons = 0, None
    with file.open("xb") as sink:
        for block in map(_numpy, blocks):
            own, width, layers = shaped(TITLE, f"the block after row {rows - 1}", block.shape, block.dtype)
            if layers is not None or neurons not in (None, width):
                wanted = f"[rows, {neurons or 'neurons'}]"
                raise LayeratlasError(
                    f"the block after row {rows - 1} has the shape {list(block.shape)}, expected {wanted}"
                )
            sink.write(np.ascontiguousarray(block, np.float64).tobytes())
            rows, neurons = rows + own, width
    if neurons is None:
        raise LayeratlasError("the iterator gave no block of rows")
    return rows, neurons


def _numpy(array: Any) -> Any:
    """Return a numpy array of whatever is like one; of a tensor its numbers, from whatever device."""
    if hasattr(array, "detach"):
        array = array.detach().cpu()
        array = array.float() if str(array.dtype) == "torch.bfloat16" else array
    return np.asarray(array)
