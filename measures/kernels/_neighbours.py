"""What the measures of nearest neighbours share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from layeratlas.measures.declaration import PERMUTATION, ROTATION, SCALE, TRANSLATION, Range, check_choice
from layeratlas.measures.kernels._sampled import OfSample, check_at_least
from layeratlas.measures.kernels._unsure import NEIGHBOURS
from layeratlas.measures.statistics.sample import Near, Neighbours, View


@dataclass(frozen=True)
class OfNeighbours(OfSample):
    """Measures of each sampled word's k nearest others."""

    k: int = 10
    near: Near = "cosine"

    range = Range(0, 1)
    no_interval = NEIGHBOURS
    invariant_to = frozenset({PERMUTATION, SCALE, ROTATION})

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least("k", self.k, 1)
        check_choice("near", self.near, get_args(Near))

    @property
    def blind_to(self) -> frozenset[str]:
        """Distances do not see where the origin is; angles and products do."""
        return self.invariant_to | ({TRANSLATION} if self.near == "euclidean" else set())

    @property
    def views(self) -> tuple[View, ...]:
        """The neighbours."""
        return (Neighbours(self.k, self.near),)


def check_clip(clip: float) -> None:
    """Raise ValueError where a quantile is none."""
    if not 0 < clip <= 1:
        raise ValueError(f"clip must be more than 0 and at most 1, got {clip}")
