"""Dot charts, line charts, maps and grids with matplotlib."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from layeratlas.queries.core.visible import visible
from layeratlas.queries.figures.charts import Chart, Dots, Grid, Line, Lines, Map, Spot
from layeratlas.queries.figures.style import COLOURS, INK, MARKERS, MISSING, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH = 6.6  # inches
_PANELS = 3  # side by side
_NUMBERED = 0.22  # inches of a grid's cell that has room for its number
_LETTER, _LINE = 0.065, 0.125  # inches of a spot's name
_PANEL, _BETWEEN = 2.4, 0.85  # inches: height of a panel, and room below it for its axis and the next one's name


def draw(chart: Dots | Lines | Map | Grid) -> Figure:
    """Draw a chart with its title, caption and legend, and of which scores it is."""
    if isinstance(chart, Map):
        return _map(chart)
    if isinstance(chart, Grid):
        return _grid(chart)
    return _dots(chart) if isinstance(chart, Dots) else _lines(chart)


def _dots(chart: Dots) -> Figure:
    from matplotlib.figure import Figure

    height = 0.38 * len(chart.groups)
    figure = Figure(figsize=(_WIDTH, height))
    axes = figure.add_axes((0, 0, 1, 1))
    for place, group in enumerate(chart.groups):
        joined = [point.value for point in group.points if point.is_joined]
        axes.plot([*joined], [place] * len(joined), color="#b4b9bf", linewidth=1.6, zorder=1)
        for point in group.points:
            if point.low is not None and point.high is not None:
                axes.plot([point.low, point.high], [place, place], color=colour_of(point.series), linewidth=4.5,
                          alpha=0.35, solid_capstyle="butt", zorder=2)  # fmt: skip
            axes.plot([point.value], [place], marker=marker_of(point.series), color=colour_of(point.series),
                      markersize=6.5, markeredgecolor="white", markeredgewidth=0.7, linestyle="", zorder=3)  # fmt: skip
    axes.set_yticks(range(len(chart.groups)), [visible(group.name) for group in chart.groups])
    axes.set_ylim(len(chart.groups) - 0.5, -0.5)
    low, high = chart.ends()
    axes.set_xlim(low - 0.02 * (high - low), high + 0.02 * (high - low))
    axes.set_xlabel(chart.axis)
    axes.tick_params(axis="y", length=0, labelsize=9)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    words(figure, chart, below=0.5)
    return figure


def _lines(chart: Lines) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    columns = min(_PANELS, len(chart.panels))
    rows = math.ceil(len(chart.panels) / columns)
    width = max(_WIDTH, 2.9 * columns) if columns > 1 else _WIDTH * 0.8
    height = _PANEL * rows + _BETWEEN * (rows - 1)
    figure = Figure(figsize=(width, height))
    between = 0.08 if chart.shares_axis else 0.1  # where an axis' own numbers stand
    for place, panel in enumerate(chart.panels):
        low, high = chart.ends(panel)
        column, row = place % columns, place // columns
        room = (1 - between * (columns - 1)) / columns
        bottom = 1 - (_PANEL + row * (_PANEL + _BETWEEN)) / height
        axes = figure.add_axes((column * (room + between), bottom, room, _PANEL / height))
        if chart.diagonal:
            axes.plot([low, high], [low, high], color=MUTED, linewidth=0.8, linestyle=(0, (4, 4)), zorder=1)
        for line in panel.lines:
            _line(axes, line)
        axes.set_ylim(low - 0.02 * (high - low), high + 0.02 * (high - low))
        axes.grid(axis="y")
        axes.set_axisbelow(True)
        axes.set_title(visible(panel.name), fontsize=9, pad=5)
        axes.set_xlabel(chart.x)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=_whole(chart)))
        if column == 0:
            axes.set_ylabel(chart.axis)
    words(figure, chart, below=0.5)
    return figure


def _line(axes: Axes, line: Line) -> None:
    if line.band:
        x, low, high = zip(*line.band, strict=True)
        axes.fill_between(x, low, high, color=colour_of(line.series), alpha=0.2, linewidth=0)
    axes.plot(
        [x for x, _ in line.points], [value for _, value in line.points], color=colour_of(line.series), linewidth=1.4,
        marker=marker_of(line.series), markersize=4.5, markeredgecolor="white", markeredgewidth=0.5,
    )  # fmt: skip


def _grid(chart: Grid) -> Figure:
    import numpy as np
    from matplotlib.figure import Figure

    count = len(chart.names)
    side = _WIDTH * min(1.0, 0.25 + count / 20)
    cell = side / count
    figure = Figure(figsize=(side, side))
    axes = figure.add_axes((0, 0, 1, 1))
    values = np.array(chart.values, float)  # None is NaN
    low, high = chart.ends()
    axes.set_facecolor(MISSING)
    axes.pcolormesh(np.ma.masked_invalid(values), cmap="PuOr_r", vmin=low, vmax=high)
    axes.invert_yaxis()
    for (line, column), value in np.ndenumerate(values) if cell > _NUMBERED else ():
        if np.isfinite(value):
            axes.text(column + 0.5, line + 0.5, f"{value:.2f}".replace("0.", "."), ha="center", va="center",
                      color="white" if abs(value) > 0.75 else INK, fontsize=min(8.0, 18 * cell))  # fmt: skip
    names, letters = [visible(name) for name in chart.names], min(8.5, 55 * cell)
    axes.set_xticks(np.arange(count) + 0.5, names, rotation=90, fontsize=letters)
    axes.set_yticks(np.arange(count) + 0.5, names, fontsize=letters)
    axes.tick_params(length=0, pad=3)
    for spine in axes.spines.values():
        spine.set_visible(False)
    words(figure, chart, below=0.15 + max(map(len, names)) * letters / 120)
    return figure


def _map(chart: Map) -> Figure:
    from matplotlib.figure import Figure

    spots = [spot for trail in chart.trails for spot in trail]
    wide, high = (max(of) - min(of) or 1.0 for of in ([spot.x for spot in spots], [spot.y for spot in spots]))
    figure = Figure(figsize=(_WIDTH, min(max(_WIDTH * high / wide, 3.0), _WIDTH)))
    axes = figure.add_axes((0, 0, 1, 1))
    for trail in chart.trails:
        colour, marker = colour_of(trail[0].series), marker_of(trail[0].series)
        axes.plot([spot.x for spot in trail], [spot.y for spot in trail], color=colour, linewidth=1.1, alpha=0.7,
                  marker=marker, markersize=4.5 if len(trail) > 1 else 7, markeredgecolor="white",
                  markeredgewidth=0.5)  # fmt: skip
    per_inch = max(wide / _WIDTH, high / figure.get_size_inches()[1]) * 1.2
    for spot, raised in _labelled([trail[-1] for trail in chart.trails], per_inch):
        axes.annotate(visible(spot.name), (spot.x, spot.y), (5, 3 + raised), textcoords="offset points", fontsize=7.5,
                      color=colour_of(spot.series))  # fmt: skip
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.08)
    axes.grid(visible=True)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=7)
    words(figure, chart, below=0.35)
    return figure


def _labelled(spots: Sequence[Spot], per_inch: float) -> list[tuple[Spot, float]]:
    """Spots from the lowest up, and how many points each name is raised so that it stands on no other.

    `per_inch`: how much of an axis an inch is.
    """
    placed: list[tuple[Spot, float]] = []
    for spot in sorted(spots, key=lambda each: each.y):
        y = spot.y
        for other, raised in placed:
            ends = other.x + len(other.name) * _LETTER * per_inch, spot.x + len(spot.name) * _LETTER * per_inch
            there = other.y + raised / 72 * per_inch
            if spot.x < ends[0] and other.x < ends[1] and y < there + _LINE * per_inch:
                y = there + _LINE * per_inch
        placed.append((spot, (y - spot.y) / per_inch * 72))
    return placed


def words(figure: Figure, chart: Chart, *, below: float) -> None:
    """Title, note and legend above the axes, the caption below; distances in inches, so that any height looks alike."""
    width, height = figure.get_size_inches()
    above = 0.3 if isinstance(chart, Lines) else 0.08  # a panel's name stands there
    if chart.series:
        above += _legend(figure, chart, above)
    if chart.note:
        figure.text(0, 1 + above / height, visible(chart.note), color=MUTED, fontsize=8, va="bottom")
        above += 0.2
    figure.text(0, 1 + above / height, chart.title, color=INK, fontsize=10.5, fontweight="bold", va="bottom")
    caption = "\n".join(textwrap.wrap(visible(chart.caption), int(width * 16), break_on_hyphens=False))
    figure.text(0, -below / height, caption, color=MUTED, fontsize=8, va="top", linespacing=1.4)


def _legend(figure: Figure, chart: Chart, above: float) -> float:
    """Draw the legend so many inches above the axes; return how many it takes."""
    from matplotlib.lines import Line2D

    width, height = figure.get_size_inches()
    marks = [
        Line2D([], [], color=colour_of(place), marker=marker_of(place), linestyle="", markersize=6)
        for place in range(len(chart.series))
    ]
    legend = figure.legend(
        marks, [" "] * len(marks), loc="lower left", bbox_to_anchor=(0, 1 + above / height), borderaxespad=0,
        ncols=_legend_columns(chart, width), handletextpad=0.2, columnspacing=1.4,
    )  # fmt: skip
    for text, name in zip(legend.get_texts(), chart.series, strict=True):
        text.set_text(visible(name))  # only now: a legend leaves out labels that begin with an underscore
    legend.set_in_layout(True)
    return 0.16 * math.ceil(len(chart.series) / _legend_columns(chart, width)) + 0.16


def _legend_columns(chart: Chart, width: float) -> int:
    longest = max(len(visible(name)) for name in chart.series) * 0.075 + 0.45
    return max(1, min(len(chart.series), int(width / longest)))


def _whole(chart: Lines) -> bool:
    return all(float(x).is_integer() for panel in chart.panels for line in panel.lines for x, _ in line.points)


def colour_of(series: int) -> str:
    """The colour of a series."""
    return COLOURS[series % len(COLOURS)]


def marker_of(series: int) -> str:
    """The marker of a series."""
    return MARKERS[(series + series // len(COLOURS)) % len(MARKERS)]  # where colours begin anew, others
