"""Catalogs with chosen scores: logged and merged as a runner does it, without models and without torch."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from layeratlas.store.store import Store

Score = Callable[[str, str, int, str, int], float]
#: model -> (family, blocks, finetuned_from)
MODELS: dict[str, tuple[str, int, str | None]] = {
    "bert-a": ("bert", 4, None), "bert-b": ("bert", 6, None), "gpt-a": ("gpt2", 4, None), "xlnet-a": ("xlnet", 3, None),
    "bert-a-tuned-on-tags": ("bert", 4, "bert-a"),
}  # fmt: skip
MEASURES = {"ckasim": True, "mixedsim": False, "neuronsim": False, "pwsim": False, "svsim": True}  # is it symmetric?
WORDS = 1234


def score(measure: str, model_a: str, layer_a: int, model_b: str, layer_b: int) -> float:
    """A value in [0, 1] that differs from pair to pair: near depths and one family are more similar."""
    family = 0.0 if MODELS[model_a][0] == MODELS[model_b][0] else 1.0
    depth = layer_a / MODELS[model_a][1] - layer_b / MODELS[model_b][1]
    own = 0.0 if MEASURES[measure] else 0.01 * layer_a
    return math.exp(-abs(depth) - family - own - 0.1 * list(MEASURES).index(measure)) * 0.9 + 0.001 * (
        layer_a + layer_b
    )


def build(
    root: Path, *, models: Mapping[str, tuple[str, int, str | None]] = MODELS, value: Score = score,
    measures: Mapping[str, bool] = MEASURES, corpus: str = "tiny-corpus", source: str = "own",
) -> Path:  # fmt: skip
    """Write a store with every ordered pair of layers of these models; return its folder."""
    store = Store(root)
    layers = [(name, layer) for name, (_, blocks, _) in models.items() for layer in range(blocks + 1)]
    names = {layer: f"{corpus}-{source}-{layer[0]}-{layer[1]}" for layer in layers}
    _stage_run(store)
    store.write("corpora", [{"corpus": f"v1:{corpus}", "name": corpus, "sentences": 100, "words": WORDS}])
    store.write("models", [
        {"weights": f"v1:{name}-{source}", "name": name, "family": family, "layers": blocks, "neurons": 16,
         "parameters": 1000, "architecture": "Tiny", "origin": f"./{name}", "finetuned_from": origin, "source": source}
        for name, (family, blocks, origin) in models.items()
    ])  # fmt: skip
    store.write("artifacts", [
        {"artifact": names[layer], "weights": f"v1:{layer[0]}-{source}", "corpus": f"v1:{corpus}", "layer": layer[1],
         "kind": "activations", "words_from_tokens": "last", "settings": "{}", "words": WORDS, "units": 16,
         "word_set": "all", "run": "r1"}
        for layer in layers
    ])  # fmt: skip
    for measure, is_symmetric in measures.items():
        store.write("configurations", [
            {"configuration": f"v1:{measure}", "measure": measure, "version": 1, "label": "default",
             "presets": ["default"], "parameters": '{"variance":0.99}', "is_symmetric": is_symmetric}
        ])  # fmt: skip
        store.write("scores", [
            {"configuration": f"v1:{measure}", "artifact_a": names[a], "artifact_b": names[b],
             "value": value(measure, *a, *b), "words": WORDS, "run": "r1"}
            for a, b in itertools.permutations(layers, 2)
        ])  # fmt: skip
    store.merge()
    return root


def _stage_run(store: Store) -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5)
    versions = '{"python":"3.12.1","torch":"2.9.0"}'
    store.write("runs", [
        {"run": "r1", "command": "layeratlas run tiny.toml", "started": moment, "finished": moment,
         "outcome": "finished", "host": "here", "device": "cpu", "threads": 1, "versions": versions}
    ])  # fmt: skip
