"""Every figure of a layer in float64, written the slow, obvious way, by its name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import oracles
import sample_oracles
from scipy.spatial.distance import pdist, squareform

Matrix = npt.NDArray[np.float64]


def singular_values(x: Matrix) -> Matrix:
    found: Matrix = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)
    return found


def participation_ratio(x: Matrix) -> float:
    variances = singular_values(x) ** 2
    return float(variances.sum() ** 2 / (variances**2).sum())


def effective_rank(x: Matrix) -> float:
    values = singular_values(x)
    shares = values[values > 1e-7 * values[0]] / values.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def first_component(x: Matrix) -> float:
    variances = singular_values(x) ** 2
    return float(variances[0] / variances.sum())


def dead_neurons(x: Matrix) -> float:
    return float((np.ptp(x, axis=0) == 0).sum())


def outlier_neurons(x: Matrix) -> float:
    means = x.mean(axis=0)
    return float((np.abs(means - means.mean()) > 3 * means.std()).sum())


def mean_length(x: Matrix) -> float:
    return float(np.mean([np.linalg.norm(row) for row in x]))


def anisotropy(x: Matrix) -> float:
    return float(np.mean(1 - pdist(x, "cosine")))


def intrinsic_dimension(x: Matrix) -> float:
    """The line of Facco et al. 2017 by least squares, over words whose rows differ."""
    chosen = np.unique(x[sample_oracles.draw(len(x), 1000, 0)], axis=0)
    distances = np.sort(squareform(pdist(chosen)), axis=1)
    ratios = np.sort(distances[:, 2] / distances[:, 1])
    kept = int(0.9 * len(ratios))
    heights = -np.log(1 - np.arange(1, kept + 1) / len(ratios))
    return float(np.linalg.lstsq(np.log(ratios[:kept, None]), heights, rcond=None)[0][0])


def uniformity(x: Matrix) -> float:
    return sample_oracles.uniformity(x[sample_oracles.draw(len(x), 1000, 0)])


ORACLES: dict[str, Callable[[Matrix], float]] = {
    "participation_ratio": participation_ratio, "effective_rank": effective_rank, "first_component": first_component,
    "dead_neurons": dead_neurons, "outlier_neurons": outlier_neurons, "mean_length": mean_length,
    "magnitude": oracles.magnitude, "concentricity": oracles.concentricity, "anisotropy": anisotropy,
    "uniformity": uniformity, "intrinsic_dimension": intrinsic_dimension,
}  # fmt: skip
