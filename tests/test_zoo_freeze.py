"""Freezing: what is frozen stays bit for bit, what was done is not done again, and a verdict needs its interval."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean

import pytest
import torch
from scipy import stats

from zoo import freeze
from zoo.finetune import Labelled, fit, load_task, pretrained
from zoo.specs import FINETUNED

COPIES = ["bert-tiny-domain", "gpt2-tiny-domain", "xlnet-tiny-pos"]


def some(task: str, part: str, count: int = 64) -> Labelled:
    whole = load_task(task, part)
    every = range(0, len(whole.sentences), len(whole.sentences) // count)
    return Labelled([whole.sentences[at] for at in every], [whole.labels[at] for at in every], whole.per_word)


@pytest.mark.parametrize("name", COPIES)
def test_frozen_layers_stay_as_they_are_and_the_others_learn(name: str) -> None:
    copy = FINETUNED[name]
    train = some(copy.task, "train")
    model, tokenizer = pretrained(copy, train.names())
    layers = freeze.layers_of(model)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    freeze.freeze(model, layers - 1)  # the last block learns
    fit(copy, model, tokenizer, train, 1)
    changed = {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}
    inside = {key for key in before if key.startswith(model.base_model_prefix)}
    assert changed & inside and changed - inside, "the last block and the classifier learn"
    blocks = [key for key in inside if f".{layers - 2}." in key]
    assert changed & inside <= {*blocks, *(key for key in inside if "ln_f" in key or "pooler" in key)}


def test_more_layers_than_there_are_cannot_be_frozen() -> None:
    model, _ = pretrained(FINETUNED["bert-tiny-domain"], ["a", "b"])
    with pytest.raises(ValueError, match="7 layers cannot be frozen: there are 5"):
        freeze.freeze(model, 7)


def test_a_run_goes_on_where_it_was_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freeze, "load_task", some)
    said: list[str] = []
    results = tmp_path / "found.json"
    freeze.run(["bert-tiny-domain"], 1, 1, results, said.append)
    once = json.loads(results.read_text())
    assert [record["frozen"] for record in once] == [*range(6)] and len(said) == 6
    results.write_text(json.dumps(once[:-1]))
    freeze.run(["bert-tiny-domain"], 1, 1, results, said.append)
    assert len(said) == 7 and json.loads(results.read_text()) == once, "the same seed gives the same accuracy"
    assert freeze.table(once).count("\n") == 2
    [changed] = [record["similarity"] for record in once if not record["frozen"]]
    assert len(changed) == 5 and all(0.5 < one < 1 for one in changed)


def test_how_similar_layers_stay_is_said_with_an_interval_over_seeds() -> None:
    records = [{"copy": "c", "frozen": 0, "seed": seed, "accuracy": 1, "similarity": [0.9, value]}
               for seed, value in enumerate((0.5, 0.6, 0.7))]  # fmt: skip
    assert freeze.similarities(records).splitlines()[2] == "| `c` | 3 | 0.900 ± 0.000 | 0.600 ± 0.248 |"


def test_what_is_lost_has_a_paired_interval_over_seeds() -> None:
    accuracies: dict[int, list[float]] = {0: [0.91, 0.90, 0.93, 0.92], 2: [0.90, 0.90, 0.91, 0.92]}
    records = [{"copy": "c", "frozen": frozen, "seed": seed, "accuracy": value}
               for frozen, values in accuracies.items() for seed, value in enumerate(values)]  # fmt: skip
    differences = [one - two for one, two in zip(*accuracies.values(), strict=True)]
    found, error = freeze.lost(records, "c", 2)
    low, _ = stats.t.interval(0.95, 3, fmean(differences), stats.sem(differences))
    assert (found, found - error) == pytest.approx((fmean(differences), low), abs=1e-9)
    with pytest.raises(ValueError, match="needs two seeds"):
        freeze.lost(records[:1] + records[4:5], "c", 2)


@pytest.mark.parametrize(("lost", "error", "expected"), [
    (0.002, 0.003, "seen"), (-0.02, 0.005, "seen"), (0.05, 0.01, "not seen"), (0.008, 0.006, "undecided"),
])  # fmt: skip
def test_a_verdict_is_undecided_where_the_interval_holds_both(lost: float, error: float, expected: str) -> None:
    assert freeze.verdict(lost, error) == expected
