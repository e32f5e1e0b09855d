"""A script as a user writes it: `mypy --strict` checks it, and it runs."""

from __future__ import annotations

import sys

import numpy as np

import layeratlas as la


def closest(store: la.Atlas) -> tuple[str, float]:
    """The model with the layer that is closest to one of another family."""
    found: la.Answer = store.top_pairs(across="families", measure=["ckasim"], source="wu2020-ewt", limit=1)
    row = found.polars().row(0, named=True)
    return str(row["model_a"]), float(row["value"])


def main(folder: str) -> None:
    """Import what was published, ask, compare arrays."""
    la.run("wu2020-published", store=folder)
    store = la.open(folder)
    model, value = closest(store)
    print(model, f"{value:.4f}")
    heat: la.Heatmap = store.heatmap("bert_base_cased", "xlnet_large_cased")
    print(heat.numpy().shape)
    a = np.random.default_rng(0).standard_normal((100, 4))
    score: la.Score = la.compare(a, a[:, ::-1], measure="ckasim")
    both = la.compare_all({"a": a, "b": a + 1}, ["ckasim"])
    try:
        store.nearest("nobody", 3)
    except la.BadRequest as error:
        print(len(str(error)) > 0 and score.value > 0.99 and both.matrix().shape == (2, 2) and len(la.measures()) > 5)


if __name__ == "__main__":
    main(sys.argv[1])
