"""How long do two processes take that share a study, against one after the other?

    python bench/sharing.py                        # the demo's models on 600 sentences, about two minutes
    python bench/sharing.py --sentences 100 --repeat 3

In turns, each in a store of its own: one process runs the study, then a second one, which finds nothing to do; and two
that start at once. Together these must compute what the one did, and nothing twice.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Time both ways in turns, print the ratio."""
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder) / "study.toml"
        demo = (ROOT / "studies" / "demo.toml").read_text(encoding="utf-8").replace('"../', f'"{ROOT}/')
        study.write_text(re.sub(r'(?m)^(path = ".*")$', rf"\1\nlimit = {options.sentences}", demo), encoding="utf-8")
        one, two = [], []
        for number in range(options.repeat):
            alone, shared = (Path(folder) / f"{name}-{number}" for name in ("alone", "shared"))
            began = time.perf_counter()
            counts = [measured(start(study, alone)), measured(start(study, alone))]
            one.append(time.perf_counter() - began)
            began = time.perf_counter()
            both = [start(study, shared), start(study, shared)]
            shares = [measured(process) for process in both]
            two.append(time.perf_counter() - began)
            assert sum(shares) == sum(counts), (shares, counts)
            print(f"scores: {counts[0]:,} alone, {shares[0]:,} and {shares[1]:,} at once", flush=True)
    after, at_once = statistics.median(one), statistics.median(two)
    print(f"one after the other {after:.1f} s, two at once {at_once:.1f} s: {at_once / after:.2f} × (target below 1)")


def start(study: Path, store: Path) -> subprocess.Popen[str]:
    """Run a study in a process of its own."""
    command = [sys.executable, "cli.py", "run", str(study), "--store", str(store)]
    return subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def measured(process: subprocess.Popen[str]) -> int:
    """Wait for a process; return how many scores it says that it measured."""
    said, _ = process.communicate()
    if process.returncode:
        sys.exit(said)
    found = re.search(r"measured ([\d,]+) scores", said)
    return int(found[1].replace(",", "")) if found else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentences", type=int, default=600)
    parser.add_argument("--repeat", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
