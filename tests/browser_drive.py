"""What the tests of the browser share: small catalogs, and hands and eyes for the application."""

from __future__ import annotations

import asyncio
import html
import itertools
import re
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path

from textual import events
from textual.pilot import Pilot

from layeratlas.measures import MEASURES
from layeratlas.queries.browser.app import Browser
from layeratlas.queries.browser.maps import MapScreen
from layeratlas.queries.browser.state import State
from layeratlas.store.results import ensure_results
from layeratlas.store.store import Store
from layeratlas.store.study import load_study

ROOT = Path(__file__).resolve().parent.parent
Steps = Callable[[Pilot[None]], Awaitable[None]]
CELL, LINE, TOP = 12.2, 24.4, 20.0  # of a screenshot: a character's width and height, where the first line stands
TOY = {"bert-a": ("bert", 2), "bert-b": ("bert", 3), "gpt-a": ("gpt2", 2)}
TOY_MEASURES = {"ckasim": True, "neuronsim": False}


def toy_value(measure: str, a: tuple[str, int], b: tuple[str, int]) -> float:
    """A value in [0, 1] that no other pair of the toy has."""
    models = sorted({*TOY, "aaa"})
    first, second = (models.index(name) * 4 + layer for name, layer in (a, b))
    if TOY_MEASURES[measure]:
        first, second = sorted((first, second))
    return 0.1 + 0.001 * (first * 20 + second) + (0.4 if measure == "neuronsim" else 0)


def build(root: Path, models: dict[str, tuple[str, int]] = TOY) -> Path:
    """A store with every ordered pair of layers of small models; run again with more models, it adds theirs."""
    store = Store(root)
    moment = datetime(2026, 1, 2, 3, 4, 5)
    store.write("runs", [{"run": "r1", "command": "layeratlas run toy.toml", "started": moment, "finished": moment,
                          "outcome": "finished", "host": "here", "device": "cpu", "threads": 1,
                          "versions": '{"torch":"2.9.0"}'}])  # fmt: skip
    store.write("corpora", [{"corpus": "v1:c", "name": "toy-corpus", "sentences": 9, "words": 1234}])
    store.write("models", [{"weights": name, "name": name, "family": family, "layers": blocks, "neurons": 4,
                            "source": "own"} for name, (family, blocks) in models.items()])  # fmt: skip
    layers = [(name, layer) for name, (_, blocks) in models.items() for layer in range(blocks + 1)]
    store.write("artifacts", [{"artifact": f"{name}-{layer}", "weights": name, "corpus": "v1:c", "kind": "activations",
                               "layer": layer, "words_from_tokens": "last", "settings": "{}", "words": 1234, "units": 4,
                               "word_set": "all", "path": f"{name}-{layer}", "bytes": 1, "sha256": "s", "run": "r1"}
                              for name, layer in layers])  # fmt: skip
    for measure, symmetric in TOY_MEASURES.items():
        store.write("configurations", [{"configuration": measure, "measure": measure, "version": 1, "label": "default",
                                        "presets": ["default"], "parameters": '{"tilt":0.5}',
                                        "is_symmetric": symmetric}])  # fmt: skip
        detail = {} if symmetric else {"units": [0.25, 0.75, 0.5, 0.125], "matches": [3, 1, 0, 2]}
        store.write("scores", [{"configuration": measure, "artifact_a": f"{a[0]}-{a[1]}",
                                "artifact_b": f"{b[0]}-{b[1]}", "value": toy_value(measure, a, b), "words": 1234,
                                "diagnostics": '{"dead_a": 7}', "run": "r1", **detail}
                               for a, b in itertools.permutations(layers, 2)])  # fmt: skip
    store.merge()
    return root


def add_published(root: Path) -> Path:
    """The paper's figures, beside what a store has."""
    for spec in load_study(ROOT / "studies" / "wu2020-published.toml").results:
        ensure_results(Store(root), spec, symmetric={name: kind.symmetric for name, kind in MEASURES.items()})
    return root


def drive(root: Path, steps: Steps, size: tuple[int, int] = (80, 24), history: Path | None = None) -> None:
    """Run the application, let the steps drive it, and leave it."""

    async def go() -> None:
        async with Browser(Store(root), history=history).run_test(size=size, notifications=True) as pilot:
            await steps(pilot)

    asyncio.run(go())


def shown(pilot: Pilot[None]) -> str:
    """What stands on the screen, line by line."""
    lines = [""] * pilot.app.size.height
    found = re.findall(r'<text[^>]* x="([\d.]+)" y="([\d.]+)"[^>]*>(.*?)</text>', pilot.app.export_screenshot())
    for x, y, text in sorted((float(x), float(y), html.unescape(text).replace("\xa0", " ")) for x, y, text in found):
        line = (y - TOP) / LINE
        if abs(line - round(line)) < 0.01:  # else it is the title of the window
            lines[round(line)] = lines[round(line)].ljust(round(x / CELL)) + text
    return "\n".join(lines)


async def until(pilot: Pilot[None], what: str | re.Pattern[str] | Callable[[], bool], seconds: float = 30) -> None:
    """Wait until a text stands on the screen, or something is true."""

    def holds() -> bool:
        if callable(what):
            return what()
        return what in shown(pilot) if isinstance(what, str) else what.search(shown(pilot)) is not None

    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"waited for {what!r}; the screen has\n{shown(pilot)}"
        await pilot.pause(0.03)


async def paste(pilot: Pilot[None], text: str) -> None:
    """Paste a text where the focus is, as a terminal does."""
    pilot.app.post_message(events.Paste(text))
    await pilot.pause()


def state(pilot: Pilot[None]) -> State:
    screen = pilot.app.screen_stack[1]
    assert isinstance(screen, MapScreen)
    return screen.state


def loaded(pilot: Pilot[None]) -> Callable[[], bool]:
    return lambda: state(pilot).value is not None


def truth(root: Path, sql: str, *values: object) -> list[tuple[object, ...]]:
    return Store(root).rows(sql, *values)


def ckasims(root: Path, source: str) -> dict[tuple[object, ...], float]:
    """The catalog's values by model, layer, model, layer; asked before the application opens the catalog."""
    columns = "model_a, layer_a, model_b, layer_b, value"
    rows = truth(root, f"SELECT {columns} FROM layer_pairs WHERE measure = 'ckasim' AND source = ?", source)
    return {row[:4]: float(str(row[4])) for row in rows}
