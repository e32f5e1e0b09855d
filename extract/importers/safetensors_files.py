"""safetensors: one tensor a layer, by name, or a stack of layers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from layeratlas.extract.importers.base import Matrices, Source, number_in, number_of_file, stacked

SUFFIXES = (".safetensors",)
_TORCH_ALONE = ("BF16",)  # numpy has no such type


def open_file(path: Path) -> Source:
    """Look at a file; rows are read when they are wanted."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
        kinds = {name: (each.get_shape(), each.get_dtype()) for name, each in slices.items()}
    found = [layer for name, (shape, dtype) in kinds.items()
             for layer in stacked(path.name, name, number_in(name), shape, _NUMPY.get(dtype, np.object_))]  # fmt: skip
    if len(kinds) == 1 and len(found) == 1 and number_of_file(path.stem) is not None:
        ((name, (shape, dtype)),) = kinds.items()
        found = stacked(path.name, name, number_of_file(path.stem), shape, _NUMPY[dtype])
    return Matrices(path.name, found, lambda key, at_once: _rows(path, key, at_once, kinds[key[0]][1]))


#: Types by the format's names; BF16 is widened to float32.
_NUMPY: dict[str, Any] = {
    "F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": np.float32, "I64": np.int64, "I32": np.int32,
    "I16": np.int16, "I8": np.int8, "U8": np.uint8,
}  # fmt: skip


def _rows(path: Path, key: tuple[str, int | None], at_once: int, dtype: str) -> Iterator[npt.NDArray[Any]]:
    from safetensors import safe_open

    name, place = key
    wide = dtype in _TORCH_ALONE
    with safe_open(path, framework="pt" if wide else "numpy") as file:
        matrix = file.get_slice(name)
        rows = matrix.get_shape()[-2]
        for start in range(0, rows, at_once):
            where = slice(start, min(start + at_once, rows))
            block = matrix[where] if place is None else matrix[place, where]
            yield block.float().numpy() if wide else block
