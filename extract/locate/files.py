"""A model's folder: which of its files matter, and what they hold."""

from __future__ import annotations

import json
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from layeratlas.store.errors import LayeratlasError
from layeratlas.store.files import Remembered, sha256_file
from layeratlas.store.study import ModelSpec

SAFE = "*.safetensors"
PICKLED = "pytorch_model*.bin"
INDEX = "*.index.json"
TOKENIZER = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab*", "merges.txt",
    "*.model", "bpe.codes", "*.tiktoken",
)  # fmt: skip
DESCRIPTION = ("config.json", *TOKENIZER)


def weight_files(folder: Path) -> list[Path]:
    """Return a folder's weight files: safetensors, or pickled ones where there are none of these."""
    return matching(folder, (SAFE,)) or matching(folder, (PICKLED,))


def matching(folder: Path, patterns: tuple[str, ...]) -> list[Path]:
    """Return the folder's own files whose names match one of the patterns, sorted."""
    return sorted(p for p in folder.iterdir() if p.is_file() and any(fnmatch(p.name, x) for x in patterns))


def hashes(files: Iterable[Path], remembered: Remembered) -> dict[str, str]:
    """Return the SHA-256 of files, by their names."""
    return {file.name: remembered.of(file, "sha256", sha256_file) for file in files}


def config(folder: Path) -> dict[str, Any]:
    """Return what config.json says. Raises LayeratlasError."""
    try:
        found = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LayeratlasError(f"{folder} is no model folder: it has no config.json") from None
    except ValueError as error:
        raise LayeratlasError(f"{folder / 'config.json'} is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise LayeratlasError(f"{folder / 'config.json'} must hold an object, got {type(found).__name__}")
    return found


def require_weights(spec: ModelSpec, folder: Path) -> None:
    """Raise LayeratlasError for a folder without the weights that a trained model needs."""
    if not spec.untrained and not weight_files(folder):
        raise LayeratlasError(
            f"{folder} has no weights: expected {SAFE} or {PICKLED}, or untrained = true for a control"
        )
