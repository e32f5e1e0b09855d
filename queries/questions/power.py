"""Are there enough words? What a score would be over fewer and over more, from its bias and its error alone.

Bias falls as 1/words and the standard error as 1/√words: what blocks of text say of both at one number of words says it
of others. Raises BadRequest for an unknown model or layer, NothingYet where there are no intervals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from layeratlas.queries.core.registry import Argument, Option, question
from layeratlas.queries.core.scope import Asked, Scope, check_layer, find, model_and_layer
from layeratlas.queries.core.sure import Known, Pair, intervals
from layeratlas.queries.core.table import Table
from layeratlas.store.errors import BadRequest, NothingYet

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_COLUMNS = ("measure", "words", "expected", "bias", "low", "high")
_TIMES = (0.125, 0.25, 0.5, 1, 2, 4, 8)  # the words that there are
_FEW = 10  # words a neuron: below, chance is a large part of most measures


@question(
    "power", Argument("layers", metavar="MODEL:LAYER MODEL:LAYER", is_many=True),
    Option("within", float, "How near to its value on all text a score is to be.", shows_default=True),
)  # fmt: skip
def power(
    catalog: DuckDBPyConnection, asked: Asked = Asked(), *, layers: tuple[str, ...], within: float = 0.01
) -> Table:
    """Whether there are enough words for a pair of layers: its score over fewer and more, and where that settles.

    Scores need intervals: `layeratlas measure --intervals jackknife`.

    Example: layeratlas query power bert-tiny:2 gpt2-tiny:2 --measure ckasim
    """
    if len(layers) != 2:
        raise BadRequest(f"name two layers, as MODEL:LAYER; got {len(layers)}")
    if not within > 0:
        raise BadRequest(f"--within must be above 0, got {within}")
    (a, i), (b, j) = ends = [model_and_layer(text) for text in layers]
    scope = find(catalog, asked, naming=[a, b])
    for model, layer in ends:
        check_layer(catalog, scope, model, layer)
    pair: Pair = (a, i, b, j)
    known = {
        measure: one for (measure, _), one in intervals(catalog, scope, [pair]).items() if one.corrected is not None
    }
    if not known:
        raise NothingYet(
            f"{a}:{i} {b}:{j} has no interval under {', '.join(scope.names)}: `measure --intervals jackknife` "
            "gives those measures one that docs/uncertainty.md names"
        )
    rows = [(measure, *row) for measure, one in known.items() for row in _over_words(one)]
    says = "; ".join(_settles(measure, one, within) for measure, one in known.items())
    answer = Table(f"{a} layer {i} towards {b} layer {j} over fewer and more words", _COLUMNS, rows, scope,
                   notes=_notes(catalog, scope, pair))  # fmt: skip
    return answer.saying(says)


def _over_words(one: Known) -> list[tuple[Any, ...]]:
    """Words, expected score, its bias, and between what 95 of 100 scores would lie."""
    found, words = [], sum(one.sizes)
    bias, reach = _bias(one), _reach(one)
    for times in _TIMES:
        there = (one.corrected or 0.0) + bias / times
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
    """Half of the interval; of one that is cut at the end of a range, its longer side."""
    middle = one.corrected or 0.0
    return max((one.high or middle) - middle, middle - (one.low or middle))


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
