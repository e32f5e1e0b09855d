"""How long does the Python API take: its import, and questions of a million scores?

    python bench/python.py

Each is a process of its own, from `import layeratlas` to the answer; the median of five. Targets: 0.15 s for the
import, 0.5 s for `top_pairs()`.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from questions import LARGE, ROOT, fill

from layeratlas.store.store import Store

TIMES = 5
ASKED = {
    "import": ("", 0.15),
    "open, top_pairs()": ("store.top_pairs()", 0.5),
    "open, top_pairs().polars()": ("store.top_pairs().polars()", None),
    "open, heatmap('model-0', 'model-5')": ("store.heatmap('model-0', 'model-5').numpy()", None),
    "open, heatmap()": ("store.heatmap().numpy()", None),
    "open, scores()": ("store.scores()", None),
    "open, scores(measure='ckasim').polars()": ("store.scores(measure='ckasim').polars()", None),
}  # fmt: skip


def main() -> None:
    """Build the catalog, ask, print seconds."""
    with tempfile.TemporaryDirectory() as folder:
        fill(Store(Path(folder)), *LARGE)
        for what, (asked, target) in ASKED.items():
            taken = [timed(folder, asked) for _ in range(TIMES)]
            middle = statistics.median(taken)
            late = "  LATE" if target and middle >= target else ""
            print(f"{what:<45} {middle:5.2f} s  ({min(taken):.2f} to {max(taken):.2f}){late}", flush=True)


def timed(folder: str, asked: str) -> float:
    """Return the seconds of one question in a new process."""
    opened = f"store = layeratlas.open({folder!r}); {asked}" if asked else "pass"
    script = (
        f"import time; begun = time.perf_counter(); import layeratlas; {opened}; print(time.perf_counter() - begun)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True)
    return float(done.stdout)


if __name__ == "__main__":
    main()
