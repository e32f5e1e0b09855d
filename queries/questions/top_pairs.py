"""Which layer pairs are the most similar, or the least?

The `limit` of Asked counts the pairs of each measure. Without a measure: ckasim, or the first there is. Raises
BadRequest for an unknown name, NothingYet when no pair is left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from layeratlas.queries.core.ask import ask, load
from layeratlas.queries.core.registry import Option, question
from layeratlas.queries.core.scope import Asked, Scope, check_model, find
from layeratlas.queries.core.sure import NULL, told_apart, with_intervals
from layeratlas.queries.core.table import Table, union
from layeratlas.store.errors import NothingYet

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_PAIR = ("model_a", "layer_a", "model_b", "layer_b")


@question(
    "top-pairs",
    Option("across", ("families", "models"), "Only pairs of different families or models."),
    Option("within", str, "Only pairs inside this family or model.", metavar="FAMILY|MODEL"),
    Option("layer", int, "Only pairs with this layer (of --model, when given).", least=0),
    Option("min_words", int, "Only scores over at least so many words.", least=0),
    Option("least", bool, "The least similar instead."),
    NULL,
    limit=10, limits_each_measure=True,
)  # fmt: skip
def top_pairs(
    catalog: DuckDBPyConnection, asked: Asked = Asked(), *, across: str | None = None, within: str | None = None,
    layer: int | None = None, min_words: int = 0, least: bool = False, null: str | None = None,
) -> Table:  # fmt: skip
    """The most similar layer pairs: "of a towards b", symmetric measures each pair once; --limit counts a measure's.

    Example: layeratlas query top-pairs --across families --measure ckasim
    """
    scope = find(catalog, asked)
    if within is not None:
        check_model(catalog, scope.source, within, or_family=True)
    values = {"across": across, "within": within, "layer": layer, "min_words": min_words, "least": least}
    if scope.are_distances:
        what = f"{'Least close' if least else 'Closest'} layer pairs"
    else:
        what = f"{'Least' if least else 'Most'} similar layer pairs"
    what += f", across {across}" if across else ""
    what += f", within {within}" if within else ""
    sql = load(__package__, "top_pairs")
    answers = [ask(catalog, sql, {**values, **one.values, "limit": asked.limit or 10}) for one in scope.each()]
    answer = union(answers, what, scope)
    if not answer.rows:
        said = " · ".join([answer.subject, *answer.context])
        raise NothingYet(f"no pair fits: {said[0].lower()}{said[1:]}. `layeratlas status` says what has been measured")
    answer = with_intervals(catalog, answer, scope, lambda row: tuple(row[name] for name in _PAIR), null=null)
    return answer.saying("; ".join(filter(None, [_meaning(answer, scope, least=least), told_apart(answer)])))


def _meaning(answer: Table, scope: Scope, *, least: bool) -> str:
    first = answer.records()[0]
    pair = f"{first['model_a']} layer {first['layer_a']} and {first['model_b']} layer {first['layer_b']}"
    whose = "of one family" if first["family_a"] == first["family_b"] else "of two families"
    whose = "of one model" if first["model_a"] == first["model_b"] else whose
    if next(each for each in scope.measures if each.name == first["measure"]).is_distance:
        called, at = "least close" if least else "closest", f"at a distance of {first['value']:.2f}"
    else:
        called, at = f"{'least' if least else 'most'} similar", f"at {first['value']:.2f}"
    return f"the {called} by {first['measure']} are {pair}, {whose}, {at}"
