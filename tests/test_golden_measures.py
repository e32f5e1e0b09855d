"""What the code of other collections, and textbook formulas, give for 28 pairs of layers; tests/golden/README.md."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layeratlas import measures
from layeratlas.measures import Measure, MeasureError, Score

GOLDEN = Path(__file__).parent / "golden"
ENTRIES = {name: entry for name, entry in json.loads((GOLDEN / "measures.json").read_text()).items() if name[0] != "_"}
TABLE, SAMPLED = (
    tomllib.loads((GOLDEN / name).read_text(encoding="utf-8")) for name in ("measures.toml", "measures_samples.toml")
)  # `test_golden_samples.py` follows the second
TRANSFORMS: dict[str, Callable[[float], float]] = {"2 v / pi": lambda value: 2 * value / math.pi}
FOLLOWED = [name for name, row in TABLE.items() if "reason" not in row]


@cache
def arrays() -> dict[str, Any]:
    found = dict(np.load(GOLDEN / "measures.npz"))
    return found | {name: rows[:500].astype(np.float64) for name, rows in np.load(GOLDEN / "minilm.npz").items()}


@cache
def scored(measure: Measure, pair: str) -> Score | MeasureError:
    left, right = (arrays()[name] for name in pair.split("|"))
    try:
        return measures.compare_all({"a": left, "b": right}, [measure])[measure.name, "a", "b"]
    except MeasureError as refusal:
        return refusal


def test_every_entry_is_followed_or_has_a_reason() -> None:
    lacking = [name for name in ENTRIES if name not in TABLE and name not in SAMPLED]
    assert not lacking, "say in tests/golden/measures.toml what these are of ours, or why they are not followed"
    assert set(TABLE) | set(SAMPLED) == set(ENTRIES)
    assert not set(TABLE) & set(SAMPLED), "an entry stands in one table"
    allowed = {
        "measure", "preset", "parameters", "tolerance", "refused", "refused_because", "except", "because", "transform",
        "diagnostics", "reason",
    }  # fmt: skip
    for name, row in TABLE.items():
        assert set(row) <= allowed, name
        assert ("except" in row) <= ("because" in row) and ("refused" in row) <= ("refused_because" in row), name


@pytest.mark.parametrize("name", FOLLOWED)
def test_an_entry_that_is_followed(name: str) -> None:
    row, values = TABLE[name], ENTRIES[name]["values"]
    measure = measures.configure(row["measure"], row.get("preset", "default"), row.get("parameters"))
    for pair, expected in values.items():
        found = scored(measure, pair)
        assert isinstance(found, MeasureError) == (pair in row.get("refused", ())), (pair, found)
        if isinstance(found, MeasureError):
            assert str(found)
            continue
        value = found.value
        assert math.isfinite(value), pair
        if "diagnostics" in row:
            value = min(found.diagnostics[name] for name in row["diagnostics"])
        value = TRANSFORMS[row["transform"]](value) if "transform" in row else value
        if isinstance(expected, float) and pair not in row.get("except", ()):
            assert value == pytest.approx(expected, abs=row["tolerance"]), pair


@pytest.mark.parametrize("name", [name for name in FOLLOWED if "except" in TABLE[name]])
def test_an_exception_is_one(name: str) -> None:
    """Where we do not follow a peer, its number is another: an exception that is none must not stand."""
    row, values = TABLE[name], ENTRIES[name]["values"]
    measure = measures.configure(row["measure"], row.get("preset", "default"), row.get("parameters"))
    differs = False
    for pair in row["except"]:
        found = scored(measure, pair)
        differs |= not isinstance(found, Score) or not isinstance(values[pair], float)
        differs |= isinstance(found, Score) and abs(found.value - values[pair]) > row["tolerance"]
    assert differs


def test_a_preset_is_of_a_measure_that_has_it() -> None:
    for name in FOLLOWED:
        row = TABLE[name]
        assert row.get("preset", "default") in ("default", *measures.MEASURES[row["measure"]].presets), name
