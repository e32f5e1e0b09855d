"""The interactive browser over a catalog. Reads only. Screens are Textual, an extra; what is below knows none."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from layeratlas.store.errors import LayeratlasError


def browse(root: Path) -> None:
    """Open the browser on a store. Raises LayeratlasError when Textual is not installed."""
    if find_spec("textual") is None:
        raise LayeratlasError(
            "the browser needs Textual, which is not installed: run `pip install 'layeratlas[browse]'`"
        )
    from layeratlas.queries.browser.app import run

    run(root)
