"""Provenance: what is written down of a run and is no identity: command, time, machine, device, packages."""

from __future__ import annotations

import json
import platform
import shlex
import sys
import uuid
from datetime import UTC, datetime
from typing import Any

from layeratlas.store.places import without_places


def begun(*, device: str, threads: int) -> dict[str, Any]:
    """Return the row of a run that begins now, in this process."""
    return {
        "run": uuid.uuid4().hex, "command": without_places(shlex.join(["layeratlas", *sys.argv[1:]])), "started": now(),
        "outcome": "running", "host": platform.node(), "device": device, "threads": threads,
        "versions": json.dumps(_versions()),
    }  # fmt: skip


def now() -> datetime:
    """Return the time, UTC, as the catalog keeps it."""
    return datetime.now(UTC).replace(tzinfo=None)


def _versions() -> dict[str, str]:
    from importlib import metadata

    found = {"python": platform.python_version()}
    for package in ("layeratlas", "torch", "transformers", "tokenizers", "numpy", "pyarrow", "duckdb"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
