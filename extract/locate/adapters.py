"""Adapters (LoRA and its kin): a folder that holds what was learned on top of a base model, and says of which.

An adapter is always merged into its base's weights. Both are in its identity; nothing else that lies beside them is.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from layeratlas.extract.locate import files
from layeratlas.store.errors import BadRequest, LayeratlasError
from layeratlas.store.files import Remembered
from layeratlas.store.study import ModelSpec

_PLACE = ("base_model_name_or_path", "revision")  # where the base is: its weights are in the identity themselves


def is_adapter(folder: Path) -> bool:
    """Tell whether a folder holds an adapter. One that lies beside a whole model is none: the model is meant."""
    return lies_in(folder) and not files.weight_files(folder)


def lies_in(folder: Path) -> bool:
    """Tell whether an adapter's files are in a folder, whatever else is."""
    return (folder / "adapter_config.json").exists() and bool(files.matching(folder, files.ADAPTER_WEIGHTS))


def base_of(spec: ModelSpec, folder: Path) -> ModelSpec:
    """Return the model that an adapter was made for, as its configuration names it: a folder or a hub model.

    A relative folder is looked for beside the adapter and in the current folder. Raises LayeratlasError.
    """
    if spec.untrained:
        raise BadRequest(f"{spec.name} is an adapter, which has no untrained control: name its base model")
    described = files.read_json(folder / "adapter_config.json")
    named, revision = described.get("base_model_name_or_path"), described.get("revision")
    if not isinstance(named, str) or not named:
        raise LayeratlasError(f"{folder / 'adapter_config.json'} names no base model (base_model_name_or_path)")
    for place in (folder / named, Path(named).expanduser()):
        if place.is_dir():
            return replace(spec, id=str(place.resolve()), revision=None, folder=place.resolve())
    if named.startswith((".", "/", "~")) or named.count("/") > 1:
        raise LayeratlasError(
            f"{spec.name} is an adapter of {named}, and there is no such folder: correct base_model_name_or_path in "
            "its adapter_config.json"
        )
    return replace(spec, id=named, revision=revision if isinstance(revision, str) else spec.revision, folder=None)


def content(folder: Path, base: str, remembered: Remembered) -> dict[str, Any]:
    """Return what an adapter's weights are known by; `base` is the fingerprint of its base's."""
    described = files.read_json(folder / "adapter_config.json")
    return {
        "adapter": {key: value for key, value in described.items() if key not in _PLACE},
        "files": files.hashes(files.matching(folder, (*files.ADAPTER_WEIGHTS, *files.TOKENIZER)), remembered),
        "base": base, "merged": True,
    }  # fmt: skip
