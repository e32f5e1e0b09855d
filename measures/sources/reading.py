"""What all kinds of sources need to read files and arrays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from layeratlas.store.errors import ArtifactDamaged


@contextmanager
def readable(name: str, path: Path) -> Iterator[None]:
    """Turn what a damaged file raises into ArtifactDamaged."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise ArtifactDamaged(f"{name}: {path.name} cannot be read: {error}") from error


def float64(array: Any) -> npt.NDArray[np.float64]:
    """Return an array, numpy or torch, in float64."""
    return np.asarray(array.detach().to("cpu", torch.float64) if isinstance(array, torch.Tensor) else array, np.float64)
