"""Every model of the zoo: what it is, how long it learns, what it comes from."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MODELS = Path(__file__).parent / "models"
POSITIONS = 256


@dataclass(frozen=True)
class Base:
    """A language model trained from scratch. `shape` is handed to the family's configuration."""

    name: str
    family: str
    objective: str
    seed: int
    steps: int
    learning_rate: float
    shape: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class FineTuned:
    """A copy of a base model taught one labelled task, `domain` (CLINC150) or `pos` (EWT)."""

    name: str
    origin: str
    task: str
    seed: int
    epochs: int
    learning_rate: float = 1e-3


BASES = {
    base.name: base
    for base in (
        Base("llama-tiny", "llama", "next word", 0, 4000, 2e-3),
        Base("gpt2-tiny", "gpt2", "next word", 0, 4000, 2e-3),
        Base("gpt2-tiny-seed1", "gpt2", "next word", 1, 4000, 2e-3),
        Base("gpt2-tiny-wide", "gpt2", "next word", 1, 2800, 2e-3, {"n_embd": 160, "n_head": 5}),
        Base("bert-tiny", "bert", "masked words", 0, 4000, 1e-3),
        Base("bert-tiny-seed1", "bert", "masked words", 1, 4000, 1e-3),
        Base("bert-tiny-deep", "bert", "masked words", 0, 4000, 1e-3, {"num_hidden_layers": 6}),
        Base("xlnet-tiny", "xlnet", "permutation", 0, 3000, 1.5e-3),
        Base("elmo-tiny", "elmo", "both directions", 0, 1600, 2e-3),
    )
}

FINETUNED = {
    copy.name: copy
    for origin in ("bert-tiny", "gpt2-tiny", "xlnet-tiny")
    for copy in (
        FineTuned(f"{origin}-domain", origin, "domain", 0, 2),
        FineTuned(f"{origin}-pos", origin, "pos", 0, 2),
    )
}


def folder_of(name: str) -> Path:
    """Where a model's configuration, tokenizer, weights and `zoo.json` stand."""
    return MODELS / name
