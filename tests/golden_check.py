"""Do our measures give what the code of other collections, and textbook formulas, give? By tests/golden/measures.toml.

    python tests/golden_check.py values.json layers.npz [more.npz …]

values.json: as tests/golden/measures.json, of each entry `values` by pair (`x|y`); layers.npz: arrays [words, neurons]
by the names that pairs are made of. Prints what is not as the table says.
"""

from __future__ import annotations

import json
import math
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from layeratlas import measures
from layeratlas.measures import Measure, MeasureError, Score

TABLE: dict[str, dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "golden" / "measures.toml").read_text(encoding="utf-8")
)
FOLLOWED = [name for name, row in TABLE.items() if "reason" not in row]
TRANSFORMS: dict[str, Callable[[float], float]] = {"2 v / pi": lambda value: 2 * value / math.pi}


class Check:
    """Entries, and the layers that they are of. What is asked twice is measured once."""

    def __init__(self, entries: Mapping[str, Any], layers: Mapping[str, Any]) -> None:
        self.about = entries.get("_about", {})
        self.entries = {name: entry for name, entry in entries.items() if not name.startswith("_")}
        self._layers = layers
        self._scored: dict[tuple[Measure, str], Score | MeasureError] = {}

    def score(self, entry: str, pair: str) -> Score | MeasureError:
        """What we give for a pair in the place of an entry."""
        row = TABLE[entry]
        measure = measures.configure(row["measure"], row.get("preset", "default"), row.get("parameters"))
        if (measure, pair) not in self._scored:
            a, b = (self._layers[name] for name in pair.split("|"))
            try:
                found: Score | MeasureError = measures.compare_all({"a": a, "b": b}, [measure])[measure.name, "a", "b"]
            except MeasureError as refusal:
                found = refusal
            self._scored[measure, pair] = found
        return self._scored[measure, pair]

    def differences(self, entry: str) -> Iterator[str]:
        """Say of each pair of an entry that is not as the table says how it differs."""
        row = TABLE[entry]
        for pair, expected in self.entries[entry]["values"].items():
            found = self.score(entry, pair)
            if isinstance(found, MeasureError) != (pair in row.get("refused", ())) and not isinstance(expected, str):
                yield f"{entry} {pair}: {found} for {expected}"
            elif isinstance(found, Score) and isinstance(expected, float) and pair not in row.get("except", ()):
                off = abs(self.value(entry, found) - self.expected(entry, expected))
                if not off <= self.tolerance(entry, pair, expected):
                    yield f"{entry} {pair}: {found.value!r} for {expected!r}, {off:.3g} off"

    def value(self, entry: str, found: Score) -> float:
        """Return what an entry is of our score."""
        row = TABLE[entry]
        value = min(found.diagnostics[name] for name in row["diagnostics"]) if "diagnostics" in row else found.value
        return TRANSFORMS[row["transform"]](value) if "transform" in row else value

    def expected(self, entry: str, value: float) -> float:
        """Return an entry's value as ours is stated."""
        return math.cos(value) if TABLE[entry].get("cosine") else value

    def tolerance(self, entry: str, pair: str, expected: float) -> float:
        """Return how far a value may be from the entry's."""
        row = TABLE[entry]
        if "spread" in row:
            return float(row["spread"] * self.entries[entry]["spread"][pair])
        repeats = pair in self.about.get("pairs_with_duplicate_rows", ())
        within = row.get("repeats", row["tolerance"]) if repeats else row["tolerance"]
        return float(within * max(1.0, abs(self.expected(entry, expected))) if row.get("relative") else within)


def read(values: Path, arrays: Sequence[Path], *, words: int | None = None) -> Check:
    """Read entries and layers; `words`: only the first of each layer."""
    layers = {name: rows[:words].astype(np.float64) for path in arrays for name, rows in np.load(path).items()}
    return Check(json.loads(values.read_text(encoding="utf-8")), layers)


def main() -> None:
    """Check other inputs of the same form."""
    check = read(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
    there = [name for name in FOLLOWED if name in check.entries]
    wrong = [line for name in there for line in check.differences(name)]
    print("\n".join([*wrong, f"{len(there)} entries, {len(wrong)} values that are not as the table says"]))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
