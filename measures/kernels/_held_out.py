"""R² on sentences that a fit has not seen: what `regression` and `ridge` share where they have folds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from layeratlas.measures.declaration import Ends
from layeratlas.measures.score import Scores, TooFewWords

if TYPE_CHECKING:
    from layeratlas.measures.statistics.held_out import FoldCross


@dataclass(frozen=True)
class Fitted:
    """The most directions that a layer has outside a fold, the fewest words there, and its dead neurons."""

    rank: int
    words: int
    dead: int


def check_folds(folds: int) -> None:
    """Raise ValueError where folds are neither none nor at least two."""
    if folds and not 2 <= folds <= 1000:
        raise ValueError(f"folds must be 0, for a fit on all words, or from 2 to 1,000, got {folds}")


def check_words(name: str, b: Fitted, ends: Ends) -> None:
    """Refuse a fit that has no word to spare."""
    if b.words <= b.rank + 1:
        raise TooFewWords(
            f"{name} explains {ends.a} from the {b.rank} directions of {ends.b}: that takes more than {b.rank + 1} "
            f"words outside each fold, there are {b.words:,}. Extract more text, or take more folds"
        )


def held_out(a: Fitted, b: Fitted, cross: FoldCross, ridge: float | None) -> Scores:
    """Score a towards b: 1 - the squares that are left, over all folds, over those about the mean."""
    errors, squares = cross.left_over(ridge)
    neurons = 1 - errors / squares.masked_fill(squares <= 0, float("nan"))  # [pairs, neurons_a]
    values = 1 - errors.sum(dim=1) / squares.sum(dim=1)
    counts = {**cross.counts, "rank_b": b.rank, "dead_a": a.dead, "dead_b": b.dead}
    return Scores(values.clamp(max=1), neurons.clamp(max=1), diagnostics=counts)
