"""What a store knows of itself: its own id, by which others tell its scores from their own, and its remotes' names.

`store.json`, made when something is first written. Losing it loses the remotes' names and nothing else.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from layeratlas.store.files import whole_file

FILE = "store.json"


class StoreSettings:
    """The settings of one store."""

    def __init__(self, root: Path) -> None:
        self._path = root / FILE

    @property
    def store(self) -> str:
        """The store's id; made, and kept, when it has none yet."""
        known = self._read().get("store")
        if not isinstance(known, str):
            known = uuid.uuid4().hex
            self._write({**self._read(), "store": known})
        return known

    @property
    def remotes(self) -> dict[str, str]:
        """Where each named remote is. Never a credential: those are the environment's."""
        known = self._read().get("remotes")
        return {str(name): str(url) for name, url in known.items()} if isinstance(known, dict) else {}

    def set_remotes(self, remotes: dict[str, str]) -> None:
        """Keep these remotes, and no others."""
        self._write({**self._read(), "store": self.store, "remotes": remotes})

    @property
    def settled(self) -> dict[str, str]:
        """Names of models and corpora that others call otherwise, by key: what `--rename` said once."""
        known = self._read().get("settled")
        return {str(key): str(name) for key, name in known.items()} if isinstance(known, dict) else {}

    def settle(self, names: Mapping[str, str]) -> None:
        """Keep names on which the user has decided."""
        if names.items() - self.settled.items():
            self._write({**self._read(), "store": self.store, "settled": {**self.settled, **names}})

    def _read(self) -> dict[str, Any]:
        try:
            found = json.loads(self._path.read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def _write(self, settings: dict[str, Any]) -> None:
        with whole_file(self._path) as temporary:
            temporary.write_text(json.dumps(settings, indent=1))
