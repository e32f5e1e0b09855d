"""Random rotations, as far as two layers see them: a block of one, and the singular values of such a block.

Drawn by numpy's RandomState, whose stream is promised never to change. Everything is float64, and depends on the shape
asked for alone, so that it is the same whatever else is drawn.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]


def stream(*key: int) -> np.random.RandomState:
    """Return the random numbers that belong to a key."""
    return np.random.RandomState(np.array(key, np.uint32))


def block(random: np.random.RandomState, rows: int, columns: int, size: int) -> Matrix:  # [rows, columns]
    """Return the first rows and columns of a rotation of `size` dimensions, all of them equally likely.

    Of normal rows, those columns whitened by all of them (Khatri 1970). What the other columns add to their Gram matrix
    is one Wishart matrix, drawn by its Cholesky factor (Bartlett 1933).
    """
    from scipy.linalg import cholesky, solve_triangular

    inside = random.standard_normal((rows, columns))
    others = size - columns
    outside = random.standard_normal((rows, min(rows, others)))
    if others >= rows:
        outside = np.tril(outside, -1) + np.diag(np.sqrt(random.chisquare(others - np.arange(rows))))
    root = cholesky(inside @ inside.T + outside @ outside.T, lower=True)
    found: Matrix = solve_triangular(root, inside, lower=True)
    return found


def correlations(random: np.random.RandomState, rows: int, columns: int, size: int) -> Matrix:  # [the smaller]
    """Return the singular values of such a block, largest first: canonical correlations that chance gives.

    Those of a bidiagonal matrix whose entries are independent (Edelman and Sutton 2008, the β-Jacobi model, β = 1).
    Where rows and columns exceed the size, so many are 1 by algebra.
    """
    from scipy.linalg import eigvalsh_tridiagonal

    few, many = sorted((rows, columns))
    forced = max(0, few + many - size)
    count, a, b = few - forced, many - few, abs(size - few - many)
    if not count:
        return np.ones(few)
    i = np.arange(count, 0, -1)
    cosine = np.sqrt(random.beta((a + i) / 2, (b + i) / 2))
    other = np.sqrt(random.beta(i[1:] / 2, (a + b + 1 + i[1:]) / 2))
    sine, other_sine = np.sqrt(1 - cosine**2), np.sqrt(1 - other**2)
    diagonal, above = cosine * np.r_[1, other_sine], -sine[:-1] * other
    squares = diagonal**2 + np.r_[above**2, 0]
    values = eigvalsh_tridiagonal(squares, above * diagonal[1:]) if count > 1 else squares
    found: Matrix = np.r_[np.ones(forced), np.sqrt(values[::-1].clip(0, 1))]
    return found


def rotation(random: np.random.RandomState, size: int, columns: int) -> Matrix:  # [size, columns]
    """Return the first columns of a rotation, all of them equally likely (Mezzadri 2007)."""
    orthogonal, triangle = np.linalg.qr(random.standard_normal((size, columns)))
    found: Matrix = orthogonal * np.where(triangle.diagonal() < 0, -1.0, 1.0)
    return found
