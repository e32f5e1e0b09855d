"""The questions, one module or folder each, its SQL beside it; `QUESTIONS` has them in the order of the command line.

A question is declared where it is answered (core.registry.question). To add one: its module, its SQL, its name below.
"""

from __future__ import annotations

from importlib import import_module

from layeratlas.queries.core.registry import Question, declared

_MODULES = (
    "top_pairs", "nearest", "compare_pairs", "power", "heatmap", "models", "layers", "matched", "families",
    "clusters", "localization", "finetuning", "correspondence", "factors", "measures", "consistency",
    "disagreements", "coverage",
)  # fmt: skip

for _module in _MODULES:
    import_module(f"{__name__}.{_module}")

QUESTIONS: dict[str, Question] = declared()
