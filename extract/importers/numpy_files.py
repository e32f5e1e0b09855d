"""NumPy's files: .npy, a matrix or a stack of layers; .npz, such arrays by name. Pickled objects are refused."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from layeratlas.extract.importers.base import Matrices, Source, number_in, number_of_file, sliced, stacked
from layeratlas.store.errors import LayeratlasError

SUFFIXES = (".npy", ".npz")


def open_file(path: Path) -> Source:
    """Look at a file; rows are read when they are wanted."""
    return _array(path) if path.suffix.lower() == ".npy" else _archive(path)


def of_array(array: npt.NDArray[Any], title: str, number: int | None = None) -> Source:
    """Return an array in memory, or mapped into it, as a source: [rows, neurons] or [layers, rows, neurons]."""
    found = stacked(title, "the array", number, array.shape, array.dtype)

    def stream(key: tuple[str, int | None], at_once: int) -> Iterator[npt.NDArray[Any]]:
        matrix = array if key[1] is None else array[key[1]]
        return sliced(matrix, len(matrix), at_once)

    return Matrices(title, found, stream)


def _array(path: Path) -> Source:
    with path.open("rb") as file:
        _header(path.name, path.name, file)
    return of_array(np.load(path, mmap_mode="r", allow_pickle=False), path.name, number_of_file(path.stem))


def _archive(path: Path) -> Source:
    found = []
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".npy")]
        for name in names:
            with archive.open(name) as file:
                shape, _, dtype = _header(path.name, name, file)
            label = name.removesuffix(".npy")
            found += stacked(path.name, label, number_in(label), shape, dtype)
    if len(names) == 1 and len(found) == 1 and number_of_file(path.stem) is not None:
        found = stacked(path.name, label, number_of_file(path.stem), shape, dtype)
    return Matrices(path.name, found, lambda key, at_once: _members(path, key, at_once))


def _members(path: Path, key: tuple[str, int | None], at_once: int) -> Iterator[npt.NDArray[Any]]:
    """Stream one layer of an archive from its compressed bytes."""
    label, place = key
    with zipfile.ZipFile(path) as archive, archive.open(f"{label}.npy") as file:
        shape, fortran, dtype = _header(path.name, label, file)
        if fortran:  # column by column: there is no row before all is read
            whole = np.frombuffer(file.read(), dtype).reshape(shape, order="F")
            matrix = whole if place is None else whole[place]
            yield from sliced(matrix, len(matrix), at_once)
            return
        rows, neurons = shape[-2:]
        file.seek((place or 0) * rows * neurons * dtype.itemsize, 1)
        for start in range(0, rows, at_once):
            wanted = min(at_once, rows - start)
            content = file.read(wanted * neurons * dtype.itemsize)
            if len(content) < wanted * neurons * dtype.itemsize:
                raise LayeratlasError(f"{path.name}: {label} ends before row {start + wanted} of {rows}")
            yield np.frombuffer(content, dtype).reshape(wanted, neurons)


def _header(title: str, label: str, file: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, whether it is written column by column, and type. Raises LayeratlasError for pickled objects."""
    version = npy.read_magic(file)
    shape, fortran, dtype = (npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0)(file)
    if dtype.hasobject:
        raise LayeratlasError(f"{title}: {label} holds pickled objects, which are not opened: save an array of floats")
    return shape, fortran, dtype
