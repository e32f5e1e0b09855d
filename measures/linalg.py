"""The heavy operations, on whichever library does them best on the device.

On a CPU that is numpy, whose OpenBLAS multiplied at 195 GFLOP/s where torch's MKL reached 130 (AMD EPYC, float32, two
cores; docs/performance.md), and decomposed large matrices in two thirds of the time. Elsewhere it is torch. Tensors may
have leading axes: many small problems are then one call.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

_EXACT_WORDS = 4096  # widened to float64 at once: few enough that their memory is used again, not asked for anew
_CACHED_WORDS = 256  # widened at once where rows are read again and again: they stay in a core's cache
_ROWS = 64  # of a pair's matrix worked through at a time: what is made of them in float64 stays in a core's cache
_SYRK = 1024  # neurons: of so many, squares are summed in place, one triangle alone
_SMALL = 128  # of matrices this small many together: torch takes two thirds of numpy's time

#: Whether numpy does what it can do. Without, the CPU takes the path of other devices: so it can be tested anywhere.
NUMPY = True


def _by_numpy(tensor: Tensor) -> bool:
    return NUMPY and tensor.device.type == "cpu"


def add_product(total: Tensor, left: Tensor, right: Tensor, out: Tensor) -> None:
    """Add leftᵀ right to a float64 total; `out` takes the product in the dtype of its factors.

    total, out [neurons_left, neurons_right]; left [words, neurons_left], right [words, neurons_right].
    """
    if _by_numpy(total):
        np.matmul(left.numpy().T, right.numpy(), out=out.numpy())
        np.add(total.numpy(), out.numpy(), out=total.numpy())  # torch would first copy `out` to float64: 6 × slower
    else:
        total.add_(torch.mm(left.T, right, out=out))


def add_square(total: Tensor, factor: Tensor) -> None:  # total [neurons, neurons], factor [words, neurons]
    """Add factorᵀ factor, in float64, at half the work of a product: to one triangle at least, see `both_triangles`.

    numpy sees that the product is symmetric; of wide layers BLAS itself adds it to the total, at 7/8 of the time.
    torch's threads have no part in it: those that have just been at work get in the way of BLAS's for a while.
    """
    for start in range(0, len(factor), _EXACT_WORDS):
        words = factor[start : start + _EXACT_WORDS]
        if not _by_numpy(total):
            exact = words.double()
            total.addmm_(exact.T, exact)
            continue
        matrix = words.numpy().astype(np.float64, order="C")
        if len(total) < _SYRK:
            total.numpy()[:] += matrix.T @ matrix
        else:
            from scipy.linalg.blas import dsyrk

            dsyrk(1.0, matrix.T, beta=1.0, c=total.numpy().T, lower=1, overwrite_c=1)


def both_triangles(total: Tensor) -> Tensor:  # [neurons, neurons]; as it is, or overwritten
    """Return a sum of squares whole."""
    if _by_numpy(total) and len(total) >= _SYRK:
        for start in range(0, len(total), _ROWS):
            rows = slice(start, start + _ROWS)
            total[rows, rows] = total[rows, rows].triu() + total[rows, rows].triu(1).T
            total[start + _ROWS :, rows] = total[rows, start + _ROWS :].T
    return total


def row_sums(centred: Tensor, pivot: Tensor) -> tuple[Tensor, float, int]:  # centred [words, neurons], pivot [neurons]
    """Return the sums of rows and of rows scaled to length one, [2, neurons]; the sum of lengths; how many rows are 0.

    Rows are centred + pivot, in float64. Those that are 0 have no direction, and are left out of the second sum.
    """
    return _row_sums_of_numpy(centred, pivot) if _by_numpy(pivot) else _row_sums_of_torch(centred, pivot)


def _row_sums_of_numpy(centred: Tensor, pivot: Tensor) -> tuple[Tensor, float, int]:
    sums, start, total, nothing = np.zeros((2, len(pivot))), pivot.double().numpy(), 0.0, 0
    for first in range(0, len(centred), _CACHED_WORDS):
        rows = centred[first : first + _CACHED_WORDS].numpy() + start
        lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))
        scales = np.divide(1, lengths, where=lengths > 0, out=np.zeros_like(lengths))
        sums += np.stack([np.ones_like(lengths), scales]) @ rows
        total, nothing = total + float(lengths.sum()), nothing + int((lengths == 0).sum())
    return torch.from_numpy(sums), total, nothing


def _row_sums_of_torch(centred: Tensor, pivot: Tensor) -> tuple[Tensor, float, int]:
    rows = centred.double() + pivot.double()
    lengths = rows.square().sum(dim=1).sqrt()
    scales = lengths.reciprocal().masked_fill(lengths == 0, 0)
    return torch.stack([torch.ones_like(lengths), scales]) @ rows, float(lengths.sum()), int((lengths == 0).sum())


def product(left: Tensor, right: Tensor, out: Tensor | None = None) -> Tensor:
    """Return left right, in `out` where there is one: [..., rows, shared], [..., shared, columns]."""
    if _by_numpy(left):
        return torch.from_numpy(np.matmul(left.numpy(), right.numpy(), out=None if out is None else out.numpy()))
    return torch.matmul(left, right, out=out)


def column_norms(matrix: Tensor) -> Tensor:  # [..., rows, columns] -> [..., columns]
    """Return the length of each column; torch's own norm takes three times as long over an inner axis."""
    return matrix.square().sum(dim=-2).sqrt()


