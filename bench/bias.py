"""What do measures say of layers that have nothing in common? The table of docs/measures.md.

python bench/bias.py                           # 24 neurons, normal; mean and spread over pairs of layers (see PAIRS)
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from layeratlas import measures
from layeratlas.measures.declaration import parameters_of
from layeratlas.measures.registry import MEASURES, configure

ASKED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("rsa", {}), ("rsa", {"metric": "euclidean"}), ("rsa", {"compare_by": "cosine"}),
    ("distance_correlation", {}), ("distance_correlation", {"biased": True}),
    ("cka_rbf", {}), ("cka_rbf", {"debiased": False}), ("cka_rbf", {"debiased": False, "sigma": 0.2}),
    ("mutual_knn", {}), ("jaccard_knn", {}), ("rank_similarity", {}), ("cknna", {}),
    ("second_order_cosine", {}), ("second_order_cosine", {"of": "distances"}),
    ("ckasim", {}), ("cka_debiased", {}), ("cca", {}), ("pwcca", {}), ("procrustes", {}),
    ("regression", {}), ("regression", {"adjusted": True}),
)  # fmt: skip
PAIRS = {150: 20, 500: 20, 5000: 8}  # of so many words, how many pairs of layers


def main() -> None:
    """Print one row a measure."""
    print(f"| measure | {' | '.join(f'{words:,} words' for words in PAIRS)} |\n|---" + "|---" * len(PAIRS) + "|")
    for name, parameters in ASKED:
        asked = ", ".join([f"`{name}`", *(f"`{key} = {value}`" for key, value in parameters.items())])
        cells = []
        for words, pairs in PAIRS.items():
            found = [_value(name, parameters, words, seed) for seed in range(pairs)]
            cells.append(f"{np.mean(found):.3f} ± {np.std(found, ddof=1):.3f}")
        print(f"| {asked} | {' | '.join(cells)} |", flush=True)


def _value(name: str, parameters: dict[str, Any], words: int, seed: int) -> float:
    rng = np.random.default_rng(seed)
    a, b = (rng.standard_normal((words, 24)) for _ in range(2))
    sampled = {"words": words} if "words" in parameters_of(MEASURES[name]) else {}  # all of them
    measure = configure(name, parameters={**parameters, **sampled})
    return measures.compare_all({"a": a, "b": b}, [measure])[name, "a", "b"].value


if __name__ == "__main__":
    main()
