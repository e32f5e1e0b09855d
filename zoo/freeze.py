"""Fine-tuning with the lower layers frozen: what is lost, where what is frozen would hardly have changed?

Wu et al. (2020) see that fine-tuning changes the upper layers most, and advise to leave the lower ones as they are.
This tests the advice: copies are fine-tuned again with the lowest 0, 1, 2, … layers frozen, with several seeds (of the
classifier, the order of examples and the dropout). Beside the accuracy of a copy of which nothing is frozen stands the
similarity of each of its layers to its pre-trained self, so that copies of several seeds say how sure that is. Layers
count as in layeratlas: 0 is the embeddings, then one a block.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from layeratlas.measures import compare
from layeratlas.store.student import quantile
from zoo.finetune import Labelled, accuracy, batch, fit, load_task, pretrained
from zoo.objectives import Model
from zoo.specs import FINETUNED

RESULTS = Path(__file__).parent / "freezing.json"
#: By how much accuracy may differ and still be called the same.
MARGIN = 0.01
_EXAMPLES = 500  # of the test part, or so many, on which layers are compared
_EMBEDDINGS = ("embeddings.", "wte.", "wpe.", "word_embedding.", "mask_emb")


def layers_of(model: Model) -> int:
    """How many layers a model has, the embeddings among them."""
    return 1 + int(model.config.num_hidden_layers)


def freeze(model: Model, layers: int) -> None:
    """Keep the lowest layers as they are. Raises ValueError when the model has fewer."""
    if not 0 <= layers <= layers_of(model):
        raise ValueError(f"{layers} layers cannot be frozen: there are {layers_of(model)}")
    body = model.base_model
    blocks = next(part for part in body.modules() if isinstance(part, nn.ModuleList))
    assert len(blocks) == model.config.num_hidden_layers, "the first list of a model's parts are its blocks"
    for block in blocks[: max(0, layers - 1)]:
        block.requires_grad_(False)
    for name, weight in body.named_parameters() if layers else ():
        if name.startswith(_EMBEDDINGS):
            weight.requires_grad_(False)


def run(
    names: Iterable[str], seeds: int, epochs: int | None = None, results: Path = RESULTS,
    say: Callable[[str], None] = print,
) -> None:  # fmt: skip
    """Fine-tune with every number of frozen layers and every seed, and add to the results what is not there yet."""
    for name in names:
        copy = replace(FINETUNED[name], epochs=epochs or FINETUNED[name].epochs)
        train, test = load_task(copy.task, "train"), load_task(copy.task, "test")
        most = layers_of(pretrained(copy, train.names())[0])
        for seed in range(seeds):
            for layers in range(most + 1):
                key = {"copy": name, "frozen": layers, "seed": seed, "epochs": copy.epochs}
                records = load(results)
                known = [record for record in records if key.items() <= record.items()]
                if any(layers or "similarity" in record for record in known):
                    continue
                model, tokenizer = pretrained(replace(copy, seed=seed), train.names())
                before = None if layers else states(model.eval(), tokenizer, test)
                freeze(model, layers)
                fit(replace(copy, seed=seed), model, tokenizer, train, copy.epochs)
                found = {**key, "accuracy": round(accuracy(model.cpu().eval(), tokenizer, test), 4)}
                if before is not None:
                    found["similarity"] = similarity(before, states(model, tokenizer, test))
                _save(results, [*(one for one in records if one not in known), found])
                say(f"{name}, seed {seed}, the lowest {layers} layers frozen: {found['accuracy']:.1%}")


@torch.no_grad()
def states(model: Model, tokenizer: PreTrainedTokenizerFast, examples: Labelled) -> list[Tensor]:
    """Return what every layer gives at every piece of some examples, evenly spread, each [pieces, neurons]."""
    chosen = range(0, len(examples.sentences), max(1, len(examples.sentences) // _EXAMPLES))
    found: list[list[Tensor]] = []
    for start in range(0, len(chosen), 50):
        inputs, _ = batch(tokenizer, examples, list(chosen[start : start + 50]), model.config.label2id)
        kept = inputs["attention_mask"].bool()
        found.append([layer[kept] for layer in model(**inputs, output_hidden_states=True).hidden_states])
    return [torch.cat(parts) for parts in zip(*found, strict=True)]


def similarity(before: Sequence[Tensor], after: Sequence[Tensor]) -> list[float]:
    """Return the ckasim of each layer with the same one after training."""
    pairs = zip(before, after, strict=True)
    return [round(compare(a.numpy(), b.numpy(), measure="ckasim").value, 4) for a, b in pairs]


def load(results: Path = RESULTS) -> list[dict[str, Any]]:
    """What was measured: copy, frozen layers, seed, epochs, accuracy on the task's test part; similarity of layers."""
    found: list[dict[str, Any]] = json.loads(results.read_text("utf-8")) if results.exists() else []
    return found


