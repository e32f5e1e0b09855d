"""What do intervals, and what chance gives, cost beside the scores themselves?

    python bench/intervals.py                       # 14 layers × 384 neurons × 25,147 words, 20 blocks
    python bench/intervals.py --layers 6 --neurons 128 --words 5000
    python bench/intervals.py --blocks 0 --draws 100                       # nulls alone
    python bench/intervals.py --blocks 0 --permutations 50 --measure rsa   # of other measures than the five

Synthetic activations with the spectrum of real layers, from memory, the paper's five measures of all pairs: the scores
alone, then with intervals, in processor time and in wall time; with --permutations and --draws also against chance.
"""

from __future__ import annotations

import argparse
import sys
import time
from itertools import combinations
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import torch

from layeratlas.extract.corpora import read
from layeratlas.measures.declaration import Measure
from layeratlas.measures.engine import How, compare_pairs
from layeratlas.measures.registry import configure, usual_measures
from layeratlas.measures.sources.activations import ArrayRows
from layeratlas.store.study import CorpusSpec
from layeratlas.store.uncertainty import NOTHING, NULLS, Intervals, Nulls, Uncertainty

TEXT = Path(__file__).resolve().parent.parent / "corpora/ewt/en_ewt-ud-dev.conllu.gz"  # for its sentences' lengths


def main() -> None:
    """Time both, all measures together and each alone."""
    options = _options()
    torch.set_num_threads(options.threads)
    rows = layers(options.layers, options.neurons, options.words)
    five = usual_measures(("activations",))
    print(f"{options.layers} layers × {options.neurons} neurons × {options.words:,} words, {options.blocks} blocks, "
          f"{options.threads} threads")  # fmt: skip
    named = [("", [configure(name)]) for name in options.measure]
    chosen = named or [("all five", five), *((("", [one]) for one in five) if options.each else ())]
    asked = [
        (f"{times} {method} {unit} (target 15 for 100)", Uncertainty(nulls=Nulls(unit, times, method=method)))
        for method, times in (("permuted", options.permutations), ("drawn", options.draws)) if times
        for unit in NULLS[method]
    ]  # fmt: skip
    if options.blocks:
        said = f"intervals, {options.blocks} blocks (target 6)"
        asked.insert(0, (said, Uncertainty(Intervals(blocks=options.blocks))))
    for title, measures in chosen:
        plain = _least(rows, measures, NOTHING, options.repeat)
        print(f"{title or measures[0].name:20s} scores {plain[0]:7.1f} s", flush=True)
        for what, sure in asked:
            found = _least(rows, measures, sure, options.repeat)
            wall, processor = (one / other for one, other in zip(found, plain, strict=True))
            print(f"{'':20s} {what}: {wall:.2f} × wall, {processor:.2f} × processor", flush=True)


def _least(rows: list[ArrayRows], measures: list[Measure], asked: Uncertainty, repeat: int) -> tuple[float, float]:
    """The least seconds of several runs, on the wall and of processors."""
    wall, processor = zip(*(took(rows, measures, asked) for _ in range(repeat)), strict=True)
    return min(wall), min(processor)


def layers(count: int, neurons: int, words: int) -> list[ArrayRows]:
    """Layers, each a step away from the one before, whose eigenvalues fall as a power law."""
    rng = np.random.default_rng(0)
    scale = np.arange(1, neurons + 1, dtype=np.float32) ** -0.8
    state = rng.standard_normal((words, neurons), dtype=np.float32)

    lengths = np.resize([len(sentence) for sentence in read(CorpusSpec(TEXT, "ewt"))], words)
    sentences = np.repeat(np.arange(words, dtype=np.int32), lengths)[:words]
    found = []
    for index in range(count):
        turn = np.linalg.qr(rng.standard_normal((neurons, neurons)))[0].astype(np.float32)
        state = 0.8 * state + 0.9 * np.tanh(state) @ turn
        layer = (state * scale) @ turn + 0.01 * rng.standard_normal((words, neurons), dtype=np.float32)
        found.append(ArrayRows(f"layer {index}", layer, sentences))
    return found


def took(rows: list[ArrayRows], measures: list[Measure], asked: Uncertainty) -> tuple[float, float]:
    """Return the seconds that all pairs take, on the wall and of processors."""
    how = How(memory=4 * 2**30, sure=asked)
    began, used = time.perf_counter(), time.process_time()
    for _ in compare_pairs("activations", rows, list(combinations(range(len(rows)), 2)), measures, how):
        pass
    return time.perf_counter() - began, time.process_time() - used


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=14)
    parser.add_argument("--neurons", type=int, default=384)
    parser.add_argument("--words", type=int, default=25_147)
    parser.add_argument("--blocks", type=int, default=20, help="0: no intervals")
    parser.add_argument("--measure", action="append", default=[], help="in place of the paper's five")
    parser.add_argument("--permutations", type=int, default=0, help="of sentences, and of words; 0: none")
    parser.add_argument("--draws", type=int, default=0, help="of what words in any order give; 0: none")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--each", action="store_true", help="each measure alone, too")
    return parser.parse_args()


if __name__ == "__main__":
    main()
