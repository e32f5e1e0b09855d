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
ADAPTER_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
ADAPTER = ("adapter_config.json", *ADAPTER_WEIGHTS)


_ALLENNLP = ("*options.json", "*weights.hdf5")
_LARGEST_JSON = 64 * 2**20


def is_allennlp(folder: Path) -> bool:
    """Tell whether a folder holds an ELMo as AllenNLP keeps it."""
    return all(len(matching(folder, (pattern,))) == 1 for pattern in _ALLENNLP)


def allennlp_files(folder: Path) -> tuple[Path, Path]:
    """Return the files of an ELMo of AllenNLP: its options and its weights."""
    options, weights = (matching(folder, (pattern,))[0] for pattern in _ALLENNLP)
    return options, weights


def weight_files(folder: Path) -> list[Path]:
    """Return a folder's weight files: safetensors, or pickled ones where there are none of these; no adapter's."""
    own = [file for file in matching(folder, (SAFE,)) if file.name not in ADAPTER_WEIGHTS]
    return own or matching(folder, (PICKLED,))


def hashed_weights(folder: Path) -> list[Path]:
    """Return the weight files that identify a folder; an adapter among them is one, although it is not loaded."""
    return matching(folder, (SAFE,)) or matching(folder, (PICKLED,))


def matching(folder: Path, patterns: tuple[str, ...]) -> list[Path]:
    """Return the folder's own files whose names match one of the patterns, sorted."""
    return sorted(p for p in folder.iterdir() if p.is_file() and any(fnmatch(p.name, x) for x in patterns))


def hashes(files: Iterable[Path], remembered: Remembered) -> dict[str, str]:
    """Return the SHA-256 of files, by their names. Raises OSError."""
    return {file.name: remembered.of(file, "sha256", sha256_file) for file in files}


def config(folder: Path) -> dict[str, Any]:
    """Return what config.json says. Raises LayeratlasError."""
    if not (folder / "config.json").exists():
        raise LayeratlasError(f"{folder} is no model folder: it has no config.json")
    return read_json(folder / "config.json")


def read_json(file: Path) -> dict[str, Any]:
    """Return the object that a JSON file of a model holds. Raises LayeratlasError, naming the file."""
    if not file.is_file():
        raise LayeratlasError(f"{file} is no file")
    if (size := file.stat().st_size) > _LARGEST_JSON:
        raise LayeratlasError(f"{file} has {size:,} bytes: expected at most {_LARGEST_JSON:,}")
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except RecursionError:
        raise LayeratlasError(f"{file} is not JSON: it is nested too deeply") from None
    except ValueError as error:
        raise LayeratlasError(f"{file} is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise LayeratlasError(f"{file} must hold an object, got {type(found).__name__}")
    return found


def require_own_shards(folder: Path, config: dict[str, Any]) -> None:
    """Raise LayeratlasError for an index or a configuration that names weights which are not the folder's own files.

    Those are hashed; anything else would change numbers under the same identity, or be some other file of this machine.
    """
    own = {file.name for file in weight_files(folder)}
    named = config.get("transformers_weights")
    if named is not None and named not in own:
        raise _strange(folder / "config.json", named)
    for index, whole in (("model.safetensors", SAFE), ("pytorch_model.bin", PICKLED)):
        file = folder / f"{index}.index.json"
        used = any(fnmatch(name, whole) for name in own) and index not in own  # a whole file is preferred to an index
        if not (used and file.exists()):
            continue
        shards = read_json(file).get("weight_map")
        if not isinstance(shards, dict) or not all(isinstance(name, str) for name in shards.values()):
            raise LayeratlasError(f"{file} must hold a weight_map, from weights to the names of files")
        for name in sorted(set(shards.values()) - own):
            raise _strange(file, name)


def _strange(file: Path, name: object) -> LayeratlasError:
    wanted = f"weight files of this folder, {SAFE} or {PICKLED}"
    return LayeratlasError(f"{file} names {str(name)[:100]!r}: expected {wanted}")


def require_weights(spec: ModelSpec, folder: Path) -> None:
    """Raise LayeratlasError for a folder without the weights that a trained model needs."""
    if not spec.untrained and not weight_files(folder):
        raise LayeratlasError(
            f"{folder} has no weights: expected {SAFE} or {PICKLED}, or untrained = true for a control"
        )