def _save(results: Path, records: Sequence[dict[str, Any]]) -> None:
    records = sorted(records, key=lambda record: (record["copy"], record["epochs"], record["frozen"], record["seed"]))
    lines = ",\n".join(f"  {json.dumps(record)}" for record in records)
    results.write_text(f"[\n{lines}\n]\n", "utf-8")


def lost(records: Sequence[dict[str, Any]], name: str, layers: int) -> tuple[float, float]:
    """Return by how much accuracy falls when layers are frozen, and half of its 95 % interval: over seeds, in pairs."""
    by_seed = {(record["frozen"], record["seed"]): record["accuracy"] for record in records if record["copy"] == name}
    seeds = sorted(seed for frozen, seed in by_seed if frozen == layers and (0, seed) in by_seed)
    differences = [by_seed[0, seed] - by_seed[layers, seed] for seed in seeds]
    if len(differences) < 2:
        raise ValueError(f"{name} with {layers} frozen layers needs two seeds or more, has {len(differences)}")
    return fmean(differences), quantile(0.05, len(differences) - 1) * stdev(differences) / len(differences) ** 0.5


def verdict(lost: float, error: float) -> str:
    """Say whether freezing costs nothing: `seen` that it does not, `not seen`, or `undecided`.

    lost: accuracy that is lost; error: half of its 95 % interval.
    """
    if lost + error <= MARGIN:
        return "seen"
    return "not seen" if lost - error > MARGIN else "undecided"


def table(records: Sequence[dict[str, Any]]) -> str:
    """Accuracy by copy and number of frozen layers, in Markdown: mean over seeds and standard deviation."""
    most = max(record["frozen"] for record in records)
    head = "| copy | seeds | " + " | ".join(f"{layers} frozen" for layers in range(most + 1)) + " |"
    lines = [head, "|---" * (most + 3) + "|"]
    for name in dict.fromkeys(record["copy"] for record in records):
        of = {layers: [record["accuracy"] for record in records if (record["copy"], record["frozen"]) == (name, layers)]
              for layers in range(most + 1)}  # fmt: skip
        cells = [f"{fmean(some):.1%} ± {stdev(some):.1%}" if len(some) > 1 else "–" for some in of.values()]
        lines.append(f"| `{name}` | {len(of[0])} | {' | '.join(cells)} |")
    return "\n".join(lines)


def similarities(records: Sequence[dict[str, Any]]) -> str:
    """Similarity of each layer to its pre-trained self, in Markdown: mean over seeds and half of its 95 % interval."""
    found: dict[str, list[list[float]]] = {}
    for record in records:
        if "similarity" in record:
            found.setdefault(record["copy"], []).append(record["similarity"])
    found = {name: some for name, some in found.items() if len(some) > 1}
    most = max((len(some[0]) for some in found.values()), default=0)
    head = "| copy | seeds | " + " | ".join(f"layer {layer}" for layer in range(most)) + " |"
    lines = [head, "|---" * (most + 2) + "|"]
    for name, of_seeds in found.items():
        reach = quantile(0.05, len(of_seeds) - 1) / len(of_seeds) ** 0.5
        cells = [f"{fmean(one):.3f} ± {reach * stdev(one):.3f}" for one in zip(*of_seeds, strict=True)]
        lines.append(f"| `{name}` | {len(of_seeds)} | {' | '.join(cells)} |")
    return "\n".join(lines)
