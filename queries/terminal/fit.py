"""Fitting a table into a terminal: names are shortened, layers join their models, then lesser columns are left out.

And fitting a heatmap: how many layers share a cell, and whether every model gets a border.
"""

from __future__ import annotations

from collections.abc import Sequence

Columns = dict[str, list[str]]  # cells by column, all of one length

_NAMES = ("model", "family", "corpus")
_OPTIONAL = (
    ("source",), ("configuration",), ("pooling",), ("corpus",), ("kind",), ("words",), ("family_a", "family_b"),
    ("family",), ("depth",), ("dead_neurons",), ("outlier_neurons",), ("magnitude",), ("mean_length",),
    ("concentricity",), ("uniformity",), ("intrinsic_dimension",), ("refused",), ("anisotropy",),
)  # fmt: skip
_READABLE = 14  # characters of a name
_LEAST = 7
_GAP = 2
_CELLS_FOR_BORDERS = 4  # a model, on average: of narrower ones the borders would be most of what is seen


def fitted(columns: Columns, room: int) -> tuple[Columns, list[str]]:
    """Return what fits into `room` characters, if it can, and the columns that were left out."""
    if _excess(columns, room) > 0:
        columns = _shorten(columns, room, _READABLE)
    if _excess(columns, room) > 0:
        columns = _with_layers(columns)
    left_out = []
    for names in _OPTIONAL:
        if _excess(columns, room) > 0:
            left_out += [name for name in names if name in columns]
            columns = {key: cells for key, cells in columns.items() if key not in names}
    return _shorten(columns, room, _LEAST), left_out


def wide(text: str) -> int:
    """Return the columns that a text takes; a Chinese character takes two."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def shortened(text: str, size: int) -> str:
    """Shorten a name to `size` columns in its middle: names of one family begin alike."""
    if wide(text) <= size:
        return text
    end = max(size - 1, 0) // 3
    head, tail = beginning(text, max(size - 1, 0) - end), beginning(text[::-1], end)[::-1]
    return f"{head}…{tail}" if size > 0 else ""


def padded(text: str, size: int) -> str:
    """Fill a text up to `size` columns."""
    return text + " " * (size - wide(text))


def beginning(text: str, size: int) -> str:
    """Return as much of a text as fits into `size` columns."""
    if text.isascii():
        return text[:size]
    taken, room = 0, size
    while taken < len(text) and (room := room - wide(text[taken])) >= 0:
        taken += 1
    return text[:taken]


def has_model_borders(cells: Sequence[int]) -> bool:
    """Whether every model gets a border in a heatmap with so many cells a model; families always do."""
    return sum(cells) >= _CELLS_FOR_BORDERS * len(cells)


def cell_size(layers: Sequence[Sequence[int]], families: int, room: int) -> int:
    """Return the fewest neighbouring layers a cell with which all models and their borders fit into `room` columns."""
    deepest = max((len(each) for each in layers), default=1)
    for size in range(1, deepest):
        cells = [len({layer // size for layer in each}) for each in layers]
        if sum(cells) + (len(cells) if has_model_borders(cells) else families) - 1 <= room:
            return size
    return deepest


def _size(name: str, cells: list[str]) -> int:
    return max([wide(name), *map(wide, cells)])


def _excess(columns: Columns, room: int) -> int:
    return sum(_size(name, cells) + _GAP for name, cells in columns.items()) - _GAP - room


def _shorten(columns: Columns, room: int, least: int) -> Columns:
    """Take from the longest column of names, again and again, but not below `least`."""
    sizes = {name: _size(name, cells) for name, cells in columns.items() if name.split("_")[0] in _NAMES}
    excess = _excess(columns, room)
    while excess > 0 and sizes:
        longest = max(sizes, key=sizes.__getitem__)
        if sizes[longest] <= max(least, len(longest)):
            break
        sizes[longest] -= 1
        excess -= 1
    return {
        name: [shortened(cell, sizes[name]) for cell in cells] if name in sizes else cells
        for name, cells in columns.items()
    }


def _with_layers(columns: Columns) -> Columns:
    """Write MODEL:LAYER in one column instead of two."""
    joined = dict(columns)
    for end in ("", "_a", "_b"):
        if f"model{end}" in joined and f"layer{end}" in joined:
            layers = joined.pop(f"layer{end}")
            joined[f"model{end}"] = [f"{m}:{n}" for m, n in zip(joined[f"model{end}"], layers, strict=True)]
    return joined
