"""A catalog whose every name is one that somebody made to do harm, or made without thinking of us."""

from __future__ import annotations

import itertools
from pathlib import Path

from layeratlas.store.store import Store

#: Markup, escape sequences, bells, turned and hidden text, broken lines, formulas, HTML, quotes, options, wide letters.
NAMES = (
    r"\[/x]", "[bold]b[/bold]", "\x1b[31mred\x1b]0;title\x07", "\x9b2J", "\u202egnp.exe", "\u2066iso\u2069late",
    "zero\u200b\ufeffwidth", "line\nbreak", "over\rwrite", "tab\tnul\x00", "a$b$c", "_hidden",
    "</script><script>alert(1)</script>", "it's \"q\" | pipe", "{braces} %s $x -- ;", "模型" * 8, "--store=x",
)  # fmt: skip
CORPUS, SOURCE, LABEL, REASON = "c\x1b[1m[/c]\u202e", "s\x1b[2m[/s]\n", "l\x1b[3m[/l]\r", "why\x1b[4m[/w]\x9b\nnot"
MEASURES = {"ckasim": True, "mixedsim": False, "neuronsim": False, "svsim": True}
FAMILIES = tuple(f"{name} family" for name in NAMES[:-1:2])  # of two models each, the last of three
WORDS = 1234


def family(place: int) -> str:
    """The family of the model at a place."""
    return FAMILIES[min(place // 2, len(FAMILIES) - 1)]


def build(root: Path) -> Path:
    """Write a store: each model of two layers, fine-tuned from the one before it; refusals, failures, damage."""
    store = Store(root)
    ends = [(name, layer) for name in NAMES for layer in (0, 1)]
    store.write("corpora", [{"corpus": "v1:c", "name": CORPUS, "sentences": 9, "words": WORDS, "origin": CORPUS}])
    store.write("sources", [{"source": SOURCE, "digest": "d", "origin": SOURCE, "citation": SOURCE}])
    for source in ("own", SOURCE):
        store.write("models", [
            {"weights": f"{source}:{name}", "name": name, "family": family(place), "layers": 1, "neurons": 4,
             "source": source, "origin": name, "architecture": name, "finetuned_from": _origin(place)}
            for place, name in enumerate(NAMES)])  # fmt: skip
        _measured(store, source, ends, "activations", MEASURES)
        _measured(store, source, ends, "attention", {"attsim": False})
    store.write("failures", [{"model": NAMES[2], "corpus": "v1:c", "reason": REASON, "run": "r"}])
    store.write("damaged", [{"artifact": f"own:{NAMES[2]}:1:activations", "reason": REASON}])
    store.write("runs", [{"run": "r", "command": REASON, "outcome": "finished", "host": CORPUS, "device": CORPUS}])
    store.write("figures", [
        {"artifact": f"own:{name}:{layer}:activations", "figure": figure, "version": 1, "parameters": "{}",
         "words": WORDS, "run": "r", **said}
        for name, layer in ends
        for figure, said in (("anisotropy", {"value": layer / 3}), ("magnitude", {"refused": REASON}))
    ])  # fmt: skip
    _said_otherwise(store, ends)
    store.merge()
    return root


def _said_otherwise(store: Store, ends: list[tuple[str, int]]) -> None:
    """Scores of another store, whose name is as bad, that differ from ours."""
    store.write("origins", [{"store": "other", "origin": SOURCE}])
    store.write("scores", [
        {"configuration": "own:ckasim", "artifact_a": f"own:{a}:{layer}:activations", "value": -1.0, "words": WORDS,
         "artifact_b": f"own:{b}:{layer}:activations", "run": "r", "store": "other"}
        for (a, layer), (b, _) in itertools.pairwise(end for end in ends if end[1])])  # fmt: skip


def _origin(place: int) -> str | None:
    return NAMES[place - 1] if place % 2 and family(place) == family(place - 1) else None


def _measured(store: Store, source: str, ends: list[tuple[str, int]], kind: str, measures: dict[str, bool]) -> None:
    here = [end for end in ends if kind == "activations" or end[1]]
    artifact = {end: f"{source}:{end[0]}:{end[1]}:{kind}" for end in here}
    store.write("artifacts", [
        {"artifact": artifact[end], "weights": f"{source}:{end[0]}", "corpus": "v1:c", "kind": kind, "layer": end[1],
         "words_from_tokens": "last" if kind == "activations" else "drop", "settings": "{}", "words": WORDS, "units": 4,
         "word_set": "all", "path": f"{artifact[end]}.parquet" if source == "own" else None, "bytes": 1, "sha256": "s",
         "run": "r"}
        for end in here])  # fmt: skip
    for place, (measure, symmetric) in enumerate(measures.items()):
        store.write("configurations", [{"configuration": f"{source}:{measure}", "measure": measure, "version": 1,
                                        "label": LABEL, "presets": [], "parameters": "{}",
                                        "is_symmetric": symmetric}])  # fmt: skip
        detail = {} if symmetric else {"units": [0.25, 0.75, 0.5, 0.125], "matches": [3, 1, 0, 2]}
        store.write("scores", [
            {"configuration": f"{source}:{measure}", "artifact_a": artifact[a], "artifact_b": artifact[b],
             "words": WORDS, "run": "r", "diagnostics": "{}", **_value(a, b, place, symmetric), **detail}
            for a, b in itertools.permutations(here, 2)])  # fmt: skip


def _value(a: tuple[str, int], b: tuple[str, int], place: int, symmetric: bool) -> dict[str, object]:
    if (a, b) == ((NAMES[0], 0), (NAMES[1], 0)):
        return {"refused": REASON}
    first, second = ((NAMES.index(name) * 2 + layer) / (2 * len(NAMES)) for name, layer in (a, b))
    return {"value": 0.9 - 0.1 * place - 0.5 * abs(first - second) + (0 if symmetric else 0.05 * first)}
