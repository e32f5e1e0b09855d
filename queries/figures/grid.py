"""Layers × layers of many models: which rows and columns a heatmap has, and where models and families begin."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from layeratlas.queries.ask import Table

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Block:
    """The layers of one model, in adjacent lines of a grid from `start` on."""

    model: str
    family: str
    layers: tuple[int, ...]
    start: int

    @property
    def stop(self) -> int:
        """The line after its last."""
        return self.start + len(self.layers)


@dataclass(frozen=True)
class Grid:
    """Values of layer pairs: `values[i, j]` is the similarity of line i's layer towards column j's; NaN is unknown."""

    rows: tuple[Block, ...]
    columns: tuple[Block, ...]
    values: np.ndarray  # float64 [rows, columns]
    is_square: bool  # rows and columns are the same layers


def grid(table: Table) -> Grid:
    """Arrange layer pairs (columns model_a, layer_a, family_a, model_b, layer_b, family_b, value) by family and model.

    When some model stands on both sides, all models do: the grid is then square, with an empty diagonal.
    """
    import numpy as np

    at = [table.columns.index(name) for name in ("family_a", "model_a", "layer_a", "family_b", "model_b", "layer_b")]
    value = table.columns.index("value")
    pairs = [(tuple(row[i] for i in at[:3]), tuple(row[i] for i in at[3:]), row[value]) for row in table.rows]
    left, right = {pair[0] for pair in pairs}, {pair[1] for pair in pairs}
    is_square = bool({layer[1] for layer in left} & {layer[1] for layer in right})
    if is_square:
        left = right = left | right
    lines, columns = _places(left), _places(right)
    values = np.full((len(lines), len(columns)), np.nan)
    for a, b, score in pairs:
        values[lines[a], columns[b]] = score
    return Grid(tuple(_blocks(lines)), tuple(_blocks(columns)), values, is_square)


def families(blocks: tuple[Block, ...]) -> list[tuple[str, int, int]]:
    """Return each family with the line where it begins and the line after its end."""
    spans: list[tuple[str, int, int]] = []
    for block in blocks:
        if spans and spans[-1][0] == block.family:
            spans[-1] = (block.family, spans[-1][1], block.stop)
        else:
            spans.append((block.family, block.start, block.stop))
    return spans


def _places(layers: set[tuple[str, str, int]]) -> dict[tuple[str, str, int], int]:
    return {layer: index for index, layer in enumerate(sorted(layers))}


def _blocks(places: dict[tuple[str, str, int], int]) -> Iterator[Block]:
    models: dict[tuple[str, str], list[int]] = {}
    for family, model, layer in places:
        models.setdefault((family, model), []).append(layer)
    start = 0
    for (family, model), layers in models.items():
        yield Block(model, family, tuple(layers), start)
        start += len(layers)
