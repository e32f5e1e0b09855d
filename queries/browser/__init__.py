"""The interactive browser over a catalog. Reads only. Screens are Textual, an extra; what is below knows none."""

from __future__ import annotations

from importlib.util import find_spec

from layeratlas.store.errors import LayeratlasError
from layeratlas.store.store import Store


def browse(store: Store) -> None:
    """Open the browser on a store. Raises LayeratlasError when Textual is not installed."""
    if find_spec("textual") is None:
        raise LayeratlasError(
            "the browser needs Textual, which is not installed: run `pip install 'layeratlas[browse]'`"
        )
    from layeratlas.queries.browser.app import run

    run(store)
