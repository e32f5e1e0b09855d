"""How near does measuring come to what a CUDA device can do, and how near are its scores to the CPU's?

    python bench/gpu.py                            # needs a CUDA device with 16 GB; a few minutes
    python bench/gpu.py --device cpu --small       # that the bench itself runs, in seconds

The device's own speed is its bare float32 product (no TF32) of the same layers, already on the device. Measuring is all
in: copies from memory, five measures of all pairs, both directions.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import torch
from wide import made, measure

from layeratlas.devices import device_named
from layeratlas.measures.engine import How, compare_pairs
from layeratlas.measures.registry import usual_measures
from layeratlas.measures.sources.activations import ArrayRows

SHAPES = ((26, 768, 25_000), (8, 4096, 25_000))
SMALL = ((6, 256, 5_000),)


def main() -> None:
    """Measure speed and agreement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true", help="a single small study")
    options = parser.parse_args()
    device = device_named(options.device)
    if device.type == "cuda":
        print(torch.cuda.get_device_name(device))
    for count, neurons, words in SMALL if options.small else SHAPES:
        layers = made(count, neurons, words)
        pairs = list(itertools.combinations(range(count), 2))
        measure(layers[:2], [(0, 1)], How(device=device))  # libraries start
        bare, ours = floor(layers, device), timed(partial(measure, layers, pairs, How(device=device)), device)
        operations = 2.0 * words * neurons**2 * count * (count + 1) / 2
        print(
            f"{count} × {neurons} × {words:,}: bare {operations / bare / 1e12:.1f} TFLOP/s, measured "
            f"{operations / ours / 1e12:.1f}: {bare / ours:.0%} of it (target 60%)", flush=True
        )  # fmt: skip
    print(f"largest difference from the CPU's scores: {difference(device):.1e} (target 1e-5)")


def floor(layers: list[np.ndarray], device: torch.device) -> float:
    """Return the seconds of the bare product of each layer with itself and all later ones."""
    there = [torch.from_numpy(layer).to(device) for layer in layers]

    def product() -> None:
        for first, second in itertools.combinations_with_replacement(there, 2):
            first.T @ second

    product()
    return timed(product, device)


def timed(work: object, device: torch.device) -> float:
    """Return the seconds of some work, all of it done."""
    synchronize(device)
    began = time.perf_counter()
    work()  # type: ignore[operator]
    synchronize(device)
    return time.perf_counter() - began


def synchronize(device: torch.device) -> None:
    """Wait for a device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def difference(device: torch.device) -> float:
    """Return by how much scores of a few layers differ from the CPU's, at most."""
    sources = [ArrayRows(str(index), layer) for index, layer in enumerate(made(4, 384, 8_000))]
    pairs, largest = list(itertools.combinations(range(4), 2)), 0.0
    found = []
    for one in (torch.device("cpu"), device):
        values = {}
        for some in compare_pairs("activations", sources, pairs, usual_measures(("activations",)), How(device=one)):
            for outcomes in some:
                values |= {(outcomes.measure.name, *pair): score.value for pair, score in outcomes.single()}
        found.append(values)
    for key, value in found[0].items():
        largest = max(largest, abs(value - found[1][key]))
    return largest


if __name__ == "__main__":
    main()
