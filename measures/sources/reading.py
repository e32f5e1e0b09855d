"""What all kinds of sources need to read files and arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from io import BufferedIOBase
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from layeratlas.measures.score import MeasureError
from layeratlas.store.errors import ArtifactDamaged

T = TypeVar("T")

#: Opens an artifact's file by its path below the store: `Store.opened`.
Opened = Callable[[str], Path | BufferedIOBase]


@contextmanager
def reading(name: str, path: str, opened: Opened) -> Iterator[Path | BufferedIOBase]:
    """Give a file to read; what a damaged one raises becomes ArtifactDamaged."""
    try:
        file = opened(path)
        with nullcontext() if isinstance(file, Path) else file:
            yield file
    except (pa.ArrowException, OSError) as error:
        raise ArtifactDamaged(f"{name}: {Path(path).name} cannot be read: {error}") from error


def read_ahead(items: Iterator[T]) -> Iterator[T]:
    """Give items, of which the next is fetched while one is used."""
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(next, items, None)
        while (item := following.result()) is not None:
            following = pool.submit(next, items, None)
            yield item


def float64(name: str, array: Any) -> npt.NDArray[np.float64]:
    """Return what is like an array, of numpy, torch, JAX, polars, pandas or Arrow, in float64. Raises MeasureError."""
    if isinstance(array, torch.Tensor):
        return np.asarray(array.detach().to("cpu", torch.float64))
    try:
        return np.asarray(array, np.float64)
    except (TypeError, ValueError) as error:
        raise MeasureError(f"{name} must be numbers: {' '.join(str(error).split())[:200]}") from None
