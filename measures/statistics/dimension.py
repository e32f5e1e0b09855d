"""The dimension of the surface on which words lie, from the distances to their two nearest neighbours."""

from __future__ import annotations

import numpy as np

from layeratlas.measures.score import MeasureError, TooFewWords
from layeratlas.measures.statistics.wordwise import Matrix

_LEAST = 20  # words: of fewer, a slope says nothing


def two_nn(distances: Matrix, kept: float, name: str) -> float:
    """Return the dimension d for which the ratios μ of the distances [words, 2] are spread as 1 - μ^-d.

    It is the slope through the origin of -log(1 - rank / words) over log μ, of the `kept` share of smallest ratios
    (Facco et al. 2017). Raises TooFewWords, and MeasureError where all neighbours are equally far.
    """
    words = len(distances)
    if words < _LEAST:
        raise TooFewWords(f"{name}: {words} of the sampled words' rows differ; an intrinsic dimension takes {_LEAST}")
    ratios = np.sort(np.log(distances[:, 1] / distances[:, 0]))[: int(kept * words)]
    expected = -np.log1p(-np.arange(1, len(ratios) + 1) / words)
    squares = float(ratios @ ratios)
    if not squares > 0:
        raise MeasureError(f"{name}: every word's two nearest neighbours are equally far, so that no dimension follows")
    return float(ratios @ expected) / squares
