"""mixedsim: is the information of one neuron in a whole layer elsewhere?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from layeratlas.measures.score import Score, TooFewWords

if TYPE_CHECKING:
    from layeratlas.measures.moments import Cross, Layer


@dataclass(frozen=True)
class MixedSim:
    """Mean over a's neurons of r, the correlation with their least-squares fit from all of b (Wu et al. 2020).

    Range [0, 1]; not symmetric. Invariant to invertible linear maps of b, and to scale of a's neurons.
    rank_tolerance: a direction of b with less than this share of an average neuron's variance is absent. LayerNorm
    makes every layer rank-deficient by one; what is left there is rounding noise, which must not explain anything.
    Raises TooFewWords when b has as many directions as there are words to fit.
    """

    rank_tolerance: float = 1e-6

    name: ClassVar[str] = "mixedsim"
    version: ClassVar[int] = 1
    kind: ClassVar[str] = "activations"
    symmetric: ClassVar[bool] = False
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"wu2020": {"rank_tolerance": 1e-13}}

    def __post_init__(self) -> None:
        if not 0 < self.rank_tolerance < 1:
            raise ValueError(f"rank_tolerance must be between 0 and 1, got {self.rank_tolerance}")

    def prepare(self, layer: Layer) -> None:
        """Whiten every direction that counts."""
        layer.whitener(layer.rank(self.rank_tolerance))

    def compare(self, a: Layer, b: Layer, cross: Cross) -> Score:
        """Score a towards b."""
        import torch

        rank = b.rank(self.rank_tolerance)
        if a.words <= rank + 1:
            raise TooFewWords(
                f"mixedsim fits {a.name} from the {rank} directions of {b.name}: that takes more than {rank + 1} "
                f"words, there are {a.words:,}. Extract more text"
            )
        fitted = torch.linalg.vector_norm(cross.explained(rank), dim=0, dtype=torch.float64)  # [neurons_a], r
        neurons = fitted.clamp(max=1).masked_fill(~a.alive, float("nan"))
        return Score(
            value=float(neurons.nanmean()),
            neurons=neurons.cpu().numpy(),
            diagnostics={"words": a.words, "rank_b": rank, "dead_a": a.dead, "dead_b": b.dead},
        )
