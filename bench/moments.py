"""How much longer does it take to measure everything that follows from moments than the paper's five alone?

    python bench/moments.py                        # 26 layers × 768 neurons × 25,000 words, about ten minutes
    python bench/moments.py --layers 6 --neurons 256 --words 5000 --repeat 3

The store of `bench/measure.py`, in turns: the five; all that comes of the same pass (target: 1.6 times the five), but
for the matchings of one to one; these; and the one that reads the words a second time. One process each; ratios by
the clock, and in processor time, which says more on a machine that has other work.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import measure as base

from layeratlas.measures import MEASURES

SECOND_PASS = ("aligned_cosine",)
MATCHINGS = ("match_hard", "match_transport", "permutation_shape")


def main() -> None:
    """Fill a store, time the three in turns, print the ratios."""
    options = base._options()
    names = [
        name for name, declared in MEASURES.items()
        if declared.kind == "activations" and type(declared.needs).__name__ == "CrossMoments"
    ]  # fmt: skip
    five = [name for name in names if MEASURES[name].usual]
    asked = {"the five": five, "all of one pass": [name for name in names if name not in (*MATCHINGS, *SECOND_PASS)],
             "matchings alone": list(MATCHINGS), "second pass alone": list(SECOND_PASS)}  # fmt: skip
    times: dict[str, list[tuple[float, float]]] = {what: [] for what in asked}
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        base.fill(Path(folder), options.layers, options.neurons, options.words)
        for _ in range(options.repeat):
            for what, some in asked.items():
                times[what].append(measured(Path(folder), some, options.threads))
    print(f"{options.layers} layers × {options.neurons} neurons × {options.words:,} words, {options.threads} threads")
    clock, processor = _median(times["the five"])
    for what, taken in times.items():
        took, worked = _median(taken)
        print(f"{what:18} {len(asked[what]):3} measures {took:8.1f} s  {took / clock:5.2f} ×   "
              f"processor {worked:8.1f} s  {worked / processor:5.2f} ×")  # fmt: skip


def _median(taken: list[tuple[float, float]]) -> tuple[float, float]:
    """The middle of seconds by the clock, and of seconds of the processor."""
    clock, processor = (statistics.median(each) for each in zip(*taken, strict=True))
    return clock, processor


def measured(root: Path, names: list[str], threads: int) -> tuple[float, float]:
    """Run `layeratlas measure --refresh` of these in a process of its own; return its seconds, and the processor's."""
    chosen = [part for name in names for part in ("--measure", name)]
    command = [sys.executable, "cli.py", "measure", "--refresh", "--device", "cpu", "--store", str(root), *chosen]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    began, before = time.perf_counter(), _processor()
    subprocess.run(command, cwd=Path(__file__).resolve().parent.parent, env=environment, check=True)
    return time.perf_counter() - began, _processor() - before


def _processor() -> float:
    """Return the processor's seconds of all processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
