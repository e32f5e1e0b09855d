"""Wide layers, whose algebra goes other ways than that of narrow ones: the numbers are the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from layeratlas.measures import linalg
from layeratlas.measures.engine import How, compare_pairs
from layeratlas.measures.registry import usual_measures
from layeratlas.measures.sources.activations import ArrayRows
from layeratlas.measures.statistics import canonical

GENERATOR = torch.Generator().manual_seed(0)


def orthonormal(rows: int, columns: int) -> torch.Tensor:
    """Return random orthonormal columns [rows, columns], float64."""
    return torch.linalg.qr(torch.randn(rows, columns, dtype=torch.float64, generator=GENERATOR))[0]


@pytest.mark.parametrize("values", ["falling to 0", "equal by threes", "all 0"])
def test_canonical_directions_of_many_components(values: str) -> None:
    """Correlations are right, both sides orthonormal as far as float32 goes, and they give the matrix back."""
    size = canonical._WIDE + 12
    falling = torch.linspace(1, 0, size, dtype=torch.float64) ** 2
    true = {"falling to 0": falling, "equal by threes": falling[::3].repeat_interleave(3)[:size], "all 0": 0 * falling}
    whitened = (orthonormal(size, size) * true[values]) @ orthonormal(size + 9, size).T
    found = canonical.canonical(whitened.float()[None])
    correlations, left, right = (part[0].double() for part in (found.correlations, found.left, found.right))
    torch.testing.assert_close(correlations.sort()[0], true[values].sort()[0], atol=2e-6, rtol=0)
    torch.testing.assert_close((left * correlations) @ right.T, whitened, atol=2e-6, rtol=0)
    for side in (left, right):
        torch.testing.assert_close(side.T @ side, torch.eye(size, dtype=torch.float64), atol=4e-3, rtol=0)


@pytest.mark.parametrize("neurons", [linalg._SYRK - 1, linalg._SYRK + 5])
def test_squares_are_whole(neurons: int) -> None:
    """In however many pieces, from columns of a wider block, and asked for twice."""
    block = torch.randn(300, neurons + 20, generator=GENERATOR)
    factor, total = block[:, 7 : neurons + 7], torch.zeros(neurons, neurons, dtype=torch.float64)
    for piece in torch.split(factor, 130):
        linalg.add_square(total, piece)
    exact = factor.double().T @ factor.double()
    for _ in range(2):
        torch.testing.assert_close(linalg.both_triangles(total), exact, atol=1e-11, rtol=1e-12)


def test_largest_of_rows_of_either_side() -> None:
    """Signs do not count, the first of equals is meant, and a transposed matrix is no other."""
    matrix = torch.randn(2, 150, 90, generator=GENERATOR)
    matrix[:, :, 40] = -matrix[:, :, 20]
    for one in (matrix, matrix.mT):
        values, places = linalg.largest_of_rows(one)
        array = one.abs().numpy()
        np.testing.assert_array_equal(values, array.max(axis=2))
        np.testing.assert_array_equal(places, array.argmax(axis=2))


@pytest.mark.proof
def test_products_of_float32_are_near_for_wide_layers() -> None:
    """The five measures, against float64 throughout."""
    rng = np.random.default_rng(0)
    state = rng.standard_normal((4000, 1300), dtype=np.float32)
    other = state @ rng.standard_normal((1300, 1300), dtype=np.float32) / 36 + 2 * np.tanh(state[:, ::-1])
    found = []
    for dtype in (torch.float32, torch.float64):
        sources = [ArrayRows(name, rows) for name, rows in (("a", state), ("b", other))]
        (some,) = compare_pairs("activations", sources, [(0, 1)], usual_measures(("activations",)), How(dtype))
        found.append([score.value for outcomes in some for _, score in outcomes.single()])  # type: ignore[union-attr]
    np.testing.assert_allclose(found[0], found[1], atol=1e-5, rtol=0)
