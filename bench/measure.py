"""How fast and how large is `measure`, against the bare product and against the formulas pair by pair?

    python bench/measure.py                        # 26 layers × 768 neurons × 25,000 words, about five minutes
    python bench/measure.py --layers 6 --neurons 256 --words 5000 --repeat 3

Synthetic activations with the spectrum of real layers go to a store in a temporary folder. In one run, in turns:
the floor is the bare float32 product of every layer with itself and all later ones, from memory; `measure` reads the
same data from Parquet, as the command does, in a process of its own whose peak memory is taken; the baseline computes
a sample of pairs as the formulas stand and is scaled up.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import torch
from torch import Tensor

from layeratlas.store.artifacts.activations import ActivationWriter
from layeratlas.store.identity import ArtifactIdentity, Settings
from layeratlas.store.store import Store


def main() -> None:
    """Fill a store, time the three in turns, print the ratios."""
    options = _options()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        layers = fill(Path(folder), options.layers, options.neurons, options.words)
        floors, measured, peaks = [], [], []
        for _ in range(options.repeat):
            floors.append(floor(layers))
            took, peak = measure(Path(folder), options.threads)
            measured.append(took)
            peaks.append(peak)
        by_torch, by_numpy = (statistics.median(times) for times in zip(*floors, strict=True))
        ours = statistics.median(measured)
        print(
            f"{options.layers} layers × {options.neurons} neurons × {options.words:,} words, {options.threads} threads"
        )
        print(f"bare symmetric float32 product   {by_torch:8.1f} s with torch.mm, {by_numpy:.1f} s with numpy.matmul")
        print(f"layeratlas measure, five measures    {ours:8.1f} s   {[round(x, 1) for x in measured]}")
        print(
            f"measure / product  {ours / by_torch:6.2f} × torch's, {ours / by_numpy:.2f} × numpy's (target at most 1.5)"
        )
        print(f"peak memory of measure {max(peaks) / 2**30:5.2f} GiB (target under 3 GB)", flush=True)
        straightforward = baseline(layers)
    print(f"pair by pair (scaled up)         {straightforward:8.1f} s")
    print(f"pair by pair / measure {straightforward / ours:6.1f} × (target at least 10)")


def fill(root: Path, count: int, neurons: int, words: int) -> list[Tensor]:  # each [words, neurons]
    """Write layers of two models, each a step away from the one before, whose eigenvalues fall as a power law.

    As in a trained model (all-MiniLM: 79 %), about four components in five hold 99 % of the standardised variance.
    """
    rng = np.random.default_rng(0)
    store = Store(root)
    layers = []
    scale = np.arange(1, neurons + 1, dtype=np.float32) ** -0.8
    state = rng.standard_normal((words, neurons), dtype=np.float32)
    for index in range(count):
        turn = np.linalg.qr(rng.standard_normal((neurons, neurons)))[0].astype(np.float32)
        state = 0.8 * state + 0.9 * np.tanh(state) @ turn
        layer = (state * scale) @ turn + 0.01 * rng.standard_normal((words, neurons), dtype=np.float32)
        layers.append(torch.from_numpy(layer))
        model, number = divmod(index, (count + 1) // 2)
        identity = ArtifactIdentity(f"v1:model-{model}", "v1:corpus", number, Settings())
        with ActivationWriter(root, identity, f"model-{model}", neurons) as writer:
            for start in range(0, words, 1000):
                part = layer[start : start + 1000]
                place = np.arange(start, start + len(part), dtype=np.int32)
                writer.write(place, np.zeros(len(part), np.int32), ["w"] * len(part), part)
        assert writer.artifact is not None
        store.write_artifact(writer.artifact, "bench")
    store.write("models", [{"weights": f"v1:model-{m}", "name": f"model-{m}", "family": f"family-{m}", "layers": 12,
                            "neurons": neurons, "source": "own"} for m in range(2)])  # fmt: skip
    store.write("corpora", [{"corpus": "v1:corpus", "name": "synthetic", "sentences": words, "words": words}])
    store.merge()
    return layers


def floor(layers: list[Tensor]) -> tuple[float, float]:
    """Multiply every layer with itself and all later ones, float32, by torch's BLAS and by numpy's; return seconds."""
    together = torch.cat(layers, dim=1)
    array = together.numpy()
    edges = list(itertools.accumulate((layer.shape[1] for layer in layers), initial=0))
    times = []
    for product in (
        lambda a, b: torch.mm(together[:, a:b].T, together[:, a:]),
        lambda a, b: array[:, a:b].T @ array[:, a:],
    ):
        began = time.perf_counter()
        for start, stop in itertools.pairwise(edges):
            product(start, stop)
        times.append(time.perf_counter() - began)
    return times[0], times[1]


def measure(root: Path, threads: int) -> tuple[float, int]:
    """Run `layeratlas measure --refresh` in a process of its own; return its seconds and peak bytes."""
    command = [sys.executable, "cli.py", "measure", "--refresh", "--device", "cpu", "--store", str(root)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    began = time.perf_counter()
    process = subprocess.Popen(command, cwd=Path(__file__).resolve().parent.parent, env=environment)
    peak = 0
    while process.poll() is None:  # its own high-water mark: ru_maxrss would count this process's, from the fork
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        peak = max([peak, *(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))])
        time.sleep(0.05)
    took = time.perf_counter() - began
    if process.returncode:
        sys.exit(f"measure failed with {process.returncode}")
    return took, peak * 1024


def baseline(layers: list[Tensor], sample: int = 4) -> float:
    """Time the formulas as papers state them, a sample of pairs; scale to all ordered pairs and all layers."""
    pairs = list(itertools.combinations(range(len(layers)), 2))
    chosen = pairs[:: max(1, len(pairs) // sample)][:sample]
    began = time.perf_counter()
    decomposed = {index: _decompose(layers[index]) for index in {i for pair in chosen for i in pair}}
    layer_seconds = (time.perf_counter() - began) / len(decomposed) * len(layers)
    began = time.perf_counter()
    for a, b in chosen:
        _pair(layers[a], layers[b], decomposed[a], decomposed[b])
        _pair(layers[b], layers[a], decomposed[b], decomposed[a])
    return layer_seconds + (time.perf_counter() - began) / len(chosen) * len(pairs)


def _decompose(layer: Tensor) -> dict[str, Any]:
    standardised = (layer - layer.mean(0)) / layer.std(0)
    left, values, _ = torch.linalg.svd(standardised, full_matrices=False)
    kept = int((values.square().cumsum(0) / values.square().sum() < 0.99).sum()) + 1
    return {"z": standardised, "basis": left[:, :kept]}


def _pair(a: Tensor, b: Tensor, a_parts: dict[str, Any], b_parts: dict[str, Any]) -> None:
    words = len(a)
    (a_parts["z"].T @ b_parts["z"] / words).abs().max(dim=1)  # neuronsim
    solved = torch.linalg.lstsq(b_parts["z"], a_parts["z"]).solution  # mixedsim
    fitted = b_parts["z"] @ solved
    (fitted * a_parts["z"]).mean(0) / fitted.std(0)
    left, values, _ = torch.linalg.svd(a_parts["basis"].T @ b_parts["basis"], full_matrices=False)  # svsim
    variables = a_parts["basis"] @ left  # pwsim
    weights = (variables.T @ a).abs().sum(dim=1)
    (weights * values).sum() / weights.sum()
    centred = a - a.mean(0), b - b.mean(0)  # ckasim
    cross, own_a, own_b = (x.T @ y for x, y in ((centred[0], centred[1]), (centred[0],) * 2, (centred[1],) * 2))
    cross.square().sum() / (own_a.norm() * own_b.norm())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=26)
    parser.add_argument("--neurons", type=int, default=768)
    parser.add_argument("--words", type=int, default=25_000)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--folder", help="where the temporary store goes")
    return parser.parse_args()


if __name__ == "__main__":
    main()
