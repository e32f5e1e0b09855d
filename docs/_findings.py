"""The page of findings: the paper's claims, and what the published figures and the zoo say, in the questions' words.

The zoo's sentences come from the store that `make demo` fills: python -m docs._findings STORE writes them to zoo.json.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from layeratlas import running
from layeratlas.queries.core.scope import Asked
from layeratlas.queries.core.statistics import spearman
from layeratlas.queries.core.table import Table
from layeratlas.queries.questions import QUESTIONS
from layeratlas.queries.questions.findings import findings
from layeratlas.store.store import Store

ROOT = Path(__file__).resolve().parent.parent
ZOO = Path(__file__).parent / "zoo.json"
#: What Wu et al. (2020) say, or what we ask beside it, by the question that answers.
CLAIMS = {
    "top-pairs": "Layers of different families can be similar; which are the most similar?",
    "families": "Models of one family are more similar to each other than to models of other families.",
    "clusters": "Do families come out by themselves, when models are grouped by similarity alone? (Ours.)",
    "levels": "Different models have similar information in different individual neurons.",
    "localization": "Higher layers hold information in single neurons more than lower ones do.",
    "finetuning": "Fine-tuning changes the upper layers more than the lower ones.",
    "measures": "Measures at one level of localisation agree; across levels they need not. (Ours.)",
    "untrained": "How much of it does a model reach that was never trained? (Ours.)",
}


def sentences(store: Store, source: str, tuned: str) -> dict[str, str]:
    """What each question's answer says of a source, and of one with fine-tuned copies."""
    asked = Asked(source=source)
    with store.catalog() as catalog:
        found = {name: QUESTIONS[name].ask(catalog, asked) for name in ("families", "localization", "measures")}
        found["clusters"] = QUESTIONS["clusters"].ask(catalog, asked)
        found["top-pairs"] = QUESTIONS["top-pairs"].ask(catalog, Asked(source=source, limit=10), across="families")
        found["finetuning"] = QUESTIONS["finetuning"].ask(catalog, Asked(source=tuned))
        said = {name: answer.says for name, answer in found.items()}
        across = {row["measure"]: row["across"] for row in found["families"].records()}
        said["levels"] = (
            f"across families one neuron matches one elsewhere at {across['neuronsim']:.2f} on average, all of a layer "
            f"at {across['mixedsim']:.2f}; whole layers are at {across['ckasim']:.2f} (ckasim)"
        )
        said["localization"] = f"{_with_depth(found['localization'])}; {said['localization']}"
        if source == "own":
            said["untrained"] = findings(catalog)[-1].verdict.split(": ", 1)[1]
    return said


def _with_depth(answer: Table) -> str:
    """In how many models layers are more local the higher they are."""
    by_model: dict[str, list[tuple[int, float]]] = {}
    for row in answer.records():
        by_model.setdefault(row["model"], []).append((row["layer"], row["localization"]))
    ranks = [spearman(*np.array(sorted(places)).T) for places in by_model.values() if len(places) > 2]
    return f"it rises with depth in {sum((rank or 0) > 0 for rank in ranks)} of {len(ranks)} models"


def page() -> str:
    """A part a claim: what the published figures say, and what the zoo says."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "published")
        running.run("wu2020-published", store=store)
        published = sentences(store, "wu2020-ewt", "wu2020-finetuned")
    zoo = json.loads(ZOO.read_text(encoding="utf-8"))
    parts = []
    for name, claim in CLAIMS.items():
        theirs = published.get(name, "no such figures are published")
        parts.append(f"## {claim}\n\n- **Published:** {_sentence(theirs)}\n- **Zoo:** {_sentence(zoo[name])}")
    return "\n\n".join(parts)


def _sentence(says: str) -> str:
    return says.rstrip(".") + "."


if __name__ == "__main__":
    said = sentences(Store(Path(sys.argv[1])), "own", "own")
    ZOO.write_text(json.dumps(said, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
