"""Write what is shown into a file that other programs read."""

from __future__ import annotations

import json
from pathlib import Path

from layeratlas.queries.core.table import Table
from layeratlas.queries.terminal.render import as_records, write_csv, write_parquet
from layeratlas.store.errors import BadRequest
from layeratlas.store.files import whole_file

EXTENSIONS = (".csv", ".parquet", ".json")


def export(table: Table, path: Path) -> None:
    """Write a table as its file's extension says. Raises BadRequest for another extension, or an unwritable place."""
    form = path.suffix.lower()
    if form not in EXTENSIONS:
        raise BadRequest(f"name a file that ends in {', '.join(EXTENSIONS)}; '{path.name}' does not")
    if not path.parent.is_dir():
        raise BadRequest(f"there is no folder {path.parent}")
    try:
        with whole_file(path) as temporary:
            _write(table, temporary, form)
    except OSError as error:
        raise BadRequest(f"cannot write {path}: {error.strerror or error}") from error


def _write(table: Table, path: Path, form: str) -> None:
    if form == ".csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            write_csv(table, file)
    elif form == ".json":
        path.write_text(json.dumps(as_records(table), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    else:
        with path.open("wb") as file:
            write_parquet(table, file)
