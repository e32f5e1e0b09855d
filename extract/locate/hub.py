"""Models of the Hugging Face hub: one snapshot of exactly the files that extraction reads."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from layeratlas.extract.locate.adapters import is_adapter
from layeratlas.extract.locate.cards import CARD
from layeratlas.extract.locate.files import ADAPTER_WEIGHTS, DESCRIPTION, INDEX, PICKLED, SAFE, weight_files
from layeratlas.store.errors import BadRequest, LayeratlasError
from layeratlas.store.study import ModelSpec

_OTHER_COPIES = ["*/*", "consolidated*"]  # the same weights again, for other programs


def snapshot(spec: ModelSpec) -> Path:
    """Return the folder of a hub model's snapshot; its name is the commit.

    A snapshot in the cache is used as it is, without asking the hub; otherwise it is fetched, weights as safetensors
    where there are any. Raises BadRequest for an unknown model, LayeratlasError when it cannot be had.
    """
    for offline in (True, False):
        if not offline:
            _require_network(spec)
        for weights in _weight_patterns(spec):
            folder = _fetch(spec, [*_description(spec), *weights], offline=offline)
            if folder is not None and _complete(spec, folder):
                return folder
    raise LayeratlasError(f"{_title(spec)} on the hub has no config.json, or no weights as {SAFE} or {PICKLED}")


def _description(spec: ModelSpec) -> list[str]:
    return [*DESCRIPTION, CARD, "adapter_config.json", *(["*.py"] if spec.trust_remote_code else [])]


def _weight_patterns(spec: ModelSpec) -> list[list[str]]:
    return [[]] if spec.untrained else [[SAFE, INDEX], [PICKLED, INDEX, *ADAPTER_WEIGHTS]]


def _complete(spec: ModelSpec, folder: Path) -> bool:
    whole = (folder / "config.json").exists() and (spec.untrained or bool(weight_files(folder)))
    return whole or is_adapter(folder)


def _require_network(spec: ModelSpec) -> None:
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        raise LayeratlasError(
            f"{_title(spec)} is not in the hub's cache and HF_HUB_OFFLINE is set: fetch it once with network access, "
            "or give a folder (./my-model)"
        )


def _fetch(spec: ModelSpec, patterns: list[str], *, offline: bool) -> Path | None:
    """Return the snapshot's folder, None when it is not in the cache and may not be fetched."""
    from huggingface_hub import errors, snapshot_download

    # what the hub's HTTP library raises, whichever library that is
    bases: tuple[Any, ...] = errors.HfHubHTTPError.__bases__
    transport: tuple[type[Exception], ...] = (*bases, OSError)
    try:
        found = snapshot_download(
            spec.id, revision=spec.revision, allow_patterns=patterns, ignore_patterns=_OTHER_COPIES,
            local_files_only=offline,
        )  # fmt: skip
    except (errors.HFValidationError, errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
        raise BadRequest(
            f"the hub has no model '{_title(spec)}' (a folder is written ./name): {_line(error)}"
        ) from None
    except errors.LocalEntryNotFoundError as error:
        if offline:
            return None
        raise LayeratlasError(
            f"{_title(spec)} is not in the hub's cache and cannot be fetched: {_line(error)}"
        ) from None
    except transport as error:
        raise LayeratlasError(f"{_title(spec)} cannot be fetched: {_line(error)}") from None
    return Path(str(found))


def _title(spec: ModelSpec) -> str:
    return spec.id if spec.revision is None else f"{spec.id} at {spec.revision}"


def _line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
