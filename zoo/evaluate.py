"""How well a model predicts EWT test, beside the best guess without any context."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from zoo import text
from zoo.families import Learner
from zoo.objectives import Predicted
from zoo.streams import Stream

_DRAW = 20  # seeds what is hidden in evaluation: always the same pieces


def figures(learner: Learner, rows: int | None = None) -> dict[str, float | int | str]:
    """Perplexities on EWT test (its first `rows` rows of 64), over the pieces that the objective asks for.

    `unigram_perplexity` is that of always answering with the pieces' frequencies in the training text, over the same
    pieces; `word_perplexity` spreads the surprise of a next-word model over words, which compares tokenizers.
    """
    stream = learner.stream(text.test_sentences())
    surprise, guess, asked = totals(learner, stream, unigram(learner), rows)
    found: dict[str, float | int | str] = {
        "tested_on": "EWT test",
        "unit": "word" if learner.tokenizer is None else "piece",
        "perplexity": round(math.exp(surprise / asked), 2),
        "unigram_perplexity": round(math.exp(guess / asked), 2),
        "predictions": asked,
    }
    if learner.base.objective == "next word" and rows is None:
        found["word_perplexity"] = round(math.exp(surprise / stream.words), 1)
    return found


def mean_loss(learner: Learner, stream: Stream, rows: int | None = None) -> float:
    """Mean surprise in nats over the pieces asked of a stream."""
    surprise, asked = 0.0, 0
    for predicted in _predictions(learner, stream, rows):
        surprise += float(predicted.loss()) * len(predicted.targets)
        asked += len(predicted.targets)
    return surprise / asked


def totals(learner: Learner, stream: Stream, baseline: Tensor, rows: int | None) -> tuple[float, float, int]:
    """(surprise of the model, surprise of the baseline, pieces asked); both in nats, summed."""
    surprise, guess, asked = 0.0, 0.0, 0
    for predicted in _predictions(learner, stream, rows):
        targets = predicted.targets.cpu()
        surprise += float(predicted.loss()) * len(targets)
        guess -= float(baseline[targets].sum())
        asked += len(targets)
    return surprise, guess, asked


def unigram(learner: Learner) -> Tensor:
    """Log frequency of every piece in the training text, [vocabulary]; every piece is counted once more than seen.

    Pieces that are never asked for have no share, which makes the baseline as strong as it can be.
    """
    pieces = learner.stream(text.training_sentences()).pieces
    counts = torch.bincount(pieces[pieces < learner.vocabulary], minlength=learner.vocabulary).double() + 1
    counts[_never_asked(learner)] = 0
    return (counts / counts.sum()).log()


def _never_asked(learner: Learner) -> list[int]:
    return [0, 1] if learner.tokenizer is None else list(learner.tokenizer.all_special_ids)


@torch.no_grad()
def _predictions(learner: Learner, stream: Stream, rows: int | None) -> Iterator[Predicted]:
    model, draw = learner.model, torch.Generator().manual_seed(_DRAW)
    place = next(model.parameters()).device
    trained = model.training
    model.eval()
    for batch in stream.batches(rows):
        yield learner.objective.predict(model, batch._replace(ids=batch.ids.to(place)), draw)
    model.train(trained)
