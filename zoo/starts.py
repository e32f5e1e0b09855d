"""First weights that let small models begin with what large ones find out only after many steps.

Nothing here is fixed: everything is learned on from these values.
"""

import torch
from torch import Tensor, nn


def waves(places: int, width: int, longest: float) -> Tensor:
    """Sines and cosines, [places, width], of wave numbers from 1 down to 1/longest (Vaswani et al. 2017).

    Neighbouring positions begin alike, so that a pattern learned at one position holds at others.
    """
    return torch.cat([_angles(places, width, longest).sin(), _angles(places, width, longest).cos()], dim=1)


def basis(width: int) -> Tensor:
    """A random orthogonal matrix, [width, width], from the global generator.

    Waves are turned by it: the same neuron must not stand for the same wave in every model, which comparisons of
    models neuron by neuron would take for something they had learned.
    """
    turned: Tensor = torch.linalg.qr(torch.randn(width, width))[0]
    return turned


def shift(width: int, longest: float, places: int) -> Tensor:
    """The rotation, [width, width], that takes the wave of position p to that of p + places: wave @ rotation."""
    angle = places * _angles(2, width, longest)[1]
    sine, cosine = angle.sin().diag(), angle.cos().diag()
    return torch.cat([torch.cat([cosine, -sine], dim=1), torch.cat([sine, cosine], dim=1)])


@torch.no_grad()
def look_at_neighbours(query: nn.Linear, key: nn.Linear, rotations: list[Tensor], gain: float) -> None:
    """Makes each head begin by attending to one place, given as the rotation from that place to the head's own.

    A head's keys are its queries seen through the rotation, so that a query meets itself at that place. Long after
    mimetic initialisation (Trockman & Kolter 2023), which makes attention begin near the diagonal.
    """
    size = query.weight.shape[0] // len(rotations)
    query.weight.mul_(gain)
    for head, rotation in enumerate(rotations):
        rows = slice(head * size, (head + 1) * size)
        key.weight[rows] = query.weight[rows] @ rotation.T


def _angles(places: int, width: int, longest: float) -> Tensor:
    return torch.arange(places)[:, None] * longest ** (-torch.arange(0, width, 2) / width)
