"""The interactive browser over a catalog. Reads only. Its screens are Textual, an extra; all below knows no terminal."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from store.errors import SimcatError


def browse(root: Path) -> None:
    """Open the browser on a store. Raises SimcatError when Textual is not installed."""
    if find_spec("textual") is None:
        raise SimcatError("the browser needs Textual, which is not installed: run `pip install 'simcat[browse]'`")
    from queries.browser.app import run

    run(root)
