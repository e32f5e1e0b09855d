"""The heat trace of a graph of nearest neighbours (Tsitsulin et al. 2020), from all its eigenvalues."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

TEMPERATURES = np.logspace(-1, 1, 256)
_SCALE = 1e6  # as the authors' code has it


def heat_trace(lists: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:  # [words, k] -> [temperatures]
    """Return the mean of exp(-tλ) over the eigenvalues λ of the graph's normalised Laplacian, in millionths.

    Words are joined where either is among the other's nearest.
    """
    words, k = lists.shape
    joined = np.zeros((words, words))
    joined[np.repeat(np.arange(words), k), lists.ravel()] = 1
    joined = np.maximum(joined, joined.T)
    scale = 1 / np.sqrt(joined.sum(axis=1))
    laplacian = np.eye(words) - joined * scale * scale[:, None]
    values = np.linalg.eigvalsh(laplacian)
    found: npt.NDArray[np.float64] = np.exp(-np.outer(TEMPERATURES, values)).mean(axis=1) * _SCALE
    return found
