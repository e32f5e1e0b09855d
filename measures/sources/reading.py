"""What all kinds of sources need to read files and arrays."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from layeratlas.measures.score import MeasureError
from layeratlas.store.errors import ArtifactDamaged

T = TypeVar("T")


@contextmanager
def readable(name: str, path: Path | str) -> Iterator[None]:
    """Turn what a damaged file raises into ArtifactDamaged."""
    try:
        yield
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
