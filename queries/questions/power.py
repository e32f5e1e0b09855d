"""Are there enough words? What a score would be over fewer and over more, from its bias and its error alone.

Bias falls as 1/words and the standard error as 1/√words: what blocks of text say of both at one number of words says it
of others. Raises BadRequest for an unknown model or layer, NothingYet where there are no intervals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from layeratlas.queries.core.ask import worked_on
from layeratlas.queries.core.registry import Argument, Option, question
from layeratlas.queries.core.scope import Asked, Scope, check_layer, find, model_and_layer
from layeratlas.queries.core.sure import Known, Pair, intervals
from layeratlas.queries.core.table import Table
from layeratlas.store.errors import BadRequest, NothingYet
from layeratlas.store.spread import Spread

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_COLUMNS = ("measure", "words", "expected", "bias", "low", "high")
_TIMES = (0.125, 0.25, 0.5, 1, 2, 4, 8)  # the words that there are
_FEW = 10  # words a neuron: below, chance is a large part of most measures


@question(
    "power", Argument("ends", metavar="MODEL:LAYER MODEL:LAYER", is_many=True),
    Option("within", float, "How near to its value on all text a score is to be.", shows_default=True),
)  # fmt: skip
def power(catalog: DuckDBPyConnection, asked: Asked = Asked(), *, ends: tuple[str, ...], within: float = 0.01) -> Table:
    """Whether there are enough words for a pair of layers: its score over fewer and more, and where that settles.

    Scores need intervals: `layeratlas measure --intervals jackknife`.

    Example: layeratlas query power bert-tiny:2 gpt2-tiny:2 --measure ckasim
    """
    if len(ends) != 2:
        raise BadRequest(f"name two layers, as MODEL:LAYER; got {len(ends)}")
    if not within > 0:
        raise BadRequest(f"--within must be above 0, got {within}")
    (a, i), (b, j) = two = [model_and_layer(text) for text in ends]
    scope = find(catalog, asked, naming=[a, b])
    for model, layer in two:
        check_layer(catalog, scope, model, layer)
    pair: Pair = (a, i, b, j)
    found, sql = intervals(catalog, scope, [pair])
    known = {
        name: found[name, pair] for name in scope.names
        if (name, pair) in found and found[name, pair].corrected is not None
    }  # fmt: skip
    if not known:
        raise NothingYet(
            f"{a}:{i} {b}:{j} has no interval under {', '.join(scope.names)}: `measure --intervals jackknife` "
            "gives those measures one that docs/uncertainty.md names"
        )
    rows = [(measure, *row) for measure, one in known.items() for row in _over_words(one)]
    says = "; ".join(_settles(measure, one, within) for measure, one in known.items())
    answer = Table(f"{a} layer {i} towards {b} layer {j} over fewer and more words", _COLUMNS, rows, scope,
                   sql=worked_on("power", sql), notes=_notes(catalog, scope, pair))  # fmt: skip
    return answer.saying(says)


def _over_words(one: Known) -> list[tuple[Any, ...]]:
    """Words, expected score, its bias, and between what 95 of 100 scores would lie."""
    found, words = [], sum(one.sizes)
    bias, reach = _bias(one), _reach(one)
    for times in _TIMES:
        there = one.value - bias + bias / times
        off = reach / times**0.5
        found.append((round(words * times), there, bias / times, there - off, there + off))
    return found


def _settles(measure: str, one: Known, within: float) -> str:
    words = sum(one.sizes)
    needed = words * max(abs(_bias(one)) / within, (_reach(one) / within) ** 2)
    if needed <= words:
        return f"{measure} is within {within:g} of its value on all text, as from about {needed:,.0f} words on"
    return f"{measure} would be within {within:g} of its value on all text from about {needed:,.0f} words on"


def _bias(one: Known) -> float:
    return one.value - (one.corrected if one.corrected is not None else one.value)


def _reach(one: Known) -> float:
    """Half of the interval, before it is cut at the ends of the measure's range."""
    return Spread(one.value - _bias(one), one.error, len(one.sizes) - 1).reach


def _notes(catalog: DuckDBPyConnection, scope: Scope, pair: Pair) -> tuple[str, ...]:
    """Say where words are few for the width of a layer."""
    sql = (
        "SELECT model, layer, neurons, words FROM artifacts WHERE source = ? AND corpus = ? AND kind = ? "
        "AND pooling = ? AND ((model = ? AND layer = ?) OR (model = ? AND layer = ?))"
    )
    values = [scope.source, scope.corpus, scope.first.kind, scope.first.words_from_tokens, *pair]
    return tuple(
        f"{model}:{layer} has {words / neurons:.1f} words a neuron: below {_FEW} chance is a large part"
        for model, layer, neurons, words in catalog.execute(sql, values).fetchall() if words < _FEW * neurons
    )  # fmt: skip
