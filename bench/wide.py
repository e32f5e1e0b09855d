"""How far is `measure` from the bare product on wide layers, and what memory does it take?

    python bench/wide.py                           # 4 layers × 2,048 × 25,000 words, a minute on two free cores
    python bench/wide.py --neurons 4096 --memory 3072
    python bench/wide.py --curve                   # 256 to 4,096 neurons, each in a process of its own

From memory, the five measures of all pairs both ways, in turns with the bare float32 product of each layer with itself
and all later ones by numpy. Wall seconds, and processor seconds, in which other work on the machine does not count.
Memory: the most that the process held beyond the layers themselves (Linux only), beside what was allowed.
"""

from __future__ import annotations

import argparse
import itertools
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import numpy.typing as npt
import torch

from layeratlas.allocator import give_large_blocks_back
from layeratlas.measures.engine import How, compare_pairs
from layeratlas.measures.registry import usual_measures
from layeratlas.measures.sources.activations import ArrayRows

CURVE = (256, 512, 1024, 2048, 4096)
STATUS, FORGET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def main() -> None:
    """Make layers, time both in turns, print the ratios; or do so for every width of the curve."""
    options = _options()
    if options.curve:
        same = ["--layers", options.layers, "--words", options.words, "--repeat", options.repeat,
                "--memory", options.memory, "--device", options.device]  # fmt: skip
        for neurons in CURVE:
            subprocess.run([sys.executable, __file__, "--neurons", str(neurons), *map(str, same)], check=True)
        return
    give_large_blocks_back()
    layers = made(options.layers, options.neurons, options.words)
    pairs = list(itertools.combinations(range(options.layers), 2))
    how = How(device=torch.device(options.device), memory=options.memory * 2**20)
    print(f"{options.layers} layers × {options.neurons:,} neurons × {options.words:,} words", flush=True)
    ratios = []
    for _ in range(options.repeat):
        bare = timed(lambda: product(layers))
        before = memory(forget=True)
        ours = timed(lambda: measure(layers, pairs, how))
        ratios.append([one / other for one, other in zip(ours, bare, strict=True)])
        print(f"  bare {bare[0]:.1f} s ({bare[1]:.1f} processor), measured {ours[0]:.1f} s ({ours[1]:.1f})", flush=True)
    wall, processor = (statistics.median(column) for column in zip(*ratios, strict=True))
    print(f"  measure / product: {wall:.2f} × by the clock, {processor:.2f} × in processor time")
    print(f"  memory beyond the layers: {memory() - before:,.0f} MiB, allowed {options.memory:,}", flush=True)
    if options.neurons in (2048, 4096):
        print(f"  target: {1.6 if options.neurons == 2048 else 2} ×")


def made(count: int, neurons: int, words: int) -> list[npt.NDArray[np.float32]]:  # each [words, neurons]
    """Return layers of which each is a step away from the one before, whose eigenvalues fall as a power law."""
    rng = np.random.default_rng(0)
    scale = np.arange(1, neurons + 1, dtype=np.float32) ** -0.8
    state = rng.standard_normal((words, neurons), dtype=np.float32)
    layers = []
    for _ in range(count):
        turn = rng.standard_normal((neurons, neurons), dtype=np.float32) / np.float32(neurons) ** 0.5
        state = 0.8 * state + 0.9 * np.tanh(state) @ turn
        layers.append((state * scale) @ turn + 0.01 * rng.standard_normal((words, neurons), dtype=np.float32))
    return layers


def product(layers: list[npt.NDArray[np.float32]]) -> None:
    """Multiply each layer with itself and all later ones."""
    for first, second in itertools.combinations_with_replacement(layers, 2):
        first.T @ second


def measure(layers: list[npt.NDArray[np.float32]], pairs: list[tuple[int, int]], how: How) -> None:
    """Score all pairs."""
    sources = [ArrayRows(str(index), layer) for index, layer in enumerate(layers)]
    for _ in compare_pairs("activations", sources, pairs, usual_measures(("activations",)), how):
        pass


def timed(work: object) -> tuple[float, float]:
    """Return the wall and the processor seconds of some work."""
    wall, processor = time.perf_counter(), time.process_time()
    work()  # type: ignore[operator]
    return time.perf_counter() - wall, time.process_time() - processor


def memory(*, forget: bool = False) -> float:
    """Return the most MiB that the process has held at once, since it was told to forget; 0 where none can be read."""
    if not STATUS.exists():
        return 0.0
    if forget:
        FORGET.write_text("5")
    return int(re.findall(r"VmHWM:\s*(\d+) kB", STATUS.read_text())[0]) / 1024


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--neurons", type=int, default=2048)
    parser.add_argument("--words", type=int, default=25_000)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--memory", type=int, default=2048, help="MiB for the statistics of a tile")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--curve", action="store_true", help="all widths from 256 to 4,096")
    return parser.parse_args()


if __name__ == "__main__":
    main()
