"""What does a head attend to in a sentence, and does its best counterpart attend to the same? Read from files.

Raises BadRequest for a head or a sentence that is not there, NothingYet where attention was not extracted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from layeratlas.queries.core.heads import Attending, Counterparts
from layeratlas.queries.core.scope import Asked, UnknownMeasure
from layeratlas.queries.questions.matched import matched
from layeratlas.store.errors import BadRequest, NothingYet
from layeratlas.store.kinds import KINDS

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from layeratlas.store.store import Store

_KIND = KINDS["attention"]


def attending(
    catalog: DuckDBPyConnection, asked: Asked = Asked(), *, head: str, sentence: int, store: Store
) -> Counterparts:
    """Read a head's attention over a sentence, numbered from 0, and that of its best match in any other model."""
    model, layer, number = _model_layer_head(head)
    mine, corpus = _read(store, (model, layer, number), sentence, corpus=asked.corpus, pooling=asked.pooling)
    try:
        answer = matched(catalog, asked, kind=_KIND, layer=f"{model}:{layer}")
    except (NothingYet, UnknownMeasure) as error:
        if asked.measures:
            raise
        return Counterparts(mine, None, corpus, sentence, _unknown(error))
    row = next((row for row in answer.records() if row["head"] == number), None)
    if row is None or row["matched_by"] is None or answer.scope is None:
        return Counterparts(mine, None, corpus, sentence, "this head has no match in another model")
    scope = answer.scope
    place = row["model"], row["layer"], row["matched_by"]
    other, _ = _read(store, place, sentence, corpus=scope.corpus, pooling=scope.first.words_from_tokens)
    back = "which looks back at it" if row["mutual"] == row["models"] else f"mutual in {row['mutual'] or 0} of them"
    says = (
        f"its best match in {row['models']} other models, by {scope.measure} over the whole corpus: {row['value']:.2f}"
        f" ({back})"
    )
    return Counterparts(mine, other, corpus, sentence, says)


def _unknown(error: Exception) -> str:
    """Say why a head stands alone."""
    if isinstance(error, UnknownMeasure):
        return "its counterparts are not known, `layeratlas measure --measure attsim` finds them"
    return f"its counterparts are not known, {error}"


def _read(
    store: Store, place: tuple[str, int, int], sentence: int, *, corpus: str | None, pooling: str | None
) -> tuple[Attending, str]:
    """Read a head, by its model, layer and number; return it and the name of the corpus."""
    from layeratlas.stored import attention_of

    model, layer, head = place
    layers = attention_of(store, model, layer, corpus=corpus, pooling=pooling)
    if head >= layers.heads:
        raise BadRequest(f"{model} layer {layer} has heads 0 to {layers.heads - 1}, got {head}")
    found = layers[sentence]
    try:
        words = tuple(found.words)
    except NothingYet:  # nothing here says the corpus's words
        words = tuple(map(str, found.places))
    return Attending(f"{model} layer {layer} head {head}", words, found.weights[head]), layers.corpus


def _model_layer_head(text: str) -> tuple[str, int, int]:
    """Read what a user wrote as MODEL:LAYER:HEAD. Raises BadRequest."""
    parts = text.rsplit(":", 2)
    if len(parts) < 3 or not parts[0] or not (parts[1].isdecimal() and parts[2].isdecimal()):
        raise BadRequest(f"expected MODEL:LAYER:HEAD such as bert-tiny:2:0, got '{text}'")
    return parts[0], int(parts[1]), int(parts[2])
