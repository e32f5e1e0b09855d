"""The text the zoo learns from: WikiText-2 validation and test, EWT train and test, CLINC150.

EWT's development part is never read here: the demo extracts from it, and no shipped model may have seen it.
"""

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path

CORPORA = Path(__file__).parent.parent / "corpora"
UNKNOWN = "<unk>"  # how WikiText-2 spells a rare word

_HELD_OUT_RUN = 20  # sentences in a row, so that held-out text is not a neighbour of training text sentence by sentence
_HELD_OUT_EVERY = 25  # 4 % of the runs

Words = list[str]


def training_sentences() -> list[Words]:
    """Sentences that models are trained on: WikiText-2 validation + test and EWT train, less the held-out runs."""
    return [sentence for held_out, sentence in _sentences() if not held_out]


def validation_sentences() -> list[Words]:
    """Sentences of the same sources that choose the best checkpoint and are never trained on."""
    return [sentence for held_out, sentence in _sentences() if held_out]


def test_sentences() -> list[Words]:
    """EWT test, on which the figures are reported; it neither trains nor chooses a language model."""
    return [words for words, _ in tagged_sentences("test")]


def tagged_sentences(part: str) -> list[tuple[Words, list[str]]]:
    """(words, universal part-of-speech tags) of each sentence of EWT `train` or `test`."""
    if part not in ("train", "test"):
        raise ValueError(f"the zoo reads EWT train and test only, not {part!r}: the demo extracts from dev")
    with gzip.open(CORPORA / "ewt" / f"en_ewt-ud-{part}.conllu.gz", "rt", encoding="utf-8") as file:
        return [_tagged(block) for block in file.read().strip().split("\n\n")]


def clinc(part: str) -> tuple[list[Words], list[str]]:
    """(requests, the domain of each) of CLINC150 `train`, `val` or `test`, without the out-of-scope ones."""
    with gzip.open(CORPORA / "clinc150" / "data_full.json.gz", "rt", encoding="utf-8") as file:
        requests = json.load(file)[part]
    domains = json.loads((CORPORA / "clinc150" / "domains.json").read_text(encoding="utf-8"))
    domain_of = {intent: domain for domain, intents in domains.items() for intent in intents}
    return [text.split() for text, _ in requests], [domain_of[intent] for _, intent in requests]


def _sentences() -> Iterator[tuple[bool, Words]]:
    for source in (_wikitext(), (words for words, _ in tagged_sentences("train"))):
        for number, sentence in enumerate(source):
            yield number // _HELD_OUT_RUN % _HELD_OUT_EVERY == 0, sentence


def _wikitext() -> Iterator[Words]:
    for part in ("valid", "test"):
        with gzip.open(CORPORA / "wikitext-2" / f"{part}.txt.gz", "rt", encoding="utf-8") as file:
            for line in file:
                if not line.lstrip().startswith("="):  # a heading
                    yield from _split(_untokenised(line).split())


def _untokenised(line: str) -> str:
    """The line with WikiText's marks undone as EWT writes them: `0 @.@ 7` is one word, `well @-@ known` three."""
    return re.sub(r" @([.,])@ ", r"\1", line).replace(" @-@ ", " - ")


def _split(paragraph: Words) -> Iterator[Words]:
    """Sentences by their final stop: extraction feeds sentences, so sentences are what the models should know."""
    start = 0
    for end, word in enumerate(paragraph, start=1):
        if word in (".", "?", "!") or end == len(paragraph):
            yield paragraph[start:end]
            start = end


def _tagged(block: str) -> tuple[Words, list[str]]:
    rows = [line.split("\t") for line in block.splitlines() if not line.startswith("#")]
    # Only whole numbers are words: `3-4` spans a contraction and `3.1` is an elided word.
    words = [row for row in rows if row[0].isdigit()]
    return [row[1] for row in words], [row[3] for row in words]
