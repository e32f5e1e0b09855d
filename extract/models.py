"""Where a model's files are and what fingerprint its weights have; no torch, no transformers.

Local folders (`./x`, `/x`, `~/x`) and folders in installed packages (`package:NAME/FOLDER`) are known by the content of
their weights, configuration and tokenizer; hub models by their commit; untrained controls by configuration, tokenizer
and seed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from layeratlas.store.errors import BadRequest, LayeratlasError
from layeratlas.store.files import Remembered, sha256_file
from layeratlas.store.identity import fingerprint
from layeratlas.store.study import ModelSpec

SAFE = "*.safetensors"
PICKLED = "pytorch_model*.bin"
INDEX = "*.index.json"
_TOKENIZER = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab*", "merges.txt",
    "*.model", "bpe.codes", "*.tiktoken",
)  # fmt: skip
DESCRIPTION = ("config.json", *_TOKENIZER)

#: Families whose configuration calls them otherwise than the literature does.
_FAMILIES = {
    "openai-gpt": "gpt", "gpt_neox": "gpt-neox", "gpt_neo": "gpt-neo", "deberta-v2": "deberta",
    "xlm-roberta": "roberta", "simcat-elmo": "elmo",
}  # fmt: skip


@dataclass(frozen=True)
class Located:
    """A model's files and identity. `weights` is the fingerprint; `config` what config.json says."""

    spec: ModelSpec
    folder: Path
    weights: str
    config: dict[str, Any]
    revision: str | None = None

    @property
    def model_type(self) -> str:
        """What the configuration calls the architecture."""
        return str(self.config.get("model_type", "unknown"))

    @property
    def family(self) -> str:
        """The family that the user named, or else the configuration's."""
        return self.spec.family or _FAMILIES.get(self.model_type, self.model_type)


def locate(spec: ModelSpec, remembered: Remembered) -> Located:
    """Find a model's folder, fetching it from the hub where needed, and fingerprint it.

    Raises BadRequest when there is no such model, LayeratlasError when it cannot be fetched or lacks files.
    """
    if spec.id.startswith("package:"):
        return _from_folder(spec, _package_folder(spec.id), remembered)
    if spec.id.startswith((".", "/", "~")):
        return _from_folder(spec, Path(spec.id).expanduser().resolve(), remembered)
    return _from_hub(spec, remembered)


def weight_files(folder: Path) -> list[Path]:
    """Return a folder's weight files: safetensors, or pickled ones where there are none of these."""
    return matching(folder, (SAFE,)) or matching(folder, (PICKLED,))


def matching(folder: Path, patterns: tuple[str, ...]) -> list[Path]:
    """Return the folder's own files whose names match one of the patterns, sorted."""
    return sorted(p for p in folder.iterdir() if p.is_file() and any(fnmatch(p.name, x) for x in patterns))


def _package_folder(identifier: str) -> Path:
    package, _, inside = identifier.removeprefix("package:").partition("/")
    if not package.isidentifier():
        raise BadRequest(f"'{identifier}' names no package: write package:NAME/FOLDER")
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise BadRequest(
            f"{identifier}: the package {package} is not installed: pip install {package.replace('_', '-')}"
        )
    return Path(found.submodule_search_locations[0]) / inside


def _from_folder(spec: ModelSpec, folder: Path, remembered: Remembered) -> Located:
    if not folder.is_dir():
        raise BadRequest(f"there is no model folder {folder}")
    if spec.revision is not None:
        raise BadRequest(f"{spec.name}: a revision is for hub models, {folder} is a folder: leave it out")
    config = _config(folder)
    _require_weights(spec, folder)
    if spec.untrained:
        return Located(spec, folder, _control(spec, folder, config, remembered), config)
    names = [*DESCRIPTION, *(["*.py"] if spec.trust_remote_code else [])]
    files = [*weight_files(folder), *matching(folder, (INDEX, *names))]
    return Located(spec, folder, fingerprint({"files": _hashes(files, remembered)}), config)


def _from_hub(spec: ModelSpec, remembered: Remembered) -> Located:
    from layeratlas.extract.hub import snapshot

    folder = snapshot(spec)
    config = _config(folder)
    _require_weights(spec, folder)
    commit = folder.name
    if spec.untrained:
        return Located(spec, folder, _control(spec, folder, config, remembered), config, commit)
    return Located(spec, folder, fingerprint({"hub": spec.id, "commit": commit}), config, commit)


def _control(spec: ModelSpec, folder: Path, config: dict[str, Any], remembered: Remembered) -> str:
    tokenizer = _hashes(matching(folder, _TOKENIZER), remembered)
    return fingerprint({"config": config, "tokenizer": tokenizer, "seed": spec.seed})


def _hashes(files: list[Path], remembered: Remembered) -> dict[str, str]:
    return {file.name: remembered.of(file, "sha256", sha256_file) for file in files}


def _config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LayeratlasError(f"{folder} is no model folder: it has no config.json") from None
    except ValueError as error:
        raise LayeratlasError(f"{folder / 'config.json'} is not JSON: {error}") from None
    if not isinstance(config, dict):
        raise LayeratlasError(f"{folder / 'config.json'} must hold an object, got {type(config).__name__}")
    return config


def _require_weights(spec: ModelSpec, folder: Path) -> None:
    if not spec.untrained and not weight_files(folder):
        raise LayeratlasError(
            f"{folder} has no weights: expected {SAFE} or {PICKLED}, or untrained = true for a control"
        )
