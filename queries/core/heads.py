"""What a head attends to, between who reads it and who draws it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True)
class Attending:
    """One head over one sentence: weights [query, key], rows sum to one; `title` names the head."""

    title: str
    words: tuple[str, ...]
    weights: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Counterparts:
    """A head, and the head of another model that it matches best, if there are scores; `says` how well."""

    head: Attending
    other: Attending | None
    corpus: str
    sentence: int
    says: str
