"""The page of findings: the paper's claims, and what the published figures and the zoo say, in the questions' words.

The zoo's sentences come from the store that `make findings` fills: python -m docs._findings STORE writes them to
zoo.json. What freezing layers costs comes from zoo/freezing.json, which `python -m zoo freeze` writes.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from pathlib import Path

import numpy as np

from layeratlas import running
from layeratlas.queries.core.scope import Asked
from layeratlas.queries.core.statistics import spearman
from layeratlas.queries.core.table import Table
from layeratlas.queries.questions import QUESTIONS
from layeratlas.queries.questions.findings import MEASURES, findings
from layeratlas.store.store import Store
from zoo import freeze

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
#: Of these the zoo's sentence is the verdict of `layeratlas query findings`, with its intervals; in its order.
VERDICTS = ("top-pairs", "families", "levels", "finetuning", "untrained")


def sentences(store: Store, source: str, tuned: str) -> dict[str, str]:
    """What each question's answer says of a source, and of one with fine-tuned copies."""
    asked = Asked(source=source)
    with store.catalog() as catalog:
        found = {name: QUESTIONS[name].ask(catalog, asked.measuring(*MEASURES)) for name in ("families", "measures")}
        found["localization"] = QUESTIONS["localization"].ask(catalog, asked)
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
            said["sets_in"] = found["finetuning"].says
            said |= {name: one.verdict for name, one in zip(VERDICTS, findings(catalog), strict=True)}
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


def short() -> str:
    """A line a claim, for the README: whether the zoo shows it, and the numbers."""
    zoo = json.loads(ZOO.read_text(encoding="utf-8"))
    lines = ["| claim | in the zoo |", "|---|---|"]
    for name in VERDICTS:
        seen, _, numbers = zoo[name].partition(": ")
        lines.append(f"| {CLAIMS[name]} | **{seen}**: {numbers} |")
    said = "; ".join(f"{name} **{seen}**: {numbers}" for name, seen, numbers in _frozen())
    lines.append(f"| Layers that fine-tuning hardly changes can be frozen. | {said} |")
    return "\n".join(lines)


def freezing() -> str:
    """What fine-tuning loses when layers are frozen, with a verdict, and how similar layers stay."""
    lines = [f"- **{name}:** {seen}: {numbers}." for name, seen, numbers in _frozen()]
    changed = (
        "How similar each layer stays to its pre-trained self when none is frozen: ckasim on the task's test part, "
        "mean over seeds ± half of its 95 % interval:"
    )
    records = freeze.load()
    return "\n\n".join([freeze.table(records), "\n".join(lines), changed, freeze.similarities(records)])


def _frozen() -> list[tuple[str, str, str]]:
    """Of each copy that was fine-tuned with frozen layers: its name, the verdict, the numbers."""
    zoo = json.loads(ZOO.read_text(encoding="utf-8"))
    starts = {name: int(layer) for name, layer in re.findall(r"(\S+) from layer (\d+)", zoo["sets_in"])}
    found = []
    for name in dict.fromkeys(record["copy"] for record in freeze.load()):
        lost, error = freeze.lost(freeze.load(), name, starts[name])
        layers = f"{starts[name]} layers" if starts[name] > 1 else "layer"
        numbers = (
            f"with the lowest {layers} frozen, below the one where change sets in, accuracy falls by "
            f"{100 * lost:.1f} ± {100 * error:.1f} points"
        )
        found.append((name, freeze.verdict(lost, error), numbers))
    return found


def _sentence(says: str) -> str:
    return says.rstrip(".") + "."


if __name__ == "__main__":
    said = sentences(Store(Path(sys.argv[1])), "own", "own")
    ZOO.write_text(json.dumps(said, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
