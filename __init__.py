"""layeratlas: a similarity catalog for language models.

    import layeratlas

    layeratlas.compare(a, b, measure="ckasim")     # a [words, neurons_a], b [words, neurons_b] -> Score
    layeratlas.compare_all({"x": a, "y": b})       # all ordered pairs under several measures, in one pass
    layeratlas.compare_attention(p, q)             # p, q: of each sentence [heads, query, key]
    layeratlas.run("study.toml", store="data")     # import, extract and measure what the store lacks
    layeratlas.add_activations("data", "mine", 3, array, corpus="my.txt")   # computed elsewhere, a row a word

Importing this imports neither torch nor the catalog; what is used brings what it needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from layeratlas.measures import (
        MeasureError,
        Score,
        compare,
        compare_all,
        compare_all_attention,
        compare_attention,
        figures_of,
    )
    from layeratlas.running import add_activations, run
    from layeratlas.store.errors import LayeratlasError

#: Where each public name lives; it is imported when it is first used.
_HOMES = {
    "LayeratlasError": "layeratlas.store.errors",
    "MeasureError": "layeratlas.measures",
    "Score": "layeratlas.measures",
    "compare": "layeratlas.measures",
    "compare_all": "layeratlas.measures",
    "compare_all_attention": "layeratlas.measures",
    "compare_attention": "layeratlas.measures",
    "figures_of": "layeratlas.measures",
    "add_activations": "layeratlas.running",
    "run": "layeratlas.running",
}

__all__ = [
    "LayeratlasError", "MeasureError", "Score", "add_activations", "compare", "compare_all", "compare_all_attention",
    "compare_attention", "figures_of", "run",
]  # fmt: skip


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'layeratlas' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
