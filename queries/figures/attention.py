"""What a head attends to in a sentence, as colours, and beside it its best counterpart in another model."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from layeratlas.queries.core.visible import visible
from layeratlas.queries.figures.style import INK, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from layeratlas.queries.core.heads import Attending, Counterparts

_PAGE, _CELL = 5.2, 0.3  # inches: a sentence at most, and a word
_LETTER = 0.075  # inches of a word's letter
_READABLE = 0.07  # inches of a word that is written


def draw(found: Counterparts) -> Figure:
    """Draw one square a head: a row is a word that attends, a column a word that it attends to; both on one scale."""
    from matplotlib.figure import Figure

    panels = [found.head, *([found.other] if found.other else [])]
    words = max(len(panel.words) for panel in panels)
    size = min(_CELL, _PAGE / words)
    side, names = size * words, min(1.6, max(len(word) for panel in panels for word in panel.words) * _LETTER + 0.1)
    width, height = len(panels) * (names + side + 0.35) + 0.5, side
    most = max(float(panel.weights.max()) for panel in panels)
    figure = Figure(figsize=(width, height))
    for place, panel in enumerate(panels):
        axes = figure.add_axes(((place * (names + side + 0.35) + names) / width, 0, side / width, 1))
        mesh = axes.pcolormesh(panel.weights, cmap="viridis", vmin=0, vmax=most, rasterized=True)
        _label(axes, panel, size)
    bar = figure.colorbar(mesh, cax=figure.add_axes((1 - 0.4 / width, 0, 0.12 / width, min(1.0, 2.5 / height))))
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=2, width=0.5, labelsize=7)
    left, above = 0.0, (names + 0.42) / height
    note = f"sentence {found.sentence} of {found.corpus} · a row is a word, its colours are what it attends to"
    figure.text(left, 1 + above, visible(note), color=MUTED, fontsize=8, va="bottom")
    figure.text(left, 1 + above + 0.2 / height, "What does a head attend to?", color=INK, fontsize=10.5,
                fontweight="bold", va="bottom")  # fmt: skip
    said = f"{found.head.title}" + (f", and {found.other.title}: {found.says}." if found.other else f": {found.says}.")
    caption = "\n".join(textwrap.wrap(visible(said), int(max(width, 4.5) * 16), break_on_hyphens=False))
    figure.text(left, -0.42 / height, caption, color=MUTED, fontsize=8, va="top", linespacing=1.4)
    return figure


def _label(axes: Axes, panel: Attending, size: float) -> None:
    axes.invert_yaxis()
    axes.xaxis.tick_top()
    axes.tick_params(length=0, pad=3)
    axes.set_xlabel(visible(panel.title), fontsize=8.5, labelpad=5)
    axes.xaxis.set_label_position("bottom")
    step = 1 if size >= _READABLE else int(_READABLE / size) + 1
    places, letters = range(0, len(panel.words), step), min(8.5, max(size, _READABLE) * 62)
    names = [visible(panel.words[place]) for place in places]
    axes.set_yticks([place + 0.5 for place in places], names, fontsize=letters)
    axes.set_xticks([place + 0.5 for place in places], names, fontsize=letters, rotation=90)
    for spine in axes.spines.values():
        spine.set(visible=True, linewidth=0.8, color=INK)
