"""Where a model's files are and what fingerprint its weights have; no torch, no transformers.

Local folders (`./x`, `/x`, `~/x`) and folders in installed packages (`package:NAME/FOLDER`) are known by the content of
their weights, configuration and tokenizer; hub models by their commit; untrained controls by configuration, tokenizer
and seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from layeratlas.extract.locate import files
from layeratlas.store.errors import BadRequest
from layeratlas.store.files import Remembered
from layeratlas.store.identity import fingerprint
from layeratlas.store.study import ModelSpec


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


def locate(spec: ModelSpec, remembered: Remembered) -> Located:
    """Find a model's folder, fetching it from the hub where needed, and fingerprint it.

    Raises BadRequest when there is no such model, LayeratlasError when it cannot be fetched or lacks files.
    """
    if spec.id.startswith("package:"):
        return _from_folder(spec, _package_folder(spec.id), remembered)
    if spec.id.startswith((".", "/", "~")):
        return _from_folder(spec, Path(spec.id).expanduser().resolve(), remembered)
    return _from_hub(spec, remembered)


def _package_folder(identifier: str) -> Path:
    package, _, inside = identifier.removeprefix("package:").partition("/")
    if not package.isidentifier():
        raise BadRequest(f"'{identifier}' names no package: write package:NAME/FOLDER")
    try:
        found = find_spec(package)
    except (ImportError, ValueError):  # of __main__, which is no package
        found = None
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
    config = files.config(folder)
    files.require_weights(spec, folder)
    if spec.untrained:
        return Located(spec, folder, _control(spec, folder, config, remembered), config)
    names = [*files.DESCRIPTION, *(["*.py"] if spec.trust_remote_code else [])]
    own = [*files.weight_files(folder), *files.matching(folder, (files.INDEX, *names))]
    return Located(spec, folder, fingerprint({"files": files.hashes(own, remembered)}), config)


def _from_hub(spec: ModelSpec, remembered: Remembered) -> Located:
    from layeratlas.extract.locate.hub import snapshot

    folder = snapshot(spec)
    config = files.config(folder)
    files.require_weights(spec, folder)
    commit = folder.name
    if spec.untrained:
        return Located(spec, folder, _control(spec, folder, config, remembered), config, commit)
    return Located(spec, folder, fingerprint({"hub": spec.id, "commit": commit}), config, commit)


def _control(spec: ModelSpec, folder: Path, config: dict[str, Any], remembered: Remembered) -> str:
    tokenizer = files.hashes(files.matching(folder, files.TOKENIZER), remembered)
    return fingerprint({"config": config, "tokenizer": tokenizer, "seed": spec.seed})
