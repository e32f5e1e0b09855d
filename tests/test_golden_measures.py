"""What the code of other collections, and textbook formulas, give for 28 pairs of layers; tests/golden/README.md."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from golden_check import FOLLOWED, TABLE, Check

from layeratlas import measures
from layeratlas.measures import Score

GOLDEN = Path(__file__).parent / "golden"
ROW = {
    "measure", "preset", "parameters", "tolerance", "relative", "repeats", "spread", "refused", "refused_because",
    "except", "because", "transform", "cosine", "diagnostics", "reason",
}  # fmt: skip


@cache
def golden() -> Check:
    layers = dict(np.load(GOLDEN / "measures.npz"))
    layers |= {name: rows[:500].astype(np.float64) for name, rows in np.load(GOLDEN / "minilm.npz").items()}
    return Check(json.loads((GOLDEN / "measures.json").read_text(encoding="utf-8")), layers)


def test_every_entry_is_followed_or_has_a_reason() -> None:
    assert TABLE.keys() == golden().entries.keys(), "say in tests/golden/measures.toml what these are of ours"
    for name, row in TABLE.items():
        assert row.keys() <= ROW and ("measure" in row) != ("reason" in row), name
        assert ("except" in row) <= ("because" in row) and ("refused" in row) <= ("refused_because" in row), name


@pytest.mark.parametrize("name", FOLLOWED)
def test_an_entry_that_is_followed(name: str) -> None:
    numbers = [value for value in golden().entries[name]["values"].values() if isinstance(value, float)]
    assert len(numbers) >= 5 and not list(golden().differences(name))


@pytest.mark.parametrize("name", [name for name in FOLLOWED if "except" in TABLE[name]])
def test_an_exception_is_one(name: str) -> None:
    """Where we do not follow a peer, its number is another: an exception that is none must not stand."""
    values, differs = golden().entries[name]["values"], False
    for pair in TABLE[name]["except"]:
        found = golden().score(name, pair)
        differs |= not isinstance(found, Score) or not isinstance(values[pair], float)
        differs |= isinstance(found, Score) and abs(found.value - values[pair]) > TABLE[name]["tolerance"]
    assert differs


def test_a_preset_is_of_a_measure_that_has_it() -> None:
    for name in FOLLOWED:
        row = TABLE[name]
        assert row.get("preset", "default") in ("default", *measures.MEASURES[row["measure"]].presets), name


def test_other_inputs_of_the_same_form_are_checked_too(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((200, 6)), rng.standard_normal((200, 9))
    np.savez(tmp_path / "layers.npz", x=a, y=b)
    value = measures.compare(a, b, measure="ckasim").value
    for said, code in ((value, 0), (value + 1e-6, 1)):
        entries = {"definition.cka.linear": {"values": {"x|y": said}}}
        (tmp_path / "values.json").write_text(json.dumps(entries))
        command = [sys.executable, "tests/golden_check.py", str(tmp_path / "values.json"), str(tmp_path / "layers.npz")]
        done = subprocess.run(command, cwd=GOLDEN.parent.parent, capture_output=True, text=True, check=False)
        assert done.returncode == code and f"1 entries, {code} values" in done.stdout, done.stdout
