"""What extraction will write and take, as far as configurations tell before any model is loaded."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from layeratlas.extract.plan import Task
from layeratlas.store.kinds import kind_of
from layeratlas.store.study import first_layer

_LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
_NEURONS = ("hidden_size", "d_model", "n_embd", "dim")
_TOKENS = 1.4  # a word, in the tokenizers of models that are common
_SHARE = 0.5  # of the speed of a bare product, that a forward pass reaches
_BYTES = {"float32": 4, "float16": 2}
_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")


@dataclass(frozen=True)
class Expected:
    """What one task will give: layers (numbers), their width, rows, bytes on disk; operations of its forward passes."""

    task: Task
    layers: Sequence[int]
    neurons: int
    words: int
    bytes: int
    operations: float


def expected(task: Task) -> Expected | None:
    """Return what a task will give of activations; None where only loading the model tells."""
    config = task.located.config if task.located else {}
    blocks, neurons = _first(config, _LAYERS), _first(config, _NEURONS)
    if blocks is None or neurons is None:
        return None
    study = task.study
    every = range(max(kind_of("activations").first_layer, first_layer("activations", study.settings)), blocks + 1)
    layers = study.chosen_layers(every)
    if task.missing is not None:
        layers = [layer for kind, layer in task.missing if kind == "activations"]
    words = task.content.sentences if study.settings.by_sentence else task.content.words
    size = len(layers) * words * (neurons * _BYTES[study.settings.storage] + 16)
    return Expected(task, layers, neurons, words, size, 2 * _parameters(task) * task.content.words * _TOKENS)


def _first(config: Mapping[str, Any], names: Sequence[str]) -> int | None:
    return next((config[name] for name in names if isinstance(config.get(name), int)), None)


def _parameters(task: Task) -> float:
    """Return how many numbers its weights hold, as if they were float32."""
    folder = task.located.folder if task.located else None
    if folder is None or not folder.is_dir():
        return 0
    return sum(file.stat().st_size for pattern in _WEIGHTS for file in folder.glob(pattern)) / 4


def operations_a_second() -> float:
    """Measure how many operations of a forward pass this machine does in a second."""
    import torch

    a = torch.ones(512, 768)
    b = torch.ones(768, 768)
    torch.mm(a, b)
    began = time.perf_counter()
    for _ in range(20):
        torch.mm(a, b)
    return _SHARE * 20 * 2 * 512 * 768 * 768 / (time.perf_counter() - began)
