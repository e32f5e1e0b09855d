"""Where a model's files are and what fingerprint its weights have; no torch, no transformers.

Local folders (`./x`, `/x`, `~/x`, any that a study found) and folders in installed packages (`package:NAME/FOLDER`) are
known by the content of their weights, configuration and tokenizer; hub models by their commit; untrained controls by
configuration, tokenizer and seed; adapters by their own content and their base's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from layeratlas.extract.locate import files
from layeratlas.store.errors import BadRequest, LayeratlasError
from layeratlas.store.files import Remembered
from layeratlas.store.identity import fingerprint
from layeratlas.store.study import ModelSpec

#: The model_type of what has no config.json: a file of word vectors, AllenNLP's ELMo.
VECTORS, ALLENNLP = "static-vectors", "allennlp-elmo"


@dataclass(frozen=True)
class Located:
    """A model's files and identity. `weights` is the fingerprint; `config` what config.json says.

    folder: where its files are; of word vectors, their file.

    base: of an adapter, the model that it was made for, whose folder and configuration these are. adapter: its own.
    """

    spec: ModelSpec
    folder: Path
    weights: str
    config: dict[str, Any]
    revision: str | None = None
    base: Located | None = None
    adapter: Path | None = None

    @property
    def model_type(self) -> str:
        """What the configuration calls the architecture."""
        return str(self.config.get("model_type", "unknown"))


def locate(spec: ModelSpec, remembered: Remembered) -> Located:
    """Find a model's folder, fetching it from the hub where needed, and fingerprint it.

    Raises BadRequest when there is no such model, LayeratlasError when it cannot be fetched or lacks files.
    """
    if spec.folder is not None:
        found = _from_path(spec, spec.folder, remembered)
    elif spec.id.startswith("package:"):
        found = _from_folder(spec, _package_folder(spec.id), remembered)
    elif spec.id.startswith((".", "/", "~")):
        found = _from_path(spec, Path(spec.id).expanduser().resolve(), remembered)
    else:
        found = _from_hub(replace(spec, id=spec.id.removeprefix("hub:")), remembered)
    if spec.part == "decoder":
        return replace(found, weights=fingerprint({"part": "decoder", "weights": found.weights}))
    return found


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


def _from_path(spec: ModelSpec, path: Path, remembered: Remembered) -> Located:
    return (_from_file if path.is_file() else _from_folder)(spec, path, remembered)


def _from_file(spec: ModelSpec, file: Path, remembered: Remembered) -> Located:
    if spec.untrained or spec.revision or spec.part:
        raise BadRequest(f"{spec.name}: word vectors have no control, no revision and no part")
    (content,) = files.hashes([file], remembered).values()
    return Located(spec, file, fingerprint({"vectors": content}), {"model_type": VECTORS})


def _from_folder(spec: ModelSpec, folder: Path, remembered: Remembered) -> Located:
    if not folder.is_dir():
        raise BadRequest(f"there is no model folder {folder}")
    if spec.revision is not None:
        raise BadRequest(f"{spec.name}: a revision is for hub models, {folder} is a folder: leave it out")
    adapted = _adapted(spec, folder, None, remembered)
    if adapted is not None:
        return adapted
    if not (folder / "config.json").exists() and files.is_allennlp(folder):
        known = fingerprint({"files": files.hashes(files.allennlp_files(folder), remembered)})
        return Located(spec, folder, known, {"model_type": ALLENNLP})
    config = files.config(folder)
    files.require_weights(spec, folder)
    if spec.untrained:
        return Located(spec, folder, _control(spec, folder, config, remembered), config)
    files.require_own_shards(folder, config)
    names = [*files.DESCRIPTION, *(["*.py"] if spec.trust_remote_code else [])]
    own = [*files.hashed_weights(folder), *files.matching(folder, (files.INDEX, *names))]
    return Located(spec, folder, fingerprint({"files": files.hashes(own, remembered)}), config)


def _from_hub(spec: ModelSpec, remembered: Remembered) -> Located:
    from layeratlas.extract.locate.hub import snapshot

    folder = snapshot(spec)
    commit = folder.name
    adapted = _adapted(spec, folder, commit, remembered)
    if adapted is not None:
        return adapted
    config = files.config(folder)
    files.require_weights(spec, folder)
    if spec.untrained:
        return Located(spec, folder, _control(spec, folder, config, remembered), config, commit)
    files.require_own_shards(folder, config)
    return Located(spec, folder, fingerprint({"hub": spec.id, "commit": commit}), config, commit)


def _adapted(spec: ModelSpec, folder: Path, commit: str | None, remembered: Remembered) -> Located | None:
    """Return an adapter with its base; None for a folder that is no adapter."""
    from layeratlas.extract.locate import adapters

    if not adapters.is_adapter(folder):
        return None
    named = replace(adapters.base_of(spec, folder), part=None)
    try:
        base = locate(named, remembered)
    except LayeratlasError as error:
        raise LayeratlasError(f"{spec.name} is an adapter, and its base model is missing: {error}") from None
    if base.base is not None:
        raise LayeratlasError(f"{spec.name} is an adapter of {named.id}, an adapter itself: merge that one first")
    content = adapters.content(folder, base.weights, remembered)
    return Located(spec, base.folder, fingerprint(content), base.config, commit, base, folder)


def _control(spec: ModelSpec, folder: Path, config: dict[str, Any], remembered: Remembered) -> str:
    tokenizer = files.hashes(files.matching(folder, files.TOKENIZER), remembered)
    return fingerprint({"config": config, "tokenizer": tokenizer, "seed": spec.seed})
