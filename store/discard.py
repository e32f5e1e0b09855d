"""Discarding: the activations of a finished study go; scores, figures and all that stands beside them stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from layeratlas.store.errors import BadRequest
from layeratlas.store.files import readable_size
from layeratlas.store.store import DISCARDED, ArtifactRow, Store


@dataclass(frozen=True)
class Discarded:
    """What was removed, or why nothing was."""

    files: int = 0
    bytes: int = 0
    kept: str = ""

    exit_code = 0

    def lines(self) -> list[str]:
        """What to tell the user."""
        if self.kept:
            return [f"no activations were discarded: {self.kept}"]
        said = f"discarded the activations of {self.files:,} layers, {readable_size(self.bytes)}"
        return [said] if self.files else []


def require_here(store: Store) -> None:
    """Raise BadRequest for a store from which others may be reading."""
    if "://" in store.address:
        raise BadRequest(f"activations are discarded from a store of this machine only, not from {store.title}")


def discard(store: Store, artifacts: Sequence[ArtifactRow]) -> Discarded:
    """Remove these artifacts' files, unless another process is at work in the store.

    They are written down as discarded first: a file that a crash leaves is one that the catalog does not know.
    """
    if not artifacts:
        return Discarded()
    with store.claims.planning():
        if store.claims.workers():
            return Discarded(kept="another process is at work in this store; run again when it has ended")
        with store.run(device="none", threads=1):
            store.write("damaged", [{"artifact": row.artifact, "reason": DISCARDED} for row in artifacts])
            for row in artifacts:
                (store.root / row.path).unlink(missing_ok=True)
    return Discarded(len(artifacts), sum(row.bytes for row in artifacts))