def _few_rows(matrix: Tensor) -> Sequence[Tensor]:  # [..., rows, columns]
    """Cut a matrix where work on a part stays in a core's cache."""
    return torch.split(matrix, _ROWS, dim=-2) if matrix.device.type == "cpu" else [matrix]


def exact_column_norms(matrix: Tensor) -> Tensor:  # [..., rows, columns] -> [..., columns]
    """Return the length of each column, in float64 whatever the matrix."""
    total = torch.zeros(*matrix.shape[:-2], matrix.shape[-1], dtype=torch.float64, device=matrix.device)
    for rows in _few_rows(matrix):
        total += rows.double().square().sum(dim=-2)
    return total.sqrt_()


def weighted_squares(matrix: Tensor, left: Tensor, right: Tensor) -> Tensor:  # [..., rows, columns] -> [...]
    """Return the sum of the squares of all entries, each times its row's and its column's weight, in float64.

    left [..., rows], right [..., columns]: the weights.
    """
    parts = [rows.double().square() @ right[..., None] for rows in _few_rows(matrix)]
    return (left * torch.cat(parts, dim=-2)[..., 0]).sum(dim=-1)


def largest_of_rows(matrix: Tensor) -> tuple[Tensor, Tensor]:  # [..., rows, columns] -> each [..., rows]
    """Return the largest absolute value of each row, and in which column it is."""
    parts = [rows.contiguous().abs().max(dim=-1) for rows in _few_rows(matrix)]
    values, columns = zip(*parts, strict=True)
    return torch.cat(values, dim=-1), torch.cat(columns, dim=-1)


def standardised(
    products: Tensor, words: int, shifts: tuple[Tensor, Tensor], scales: tuple[Tensor, Tensor], dtype: torch.dtype
) -> Tensor:  # products [pairs, neurons_a, neurons_b], shifts and scales [pairs, neurons] of a and of b
    """Return the correlations that sums of products give, in float64: less the products of means, times the scales."""
    found = torch.empty(products.shape, dtype=dtype, device=products.device)
    ends = (_few_rows(end[..., None]) for end in (shifts[0], scales[0]))
    for part, sums, shift, scale in zip(_few_rows(found), _few_rows(products), *ends, strict=True):
        exact = sums.double() / words
        exact -= shift * shifts[1][:, None]
        exact *= scale
        exact *= scales[1][:, None]
        part.copy_(exact)
    return found


def symmetric_eigen(matrix: Tensor) -> tuple[Tensor, Tensor]:  # [..., size, size] -> [..., size], [..., size, size]
    """Return eigenvalues, largest first, and eigenvectors as columns.

    Of float32 it is torch's, whose MKL takes 60 % of the time of float64, where OpenBLAS takes as long.
    """
    if _by_numpy(matrix) and matrix.dtype == torch.float64 and (matrix.dim() == 2 or matrix.shape[-1] > _SMALL):
        values, vectors = (torch.from_numpy(part) for part in np.linalg.eigh(matrix.numpy()))
    else:
        values, vectors = torch.linalg.eigh(matrix)
    return values.flip(-1), vectors.flip(-1)


def singular_values(matrix: Tensor) -> Tensor:  # [..., rows, columns] -> [..., the smaller of both]
    """Return singular values, float64, in no promised order.

    Of float32, the roots of the eigenvalues of the smaller Gram matrix, made in float64, at half the time of the SVD.
    Squares leave half the digits: a value below 1e-8 of the largest comes out as up to 1e-8 of it, less than what
    float32 products are off by. Of float64 it is the SVD.
    """
    if matrix.dtype == torch.float64:
        if _by_numpy(matrix) and (matrix.dim() == 2 or max(matrix.shape[-2:]) > _SMALL):
            return torch.from_numpy(np.linalg.svd(matrix.numpy(), compute_uv=False))
        values: Tensor = torch.linalg.svdvals(matrix)
        return values
    exact = matrix.double()
    exact = exact.mT if exact.shape[-2] > exact.shape[-1] else exact
    return symmetric_values(product(exact, exact.mT)).clamp(min=0).sqrt()


def nearest_orthogonal(matrix: Tensor) -> Tensor:  # [..., rows, columns], also returned
    """Return the closest orthogonal map, UV' of the SVD; of what is not square, rows or columns are orthonormal.

    Always float64: the roots of a Gram matrix would lose the directions in which there is little.
    """
    exact = matrix.double()
    if _by_numpy(exact):
        left, _, right = (torch.from_numpy(part) for part in np.linalg.svd(exact.numpy(), full_matrices=False))
    else:
        left, _, right = torch.linalg.svd(exact, full_matrices=False)
    return product(left, right)


def symmetric_values(matrix: Tensor) -> Tensor:  # [..., size, size] -> [..., size]
    """Return eigenvalues, smallest first."""
    if _by_numpy(matrix) and (matrix.dim() == 2 or matrix.shape[-1] > _SMALL):
        return torch.from_numpy(np.linalg.eigvalsh(matrix.numpy()))
    values: Tensor = torch.linalg.eigvalsh(matrix)
    return values
