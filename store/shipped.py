"""The studies that come with the package, found by name from any folder."""

from __future__ import annotations

from pathlib import Path

from layeratlas.store.errors import BadRequest

_FOLDER = Path(__file__).resolve().parent.parent / "studies"


def find_study(wanted: Path) -> Path:
    """Return the study file that is meant: a file of the user's, or else a study that ships under that name.

    `wu2020-published`, `wu2020-published.toml` and `studies/wu2020-published.toml` all name one. Raises BadRequest.
    """
    if wanted.is_file():
        return wanted
    ships = {file.stem: file for file in sorted(_FOLDER.glob("*.toml"))}
    name = wanted.name.removesuffix(".toml")
    if wanted.parent in (Path(), Path("studies")) and name in ships:
        return ships[name]
    raise BadRequest(f"there is no study {wanted}: give a TOML file, or one that ships: {', '.join(ships)}")
