"""Layers whose neurons are turned at random: what a layer holds stays, which neuron holds it does not.

A rotation R takes b's centred neurons, as the model has them, to b R: its covariance becomes Rᵀ S_b R, and a's with it
C_ab R. So no word is read again: d³ operations a layer and a pair. Neurons that do not vary are left alone.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Sequence

import torch
from torch import Tensor

from layeratlas.measures.linalg import product
from layeratlas.measures.statistics import haar
from layeratlas.measures.statistics.derived import Derived
from layeratlas.measures.statistics.moments import Cross, Layer, Moments

_NEURONS = 3  # which random numbers, beside those of `drawn`


def bytes_of(widths: Sequence[int]) -> int:
    """Return what rotations and turned layers take: a rotation a width, four matrices a layer."""
    return 8 * (sum(width**2 for width in set(widths)) + 4 * sum(width**2 for width in widths))


class Rotated(Derived):
    """One draw for all layers. Layer `index` turned is at place `index` + how many layers there are.

    The same draw of layers with as many live neurons is one rotation, whatever else is compared.
    """

    def __init__(self, moments: Moments, layers: int, seed: int, draw: int) -> None:
        super().__init__(moments)
        self._count, self._seed, self._draw = layers, seed, draw
        self._rotations: dict[int, Tensor] = {}  # by how many neurons are alive
        self._turned: dict[int, Layer] = {}
        self._lock = threading.Lock()

    def prepare(self, index: int, group: Hashable = None) -> Layer:
        """Return what is known of a layer, as it is or turned."""
        if index < self._count:
            return self._moments.prepare(index)
        if index not in self._turned:
            layer = self._moments.prepare(index - self._count)
            rotation = self._rotation(layer)
            spread = layer.correlations * layer.std[:, None] * layer.std
            turned = rotation.T @ spread @ rotation
            self._turned[index] = Layer(layer.name, layer.words, layer.mean @ rotation, turned, layer.dtype)
        return self._turned[index]

    def pair(self, pairs: Sequence[tuple[int, int]]) -> Cross:
        """Return the correlations of pairs (a, b turned)."""
        found = [self._correlations(a, b - self._count) for a, b in pairs]
        return Cross(self._moments.words, torch.stack(found))

    def _correlations(self, a: int, b: int) -> Tensor:  # [neurons_a, neurons_b]
        cross = self._moments.pair([(min(a, b), max(a, b))])
        found = (cross if a < b else cross.flipped).correlation[0]
        layer, turned = self._moments.prepare(b), self.prepare(b + self._count)
        scaled = found * layer.relative.to(found.dtype)
        width = (turned.inverse_std * layer.widest).to(found.dtype)
        return product(scaled, self._rotation(layer).to(found.dtype)) * width

    def _rotation(self, layer: Layer) -> Tensor:  # [neurons, neurons]
        alive = int(layer.alive.sum())
        with self._lock:
            if alive not in self._rotations:
                random = haar.stream(self._seed, self._draw, _NEURONS, alive)
                found = torch.from_numpy(haar.rotation(random, alive, alive)).to(layer.std.device)
                self._rotations[alive] = found
        rotation = self._rotations[alive]
        if alive == layer.neurons:
            return rotation
        whole = torch.eye(layer.neurons, dtype=rotation.dtype, device=rotation.device)
        places = layer.alive.nonzero()[:, 0]
        whole[places[:, None], places] = rotation
        return whole
