"""How much longer does it take to measure everything that follows from moments than the paper's five alone?

    python bench/moments.py                        # 26 layers × 768 neurons × 25,000 words, about ten minutes
    python bench/moments.py --layers 6 --neurons 256 --words 5000 --repeat 3

The store of `bench/measure.py`, in turns: the five; all but the matchings of one to one; these. One process each.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import measure as base

from layeratlas.measures import MEASURES

MATCHINGS = ("match_hard", "match_transport", "permutation_shape")


def main() -> None:
    """Fill a store, time the three in turns, print the ratios."""
    options = base._options()
    names = [
        name for name, declared in MEASURES.items()
        if declared.kind == "activations" and type(declared.needs).__name__ == "CrossMoments"
    ]  # fmt: skip
    five = [name for name in names if MEASURES[name].usual]
    asked = {"the five": five, "all but matchings": [name for name in names if name not in MATCHINGS],
             "matchings alone": list(MATCHINGS)}  # fmt: skip
    times: dict[str, list[float]] = {what: [] for what in asked}
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        base.fill(Path(folder), options.layers, options.neurons, options.words)
        for _ in range(options.repeat):
            for what, some in asked.items():
                times[what].append(measured(Path(folder), some, options.threads))
    print(f"{options.layers} layers × {options.neurons} neurons × {options.words:,} words, {options.threads} threads")
    least = statistics.median(times["the five"])
    for what, taken in times.items():
        took, count = statistics.median(taken), len(asked[what])
        print(f"{what:18} {count:3} measures {took:8.1f} s  {took / least:5.2f} ×   {[round(x, 1) for x in taken]}")


def measured(root: Path, names: list[str], threads: int) -> float:
    """Run `layeratlas measure --refresh` of these in a process of its own; return its seconds."""
    chosen = [part for name in names for part in ("--measure", name)]
    command = [sys.executable, "cli.py", "measure", "--refresh", "--device", "cpu", "--store", str(root), *chosen]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    began = time.perf_counter()
    subprocess.run(command, cwd=Path(__file__).resolve().parent.parent, env=environment, check=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
