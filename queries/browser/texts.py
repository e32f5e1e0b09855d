"""Answers as text for the screen. Takes rows and states, knows neither Textual nor the database."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from rich.table import Table as Grid
from rich.text import Text

from layeratlas.queries.browser.questions import Pair, slice_of
from layeratlas.queries.browser.state import Slice, State
from layeratlas.queries.core.matrix import Layer
from layeratlas.queries.core.scope import Measured
from layeratlas.queries.core.visible import visible
from layeratlas.store.store import default_root

KEY, FAINT, STRONG = "bold #f6c177", "#908caa", "bold #e0def4"
_ORIGIN = ("citation", "licence", "tolerance", "file", "command", "started", "finished", "outcome", "origin", "host",
           "device", "threads")  # fmt: skip
_SWITCHES = (("m", "measure"), ("n", "configuration"), ("c", "corpus"), ("s", "source"))


def cell(value: Any) -> str:
    """Return one value as a table shows it."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4f}" if abs(value) < 1e6 else f"{value:.6g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    return f"{value:%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else visible(str(value))


def switches(state: State, zoom: str) -> Text:
    """Return the line that says what is shown, with the keys that change it."""
    if state.slice is None:
        return Text()
    said = Text()
    parts = [(key, str(getattr(state.slice, name))) for key, name in _SWITCHES]
    if len(state.choices("pooling")) > 1:
        parts.append(("p", f"pooling {state.slice.pooling}"))
    for key, value in [*parts, ("f", f"to {state.columns.title}"), ("z", zoom)]:
        said.append(f" {key} ", KEY).append(visible(value), STRONG).append(" ")
    return said


def heading(store: str, state: State) -> Text:
    """Return the line that says which store this is."""
    layers = state.overview.of(state.slice) if state.slice else []
    models = len({each.model for each in layers})
    counted = f"  {models} models, {len(layers)} layers, {state.scores:,} scores" if layers else ""
    return Text.assemble((" layeratlas ", "bold #191724 on #9ccfd8"), counted, (visible(f"  {store}"), FAINT))


def detail(state: State, pair: Pair | None) -> Text:
    """Return two lines on the cell under the cursor; the second when the catalog has answered."""
    if state.pair is None or state.slice is None:
        return Text("no layer is selected", FAINT)
    a, b = state.pair
    said = Text(" ").append(visible(a.title), STRONG).append(" towards ", FAINT)
    said.append(visible(b.title), STRONG).append("  ")
    if state.value is not None:
        said.append(f"{state.value:.4f}", "bold #9ccfd8").append(f" {visible(state.slice.measure)}", FAINT)
    elif a == b:
        said.append(_itself(state.slice.measured), FAINT)
    record = pair.of(state.slice) if pair is not None and (pair.a, pair.b) == (a, b) else None
    if record is not None:
        said.append("\n ").append(_second_line(record), FAINT)
    elif state.value is None and a != b:
        said.append("no score: not measured" if pair is not None else "…", FAINT)
    return said


def _itself(measure: Measured) -> str:
    """What a layer's value with itself is, which no catalog holds: where a measure has bounds, the closest."""
    closest = measure.low if measure.is_distance else measure.high
    return "itself: not stored" if closest is None else f"itself: {closest:g} by definition"


def _second_line(record: dict[str, Any]) -> str:
    if record["value"] is None:
        return visible(f"refused: {record['refused']}")
    back = f"the other way {record['reverse']:.4f}  " if record["reverse"] is not None else ""
    words = f"{record['words']:,} words  " if record["words"] is not None else ""
    version = f"version {record['version']}  " if record["version"] is not None else ""
    return f"{back}{words}{version}{cell(record['measured'])}  {visible(record['source'])}"


def comparison(pair: Pair, which: Slice) -> Grid:
    """Return all measures of one pair on the slice's corpus, side by side with both directions."""
    grid = Grid.grid(padding=(0, 2))
    grid.add_row(*(Text(name, FAINT) for name in ("", "measure", "configuration", "value", "the other way", "words")))
    for record in pair.records:
        if (record["source"], record["corpus"]) == (which.source, which.corpus):
            mark = "▸" if slice_of(record) == which else ""
            values = [cell(record[name]) for name in ("measure", "configuration", "value", "reverse", "words")]
            grid.add_row(mark, *map(Text, values), style=STRONG if mark else "")
    return grid


def provenance(record: dict[str, Any], run: dict[str, Any], a: Layer, b: Layer) -> Grid:
    """Return where a score comes from, line by line."""
    said = Grid.grid(padding=(0, 2))
    said.add_column(justify="right", style=FAINT)
    said.add_column(overflow="fold")
    lines: list[tuple[str, Any]] = [
        ("a", f"{a.title} ({a.family})"), ("b", f"{b.title} ({b.family})"), ("measure", record["measure"]),
        ("value", record["value"]), ("other way", record["reverse"]), ("refused", record["refused"]),
        ("configuration", record["configuration"]), ("parameters", _plain_json(record["parameters"])),
        ("version", record["version"]), ("corpus", record["corpus"]), ("words", record["words"]),
        ("pooling", record["pooling"]), ("kind", record["kind"]), ("source", record["source"]),
        ("measured", record["measured"]), ("diagnostics", _plain_json(record["diagnostics"])), ("run", record["run"]),
        *((name, run.get(name)) for name in _ORIGIN), ("versions", _plain_json(run.get("versions"))),
    ]  # fmt: skip
    for name, value in lines:
        if value not in (None, ""):
            said.add_row(name, Text(cell(value)))
    return said


def _plain_json(text: str | None) -> str:
    try:
        found = json.loads(text or "{}")
    except json.JSONDecodeError:
        return text or ""
    return (
        ", ".join(f"{name} {cell(value)}" for name, value in found.items()) if isinstance(found, dict) else str(found)
    )


def welcome(store: str, why: str) -> Text:
    """Return the first screen of a store that has nothing to show yet."""
    there = "" if store == default_root() else visible(f" --store {store}")
    return Text.assemble(
        ("There is nothing to look at yet\n\n", STRONG), f"{visible(why[0].upper() + why[1:])}.\n\n",
        ("In a checkout, a small study of trained models, offline, in a few minutes:\n\n", FAINT),
        (f"    python cli.py run studies/demo.toml{there}\n\n", KEY),
        ("The published figures of Wu et al. 2020, in seconds:\n\n", FAINT),
        (f"    python cli.py run studies/wu2020-published.toml{there}\n\n", KEY),
        ("Your own models:\n\n", FAINT),
        (f"    layeratlas extract MODEL MODEL --corpus FILE{there}\n    layeratlas measure{there}\n\n", KEY),
        ("Leave this open: it goes on by itself when there are scores.", FAINT),
    )  # fmt: skip
