"""The layers of a model for one sentence, kept in float32 beside weights that were rounded to float16."""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from zoo.objectives import Model

SENTENCE = ["Nobody", "told", "her", "that", "the", "old", "lobster", "was", "blue", "."]
_FILE = "reference.safetensors"


@torch.no_grad()
def layers(model: Model, tokenizer: PreTrainedTokenizerFast | None) -> list[Tensor]:
    """Every layer's states of the reference sentence, embedding first, each [pieces, width] ([words, …] for ELMo)."""
    if tokenizer is None:
        return [layer[0] for layer in model(model.encode(SENTENCE)[None])]
    inputs = tokenizer(SENTENCE, is_split_into_words=True, return_tensors="pt")
    return [layer[0] for layer in model.base_model(**inputs, output_hidden_states=True).hidden_states]


def save_reference(model: Model, tokenizer: PreTrainedTokenizerFast | None, folder: Path) -> None:
    """Writes the layers of a float32 model, so that what float16 storage changes can be measured."""
    found = {f"layer_{number}": layer.contiguous() for number, layer in enumerate(layers(model, tokenizer))}
    save_file(found, folder / _FILE)


def load_reference(folder: Path) -> list[Tensor]:
    """The layers as they were before rounding."""
    found = load_file(folder / _FILE)
    return [found[f"layer_{number}"] for number in range(len(found))]
