"""What do measures say of layers that have nothing in common? The table of docs/measures.md.

python bench/bias.py                           # 24 neurons, normal; mean and spread over 20 pairs of layers
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from layeratlas import measures
from layeratlas.measures.registry import configure

ASKED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("rsa", {}), ("rsa", {"metric": "euclidean"}), ("rsa", {"compare_by": "cosine"}),
    ("distance_correlation", {}), ("distance_correlation", {"biased": True}),
    ("cka_rbf", {}), ("cka_rbf", {"debiased": False}), ("cka_rbf", {"debiased": False, "sigma": 0.2}),
    ("mutual_knn", {}), ("jaccard_knn", {}), ("rank_similarity", {}), ("cknna", {}),
    ("second_order_cosine", {}), ("second_order_cosine", {"of": "distances"}),
    ("rsm_difference", {"norm": "rms", "rescale": "rms"}), ("imd", {}), ("ckasim", {}),
)  # fmt: skip
WORDS = (150, 500, 1000)


def main() -> None:
    """Print one row a measure."""
    print(f"| measure | {' | '.join(f'{words:,} words' for words in WORDS)} |\n|---" + "|---" * len(WORDS) + "|")
    for name, parameters in ASKED:
        asked = ", ".join([f"`{name}`", *(f"`{key} = {value}`" for key, value in parameters.items())])
        cells = []
        for words in WORDS:
            found = [_value(name, parameters, words, seed) for seed in range(20)]
            cells.append(f"{np.mean(found):.3f} ± {np.std(found, ddof=1):.3f}")
        print(f"| {asked} | {' | '.join(cells)} |", flush=True)


def _value(name: str, parameters: dict[str, Any], words: int, seed: int) -> float:
    rng = np.random.default_rng(seed)
    a, b = (rng.standard_normal((words, 24)) for _ in range(2))
    return measures.compare_all({"a": a, "b": b}, [configure(name, parameters=parameters)])[name, "a", "b"].value


if __name__ == "__main__":
    main()
