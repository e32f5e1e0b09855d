"""Re-reading everything: is each artifact what was written, and is every file known?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from layeratlas.store.artifacts.base import check
from layeratlas.store.errors import ArtifactDamaged
from layeratlas.store.files import TEMPORARY
from layeratlas.store.kinds import KINDS
from layeratlas.store.store import Store


def verify(store: Store, advance: Callable[[int], None] = lambda artifacts: None) -> tuple[list[str], list[str]]:
    """Re-hash every artifact; mark the damaged, so that the next run rebuilds them.

    Returns the damaged, and the files that the catalog does not know, each as a line that names the file.
    """
    damaged = {}
    rows = store.artifacts()
    for row in rows:
        try:
            check(store.root, row.path, size=row.bytes, sha256=row.sha256)
        except ArtifactDamaged as error:
            damaged[row.artifact] = str(error)
        advance(1)
    store.stage("damaged", [{"artifact": artifact, "reason": reason} for artifact, reason in damaged.items()])
    store.merge()
    known = {row.path for row in rows}
    return list(damaged.values()), [path for path in _files(store.root) if path not in known]


def _files(root: Path) -> list[str]:
    found = [path for kind in KINDS for path in (root / kind).rglob("*.parquet")]
    return sorted(str(path.relative_to(root)) for path in found if not path.name.startswith(TEMPORARY))
