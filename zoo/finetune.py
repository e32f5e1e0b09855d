"""Fine-tuned copies: the domain of a request (CLINC150) and part-of-speech tags (EWT)."""

import json
import math
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Generator, Tensor
from transformers import (
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    PreTrainedTokenizerFast,
)

from zoo import text
from zoo.families import save_transformer
from zoo.objectives import Model
from zoo.readme import write_card
from zoo.specs import BASES, POSITIONS, FineTuned, folder_of
from zoo.text import Words
from zoo.train import descend, device, half_precision, learning_share, optimizer_for, progress, set_rate

_BATCH = 32
_IGNORED = -100  # the label that torch's cross-entropy passes over
_HEADS = {"domain": AutoModelForSequenceClassification, "pos": AutoModelForTokenClassification}
_TRAINED_ON = {"domain": "CLINC150 train", "pos": "EWT train"}
_TESTED_ON = {"domain": "CLINC150 test", "pos": "EWT test"}


@dataclass(frozen=True)
class Labelled:
    """Examples of one task: `labels` has one label a word, or a single one an example."""

    sentences: list[Words]
    labels: list[list[str]]
    per_word: bool

    def names(self) -> list[str]:
        """Every label, in order of the alphabet."""
        return sorted({label for labels in self.labels for label in labels})


def load_task(task: str, part: str) -> Labelled:
    """`train` or `test` of the task `domain` or `pos`."""
    if task == "domain":
        sentences, domains = text.clinc(part)
        return Labelled(sentences, [[domain] for domain in domains], per_word=False)
    tagged = text.tagged_sentences(part)
    return Labelled([words for words, _ in tagged], [tags for _, tags in tagged], per_word=True)


def finetune(copy: FineTuned, epochs: int | None = None, folder: Path | None = None) -> Path:
    """Trains one copy of a base model, all weights, and writes its folder with the classifier."""
    folder = folder or folder_of(copy.name)
    train, test = load_task(copy.task, "train"), load_task(copy.task, "test")
    model, tokenizer = pretrained(copy, train.names())
    began = time.monotonic()
    steps = fit(copy, model, tokenizer, train, epochs or copy.epochs)
    minutes = (time.monotonic() - began) / 60
    model.cpu().eval()
    # The origin's own tokenizer: the one used here now remembers how it padded and cut.
    save_transformer(model, AutoTokenizer.from_pretrained(folder_of(copy.origin)), folder)
    _record(copy, folder, {"steps": steps, "minutes": round(minutes, 1), **_figures(model, tokenizer, train, test)})
    return folder


def load_finetuned(copy: FineTuned, folder: Path) -> tuple[Model, PreTrainedTokenizerFast]:
    """The shipped copy with its classifier, in float32, and its tokenizer."""
    model = _HEADS[copy.task].from_pretrained(folder, dtype=torch.float32)
    return model.eval(), AutoTokenizer.from_pretrained(folder)


@torch.no_grad()
def accuracy(model: Model, tokenizer: PreTrainedTokenizerFast, examples: Labelled) -> float:
    """Share of right labels: of examples, or of words, each judged at its last piece."""
    right, asked = 0, 0
    label_of = model.config.label2id
    for start in range(0, len(examples.sentences), 64):
        chosen = range(start, min(start + 64, len(examples.sentences)))
        inputs, labels = batch(tokenizer, examples, list(chosen), label_of)
        guesses = model(**inputs).logits.argmax(dim=-1)
        right += int((guesses == labels).sum())  # no guess is _IGNORED
        asked += int((labels != _IGNORED).sum())
    return right / asked


def majority(train: Labelled, test: Labelled) -> float:
    """Accuracy on the test part of always answering the most frequent label of the training part."""
    [(label, _)] = Counter(label for labels in train.labels for label in labels).most_common(1)
    answers = [found for labels in test.labels for found in labels]
    return answers.count(label) / len(answers)


