"""layeratlas: a similarity catalog for language models.

    import layeratlas as la

    store = la.open("layeratlas-data")                 # a folder, s3://…, a bundle, a remote by name
    la.run("study.toml", store=store)                  # or la.Study(models=[…], corpora=[…], measures=[…])
    store.top_pairs(across="families")                 # every question of the command line: a table
    store.heatmap("bert-tiny", "gpt2-tiny")            # draws itself
    store.activations("bert-tiny", 3)[:100]            # [words, neurons], read as they are asked for
    la.compare(a, b, measure="ckasim")                 # a [words, neurons_a], b [words, neurons_b] -> Score
    la.compare_all({"x": a, "y": b}).matrix("ckasim")  # all ordered pairs under several measures, in one pass
    la.compare_attention(p, q)                         # p, q: of each sentence [heads, query, key]
    la.measures()                                      # what measures there are

Importing this imports neither torch nor polars nor the catalog; what is used brings what it needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from layeratlas.atlas import Atlas, add_activations, open, run
    from layeratlas.comparing import Comparison, compare_all
    from layeratlas.comparing import all_measures as measures
    from layeratlas.measures import MeasureError, Score, compare, compare_all_attention, compare_attention, figures_of
    from layeratlas.queries.notebook.answer import Answer, Heatmap
    from layeratlas.store.errors import (
        ArtifactDamaged,
        BadRequest,
        CatalogDamaged,
        LayeratlasError,
        MissingPackage,
        NothingYet,
        StoreBusy,
    )
    from layeratlas.stored import Activations, Attention
    from layeratlas.study import Study

#: What each module offers here; it is imported when something of it is first used.
_OFFERED = {
    "atlas": ("Atlas", "add_activations", "open", "run"),
    "comparing": ("Comparison", "compare_all"),
    "measures": ("MeasureError", "Score", "compare", "compare_all_attention", "compare_attention", "figures_of"),
    "queries.notebook.answer": ("Answer", "Heatmap"),
    "store.errors": (
        "ArtifactDamaged", "BadRequest", "CatalogDamaged", "LayeratlasError", "MissingPackage", "NothingYet",
        "StoreBusy",
    ),
    "stored": ("Activations", "Attention"),
    "study": ("Study",),
}  # fmt: skip
_HOMES = {name: f"layeratlas.{module}" for module, names in _OFFERED.items() for name in names}

__all__ = [
    "Activations", "Answer", "ArtifactDamaged", "Atlas", "Attention", "BadRequest", "CatalogDamaged", "Comparison",
    "Heatmap", "LayeratlasError", "MeasureError", "MissingPackage", "NothingYet", "Score", "StoreBusy", "Study",
    "add_activations", "compare", "compare_all", "compare_all_attention", "compare_attention", "figures_of", "measures",
    "open", "run",
]  # fmt: skip


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name == "measures":  # the room of that name, which can be called
        return import_module("layeratlas.measures")
    raise AttributeError(f"module 'layeratlas' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
