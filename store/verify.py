"""Re-reading everything: the catalog, the log, and every artifact."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from layeratlas.store import catalog
from layeratlas.store.artifacts.base import check
from layeratlas.store.errors import ArtifactDamaged, CatalogDamaged, CatalogMissing, CatalogNewer, NothingYet
from layeratlas.store.files import TEMPORARY
from layeratlas.store.kinds import KINDS
from layeratlas.store.store import Store


@dataclass(frozen=True)
class Found:
    """What is not as it was written, and what the catalog does not know; each a line that names a file."""

    damaged: list[str]
    unknown: list[str]


def verify(store: Store, advance: Callable[[int], None] = lambda artifacts: None) -> Found:
    """Read every value of the catalog, re-hash every segment of the log and every artifact.

    A damaged catalog is made anew from the log; a damaged segment is set aside, and its rows, where the catalog has
    them, stay; a damaged artifact is marked, so that the next run rebuilds it.
    """
    lines = _catalog(store)
    lines += [
        f"{path}: this part of the log had changed since it was written, and is set aside. What it held is in the "
        "catalog as long as that is whole; else `layeratlas run` measures it again"
        for path in store.check_log()
    ]
    rows = store.artifacts()
    store.bring(rows)
    damaged = {}
    for row in rows:
        try:
            check(store.root, row.path, size=row.bytes, sha256=row.sha256)
        except ArtifactDamaged as error:
            damaged[row.artifact] = str(error)
        advance(1)
    store.write("damaged", [{"artifact": artifact, "reason": reason} for artifact, reason in damaged.items()])
    store.merge()
    known = {row.path for row in rows}
    return Found(lines + list(damaged.values()), [path for path in artifact_files(store.root) if path not in known])


def _catalog(store: Store) -> list[str]:
    try:
        catalog.read_all(store.root)
    except CatalogNewer:
        raise
    except (CatalogDamaged, CatalogMissing) as error:
        store.rebuild()
        return [f"{error}. This is done"]
    except NothingYet:
        pass
    return []


def artifact_files(root: Path) -> list[str]:
    """Return the files that stand where artifacts do, below a store's root; known to the catalog or not."""
    found = [path for kind in KINDS for path in (root / kind).rglob("*.parquet")]
    return sorted(str(path.relative_to(root)) for path in found if not path.name.startswith(TEMPORARY))
