"""Which windows may share a batch: found by running a short and a long one alone and together.

Most models hide padding behind the attention mask. Some do not (Fourier transforms and convolutions over the whole
sequence, attention by landmarks or hashes), and then a window's numbers would depend on what it was batched with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from layeratlas.extract.encoders.base import Batching, Piece
from layeratlas.extract.encoders.hooks import States

LONG = 72  # pieces of the long window: more than the 64 in which models with local attention usually cut

#: Runs windows with the random generator at a seed; returns the states of every kind.
Run = Callable[[list[list[Piece]], int], Mapping[str, States]]


@dataclass(frozen=True)
class Together:
    """Which windows may share a batch, and whether the model draws random numbers when it runs."""

    batching: Batching = "padded"
    draws: bool = False

    def remarks(self, architecture: str) -> tuple[str, ...]:
        """What to tell the user; nothing of a model that is as most are."""
        if self.draws:
            return (f"{architecture} draws random numbers: each sentence is run alone, from one seed",)
        if self.batching == "padded":
            return ()
        how = "only sentences of equal length are batched" if self.batching == "equal" else "each sentence is run alone"
        return (f"padding changes the numbers of {architecture}: {how}",)


def together(run: Run, window: list[Piece], room: int | None, specials: int) -> Together:
    """Find out which windows may share a batch. `room`: the most pieces, None for any number.

    Numbers agree when they differ by at most √ε of the layer's mean absolute value, ε being the precision's: 3.5e-4 in
    float32. What padding changes is larger by orders; what another batch size changes by rounding alone is smaller.
    """
    long = lengthened(window, room)
    short = window[: max(1, len(long) // 2)]
    if len(short) == len(long):
        return Together("equal")
    alone, whole = run([short], 0), run([long], 0)
    if not _agree(whole, run([long], 1), 0, len(long) + specials):
        return Together("alone", draws=True)
    padded = run([long, short], 0)
    if _agree(whole, padded, 0, len(long) + specials) and _agree(alone, padded, 1, len(short) + specials):
        return Together()
    beside = run([short, short[::-1]], 0)
    return Together("equal" if _agree(alone, beside, 0, len(short) + specials) else "alone")


def lengthened(window: list[Piece], room: int | None) -> list[Piece]:
    """Return the long window: a small one, again and again."""
    return (window * LONG)[: LONG if room is None else min(LONG, room)]


def _agree(alone: Mapping[str, States], batch: Mapping[str, States], row: int, tokens: int) -> bool:
    """Tell whether a batch's row has, at its own tokens, the numbers of the window that was run alone."""
    return all(
        _close(_own(one, 0, tokens), _own(other, row, tokens))
        for kind, states in alone.items()
        for one, other in zip(states, batch[kind], strict=True)
    )


def _own(state: torch.Tensor, row: int, tokens: int) -> torch.Tensor:
    """[tokens, neurons] of [windows, tokens, neurons], or [heads, query, key] of attention."""
    return state[row, :, :tokens, :tokens] if state.ndim == 4 else state[row, :tokens]


def _close(one: torch.Tensor, other: torch.Tensor) -> bool:
    if one.shape != other.shape:
        return False
    allowed = torch.finfo(one.dtype).eps ** 0.5 * one.float().abs().mean()
    difference = (one.float() - other.float()).abs().max()
    return bool(difference <= allowed) or not bool(difference.isfinite())  # NaN is refused where it is stored
