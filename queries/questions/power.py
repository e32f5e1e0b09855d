"""Are there enough words? What a score is over parts of the text, and what it would be over more.

Parts of a tenth, a quarter and a half of the text were measured with the interval. Of more text than there is, bias
falls as 1/words and the standard error as 1/√words: what blocks of text say of both at one number of words says it of
others. Raises BadRequest for an unknown model or layer, NothingYet where there are no intervals.
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

_COLUMNS = ("measure", "words", "measured", "expected", "bias", "low", "high")
_TIMES = (0.125, 0.25, 0.5)  # the words that there are, where no parts of these were measured
_MORE = (2, 4, 8)
_FEW = 10  # words a neuron: below, chance is a large part of most measures


@question(
    "power", Argument("ends", metavar="MODEL:LAYER MODEL:LAYER", is_many=True),
    Option("within", float, "How near to its value on all text a score is to be.", shows_default=True),
)  # fmt: skip
def power(catalog: DuckDBPyConnection, asked: Asked = Asked(), *, ends: tuple[str, ...], within: float = 0.01) -> Table:
    """Whether there are enough words for a pair of layers: its score over parts and over more, and where it settles.

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
        name: one for name in scope.names
        if (one := found.get((name, pair))) and (one.corrected is not None or one.curve)
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
    """Words; the score over parts of so many; what is expected there, its bias, between what 95 of 100 would lie."""
    words = sum(one.sizes)
    measured = dict(zip(one.curve_words, one.curve, strict=True)) | {words: one.value}
    fewer = measured if one.curve else [*(round(words * times) for times in _TIMES), words]
    more = [words * times for times in _MORE] if one.corrected is not None else []
    return [(count, measured.get(count), *_expected(one, count / words)) for count in (*fewer, *more)]


def _expected(one: Known, times: float) -> tuple[float | None, ...]:
    """The expected score, its bias and bounds over so many times the words; nothing of measures without intervals."""
    if one.corrected is None:
        return (None,) * 4
    bias, off = _bias(one), _reach(one) / times**0.5
    there = one.value - bias + bias / times
    return there, bias / times, there - off, there + off


def _settles(measure: str, one: Known, within: float) -> str:
    words = sum(one.sizes)
    if one.corrected is None:
        steady = words
        for count, value in sorted(zip(one.curve_words, one.curve, strict=True), reverse=True):
            if abs(value - one.value) > within:
                break
            steady = count
        if steady < words:
            return f"{measure} of {steady:,} words is within {within:g} of that of all {words:,}"
        return f"{measure} of half of the words is off by {abs(one.curve[-1] - one.value):.2g}: it has not settled"
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
