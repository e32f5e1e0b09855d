"""A toy catalog of our own, made up but lawful: four models of three families, gaps, refusals, neurons, figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from layeratlas.measures import configuration, configure
from layeratlas.measures.registry import configuration_row
from layeratlas.store.identity import ArtifactIdentity, Settings
from layeratlas.store.store import Store

MODELS = {"ant": ("a-family", 3), "asp": ("a-family", 2), "bee": ("b-family", 4), "cat": ("c-family", 1)}  # blocks
NEURONS = 6
SYMMETRIC = {"neuronsim": False, "mixedsim": False, "svsim": True, "pwsim": False, "ckasim": True}


def make(root: Path) -> Store:
    """Fill a store. bee towards cat is not scored by svsim; cat's layer 0 is refused by pwsim."""
    store, random = Store(root), np.random.default_rng(7)
    ends = [(model, layer) for model, (_, layers) in MODELS.items() for layer in range(layers + 1)]
    artifact = {end: ArtifactIdentity(f"v1:{end[0]}", "v1:c", end[1], Settings()).artifact for end in ends}
    store.write("models", [{"weights": f"v1:{model}", "name": model, "family": family, "layers": layers,
                            "source": "own"} for model, (family, layers) in MODELS.items()])  # fmt: skip
    store.write("corpora", [{"corpus": "v1:c", "name": "toy", "sentences": 1, "words": 100}])
    store.write("artifacts", [{"artifact": artifact[end], "weights": f"v1:{end[0]}", "corpus": "v1:c",
                               "kind": "activations", "layer": end[1], "words_from_tokens": "last", "words": 100,
                               "units": NEURONS, "word_set": "w", "path": f"{end}", "bytes": 1, "sha256": "s"}
                              for end in ends])  # fmt: skip
    base = {(a, b): random.uniform(0.1, 0.9) for a in ends for b in ends}
    for name, symmetric in SYMMETRIC.items():
        identity = configuration(configure(name))
        store.write("configurations", [configuration_row(configure(name))])
        rows = []
        for a in ends:
            for b in ends:
                if a == b or (name == "svsim" and {a[0], b[0]} == {"bee", "cat"}):
                    continue
                key = (min(a, b), max(a, b)) if symmetric else (a, b)
                value = round(base[key] * {"neuronsim": 0.5, "mixedsim": 0.6}.get(name, 1.0) + 0.01 * len(name), 3)
                row = {"configuration": identity.configuration, "artifact_a": artifact[a], "artifact_b": artifact[b]}
                if name == "pwsim" and ("cat", 0) in (a, b):
                    rows.append({**row, "refused": "ConstantLayer: made up"})
                    continue
                detail = {}
                if name == "neuronsim":
                    detail = {"units": random.random(NEURONS).round(3).tolist(),
                              "matches": random.integers(0, NEURONS, NEURONS).tolist()}  # fmt: skip
                rows.append({**row, "value": value, "words": 100, "run": "toy", **detail})
        store.write("scores", rows)
    store.write("figures", [
        {"artifact": artifact[end], "figure": figure, "version": 1, "parameters": "{}", "words": 100, "run": "toy",
         **({"value": place + add} if end != ("cat", 0) else {"refused": "ConstantLayer: made up"})}
        for place, end in enumerate(ends) for figure, add in (("effective_rank", 1.5), ("anisotropy", 0.25))
    ])  # fmt: skip
    store.merge()
    return store


def add_attention(store: Store) -> None:
    """Add a made-up measure of attention, which layer 0 has none of: 1 minus what ckasim says."""
    ends = [(model, layer) for model, (_, layers) in MODELS.items() for layer in range(1, layers + 1)]
    artifact = {end: ArtifactIdentity(f"v1:{end[0]}", "v1:c", end[1], Settings(), "attention").artifact for end in ends}
    store.write("artifacts", [{"artifact": artifact[end], "weights": f"v1:{end[0]}", "corpus": "v1:c",
                               "kind": "attention", "layer": end[1], "words_from_tokens": "drop", "words": 100,
                               "units": 2, "word_set": "w", "path": f"{end}", "bytes": 1, "sha256": "s"}
                              for end in ends])  # fmt: skip
    store.write("configurations", [{"configuration": "v1:attention", "measure": "looksim", "version": 1,
                                    "label": "default", "presets": ["default"], "parameters": "{}",
                                    "is_symmetric": True}])  # fmt: skip
    known = store.rows("SELECT model_a, layer_a, model_b, layer_b, value FROM layer_pairs WHERE measure = 'ckasim'")
    store.write("scores", [{"configuration": "v1:attention", "artifact_a": artifact[a, i], "artifact_b": artifact[b, j],
                            "value": 1 - value, "words": 100, "run": "toy"}
                           for a, i, b, j, value in known if i and j])  # fmt: skip
    store.merge()


def add_tuned(store: Store) -> None:
    """Add two copies of bee that ckasim compares with it at layers 0, 2 and 3: one changed at layer 3, one nowhere."""
    of = {(model, layer): ArtifactIdentity(f"v1:{model}", "v1:c", layer, Settings()).artifact
          for model in ("bee", "bee-late", "bee-same") for layer in (0, 2, 3)}  # fmt: skip
    similar = {"bee-late": {0: 0.99, 2: 0.95, 3: 0.3}, "bee-same": {0: 0.9, 2: 0.9, 3: 0.9}}
    store.write("models", [{"weights": f"v1:{model}", "name": model, "family": "b-family", "layers": 4,
                            "finetuned_from": "bee", "source": "own"} for model in similar])  # fmt: skip
    store.write("artifacts", [{"artifact": of[model, layer], "weights": f"v1:{model}", "corpus": "v1:c",
                               "kind": "activations", "layer": layer, "words_from_tokens": "last", "words": 100,
                               "units": NEURONS, "word_set": "w", "path": f"{model}{layer}", "bytes": 1,
                               "sha256": "s"} for model, layer in of if model != "bee"])  # fmt: skip
    name = configuration(configure("ckasim")).configuration
    store.write("scores", [
        {"configuration": name, "artifact_a": of[a], "artifact_b": of[b], "words": 100, "run": "toy",
         "value": similar[model][a[1]] if a[1] == b[1] else 0.1}
        for model in similar for i in (0, 2, 3) for j in (0, 2, 3) for a, b in (((model, i), ("bee", j)),
                                                                                (("bee", j), (model, i)))
    ])  # fmt: skip
    store.merge()
