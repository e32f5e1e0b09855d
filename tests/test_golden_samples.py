"""What other projects' code returns, entry by entry of tests/golden/measures_samples.toml, and what is not followed."""

from __future__ import annotations

import json
import math
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from layeratlas import measures

GOLDEN = Path(__file__).parent / "golden"
ENTRIES = json.loads((GOLDEN / "measures.json").read_text())
ABOUT = ENTRIES.pop("_about")
TABLE = tomllib.loads((GOLDEN / "measures_samples.toml").read_text())


@cache
def inputs() -> dict[str, npt.NDArray[np.float64]]:
    """Return the arrays [words, neurons] by name."""
    found = dict(np.load(GOLDEN / "measures.npz"))
    real = np.load(GOLDEN / "minilm.npz")
    return found | {name: real[name][:500].astype(np.float64) for name in real.files}


def test_every_entry_is_followed_or_has_a_reason() -> None:
    """That every entry is listed in one of the tables, `test_golden_measures.py` tests."""
    for row in TABLE.values():
        assert ("measure" in row) != ("reason" in row)


@pytest.mark.parametrize("entry", [name for name, row in TABLE.items() if "measure" in row])
def test_golden_value(entry: str) -> None:
    row = TABLE[entry]
    measure = measures.configure(row["measure"], row.get("preset", "default"), row.get("parameters"))
    pairs = {pair: value for pair, value in ENTRIES[entry]["values"].items() if not isinstance(value, str)}
    assert len(pairs) >= 5
    for pair, value in pairs.items():
        a, b = pair.split("|")
        found = measures.compare_all({"a": inputs()[a], "b": inputs()[b]}, [measure])[measure.name, "a", "b"].value
        expected = math.cos(value) if row.get("cosine") else value
        assert found == pytest.approx(expected, **tolerance(row, entry, pair)), pair


def tolerance(row: dict[str, Any], entry: str, pair: str) -> dict[str, float]:
    """Return how far a value may be from the peer's."""
    if "spread" in row:
        return {"abs": row["spread"] * ENTRIES[entry]["spread"][pair]}
    within = row.get("repeats", row["tolerance"]) if pair in ABOUT["pairs_with_duplicate_rows"] else row["tolerance"]
    return {"abs": within, "rel": within}
