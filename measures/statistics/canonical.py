"""Canonical correlations of whitened components, with their directions. Axes: `moments.py`."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from layeratlas.measures.linalg import column_norms, product, symmetric_eigen

_WIDE = 768  # components: of more, canonical directions of float32 products are found in float32
_FAINT = 1 / 16  # of the largest canonical correlation: below, float32 eigenvectors of squares are a mixture


@dataclass(frozen=True)
class Canonical:
    """Canonical correlations of the kept components of pairs of layers, with the directions in either."""

    correlations: Tensor  # [pairs, shared]
    left: Tensor  # [pairs, kept_a, shared]
    right: Tensor  # [pairs, kept_b, shared]

    @property
    def flipped(self) -> Canonical:
        """The same, seen from b."""
        return Canonical(self.correlations, self.right, self.left)


def canonical(whitened: Tensor, *, complete: bool = True) -> Canonical:  # [pairs, kept_a, kept_b], kept_a ≤ kept_b
    """Singular values and vectors through the eigenvectors of the smaller Gram matrix, at a third of an SVD's time.

    The Gram matrix alone would give small singular values to half the digits. Their Rayleigh quotients, the norms of
    `whitenedᵀ left`, are right to second order in the error of the vectors. Directions without correlation have no
    counterpart that could be computed so; then the SVD completes them. The Gram matrix is float64 whatever the data:
    it squares the distances between directions, and pwsim needs each of them.
    complete: not of float32 that holds many directions. Some of them always correlate less than its rounding can tell;
    what it leaves of their counterparts is as good as what the SVD makes of that rounding.
    """
    if whitened.dtype == torch.float32 and whitened.shape[1] > _WIDE:
        return _of_many(whitened)
    exact = whitened.double()
    left = symmetric_eigen(product(exact, exact.mT))[1].to(whitened.dtype)
    right = product(whitened.mT, left)  # [pairs, kept_b, shared], not yet of length one
    correlations = column_norms(right) / column_norms(left)
    right = right / correlations.clamp(min=torch.finfo(whitened.dtype).tiny)[:, None]
    lost = correlations.amin(dim=1) < torch.finfo(whitened.dtype).eps ** 0.5
    if lost.any() and (complete or whitened.dtype == torch.float64):
        left[lost], correlations[lost], right_rows = torch.linalg.svd(whitened[lost], full_matrices=False)
        right[lost] = right_rows.mT
    return Canonical(correlations.clamp(max=1), left, right)


def _of_many(whitened: Tensor) -> Canonical:  # [pairs, kept_a, kept_b], kept_a ≤ kept_b, float32
    """The same with eigenvectors in float32, at 60 % of the time.

    These mix directions whose squared correlations are closer than float32's rounding of the largest, so that those
    with less than `_FAINT` of the largest correlation, few of all, are told apart among themselves by an SVD in
    float64. That completes the ones without correlation as well.
    """
    exact = whitened.double()
    left = symmetric_eigen(product(exact, exact.mT).to(whitened.dtype))[1]
    right = product(whitened.mT, left)  # [pairs, kept_b, shared], not yet of length one
    correlations = column_norms(right) / column_norms(left)
    first = int((correlations > _FAINT * correlations.amax(dim=1, keepdim=True)).sum(dim=1).min())
    strong = right[..., :first].div_(correlations[:, None, :first])
    if first < whitened.shape[1]:
        faint = torch.linalg.qr(left[..., first:].double())[0]
        rest = product(faint.mT, exact)  # [pairs, faint, kept_b]
        rest -= product(product(rest.to(whitened.dtype), strong), strong.mT)
        turn, values, rows = torch.linalg.svd(rest, full_matrices=False)
        left[..., first:], correlations[:, first:], right[..., first:] = product(faint, turn), values, rows.mT
    return Canonical(correlations.clamp(max=1), left, right)