def batch(
    tokenizer: PreTrainedTokenizerFast, examples: Labelled, chosen: list[int], label_of: dict[str, int]
) -> tuple[dict[str, Tensor], Tensor]:
    """Padded inputs of the chosen examples and their labels, [batch] or [batch, pieces].

    A word's label stands at its last piece, the only one at which a left-to-right model has read the whole word.
    """
    sentences = [examples.sentences[number] for number in chosen]
    encoded = tokenizer(
        sentences, is_split_into_words=True, padding=True, truncation=True, max_length=POSITIONS, return_tensors="pt"
    )
    labels = [[label_of[label] for label in examples.labels[number]] for number in chosen]
    if not examples.per_word:
        return dict(encoded), torch.tensor(labels)[:, 0]
    return dict(encoded), torch.tensor([_at_last_piece(encoded.word_ids(row), tags) for row, tags in enumerate(labels)])


def _at_last_piece(words: list[int | None], labels: list[int]) -> list[int]:
    following = [*words[1:], None]
    return [
        _IGNORED if word is None or word == after else labels[word]
        for word, after in zip(words, following, strict=True)
    ]


def pretrained(copy: FineTuned, names: list[str]) -> tuple[Model, PreTrainedTokenizerFast]:
    """The origin with a classifier of these labels that starts at random, by the copy's seed; and its tokenizer."""
    origin = folder_of(copy.origin)
    torch.manual_seed(copy.seed)  # the classifier starts at random
    model = _HEADS[copy.task].from_pretrained(
        origin,
        dtype=torch.float32,
        id2label=dict(enumerate(names)),
        label2id={name: number for number, name in enumerate(names)},
    )
    return model, AutoTokenizer.from_pretrained(origin)


def fit(copy: FineTuned, model: Model, tokenizer: PreTrainedTokenizerFast, train: Labelled, epochs: int) -> int:
    """Trains what is not frozen for some epochs; returns the number of steps."""
    model.to(device()).train()
    optimizer = optimizer_for(model, copy.learning_rate)
    draw = torch.Generator().manual_seed(copy.seed)
    steps = epochs * math.ceil(len(train.sentences) / _BATCH)
    with progress(copy.name, steps) as advance:
        for step, chosen in enumerate(_epochs(train, epochs, draw)):
            set_rate(optimizer, copy.learning_rate * learning_share(step, steps))
            inputs, labels = batch(tokenizer, train, chosen, model.config.label2id)
            with half_precision():
                logits = model(**{name: value.to(device()) for name, value in inputs.items()}).logits
            loss = torch.nn.functional.cross_entropy(
                logits.float().flatten(0, -2), labels.flatten().to(device()), ignore_index=_IGNORED
            )
            descend(model, optimizer, loss)
            advance(f"loss {float(loss.detach()):.2f}")
    return steps


def _epochs(train: Labelled, epochs: int, draw: Generator) -> Iterator[list[int]]:
    """Every example once an epoch, shuffled, in batches of like length: half of the pieces would be padding else."""
    for _ in range(epochs):
        order = torch.randperm(len(train.sentences), generator=draw)
        for several in torch.split(order, 16 * _BATCH):
            alike = sorted(several.tolist(), key=lambda number: len(train.sentences[number]))
            yield from (alike[start : start + _BATCH] for start in range(0, len(alike), _BATCH))


def _figures(model: Model, tokenizer: PreTrainedTokenizerFast, train: Labelled, test: Labelled) -> dict[str, float]:
    return {
        "accuracy": round(accuracy(model, tokenizer, test), 4),
        "majority_accuracy": round(majority(train, test), 4),
        "parameters": sum(weight.numel() for weight in model.parameters()),
    }


def _record(copy: FineTuned, folder: Path, found: dict[str, float]) -> None:
    base = BASES[copy.origin]
    record = {
        "name": copy.name,
        "family": base.family,
        "objective": {"domain": "domain of a request", "pos": "part-of-speech tags"}[copy.task],
        "finetuned_from": copy.origin,
        "seed": copy.seed,
        "trained_on": _TRAINED_ON[copy.task],
        "tested_on": _TESTED_ON[copy.task],
        **found,
    }
    write_card(folder, record)
    (folder / "zoo.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
