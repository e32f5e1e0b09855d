"""How do time and memory of measuring grow with words, and with layers?

    python bench/curves.py                         # three minutes on two free cores

From memory, the five measures of all pairs both ways, beside the bare float32 product of each layer with itself and
all later ones, in the same process: seconds, their ratio, and the most memory beyond the layers themselves (Linux
only). How they grow with neurons `bench/wide.py --curve` says, with workers `bench/scale.py` and `bench/sharing.py`.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from wide import made, measure, memory, product, timed

from layeratlas.allocator import give_large_blocks_back
from layeratlas.measures.engine import How

NEURONS = 384
WORDS = (2_500, 5_000, 10_000, 20_000, 40_000)  # of 8 layers
LAYERS = (2, 4, 8, 16, 32)  # of 10,000 words


def main() -> None:
    """Time every study, and print its line."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    give_large_blocks_back()
    studies = [*((8, words) for words in WORDS), *((layers, 10_000) for layers in LAYERS)]
    one(2, 2_500)  # what is imported and set up once
    print(f"{NEURONS} neurons\n layers   words   product   measured   ratio   memory")
    for layers, words in studies:
        bare, ours, most = one(layers, words)
        print(f"{layers:7} {words:7,} {bare:7.2f} s {ours:8.2f} s {ours / bare:5.2f} × {most:6,.0f} MiB", flush=True)


def one(layers: int, words: int) -> tuple[float, float, float]:
    """Return the least seconds of three of the bare product and of measuring, and the memory beyond the layers."""
    rows = made(layers, NEURONS, words)
    pairs, before = list(itertools.combinations(range(layers), 2)), memory(forget=True)
    ours = min(timed(lambda: measure(rows, pairs, How()))[0] for _ in range(3))
    most = memory() - before
    return min(timed(lambda: product(rows))[0] for _ in range(3)), ours, most


if __name__ == "__main__":
    main()
