"""How far is the forecast of `run --dry-run` from what measuring takes, on studies that it was not calibrated on?

    python bench/forecast.py                       # ten studies, two minutes

Calibrated once, as the command does; then each study is measured by the engine from memory, and compared. Processor
seconds of both, so that other work on the machine does not count.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from layeratlas.measures.engine import How
from layeratlas.measures.forecast import calibrate, run, work_of
from layeratlas.measures.registry import usual_measures
from layeratlas.store.progress import Silent

#: The first five were never looked at while the model of costs was made.
STUDIES = (
    (60, 64, 3_000), (20, 160, 6_000), (10, 300, 15_000), (12, 640, 8_000), (4, 1280, 5_000),
    (40, 96, 5_000), (13, 384, 12_000), (7, 768, 10_000), (3, 1536, 6_000), (2, 2048, 8_000),
)  # fmt: skip


def main() -> None:
    """Calibrate, forecast, measure; print the error of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    measures, how = usual_measures(("activations",)), How()
    rates = calibrate(measures, how, Silent(), clock=time.process_time)
    print(f"{'layers':>7} {'neurons':>8} {'words':>7} {'forecast':>9} {'measured':>9} {'error':>6}")
    for layers, neurons, words in STUDIES:
        expected = rates.of(work_of(layers, neurons, words))
        took = run(measures, how, layers, neurons, words, clock=time.process_time)
        error = f"{expected / took - 1:+.0%}"
        print(f"{layers:7} {neurons:8} {words:7,} {expected:7.1f} s {took:7.1f} s {error:>6} (target 25%)", flush=True)


if __name__ == "__main__":
    main()
