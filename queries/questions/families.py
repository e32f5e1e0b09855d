"""Are models of one family more similar than models of two? One row a measure, of trained models that are no copies.

`difference` is family minus across, `low` and `high` its 95 % percentile interval when models are drawn with
replacement, made wider by what other text would change, where the scores have intervals. `p`: how often families
dealt out to the models at random differ as much (one-sided). What is drawn or dealt so that no measured pair is left
within or across families has no difference, and counts neither for nor against. Raises NothingYet when there are no
two such models.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from layeratlas.queries.core.ask import ask, load, worked_on
from layeratlas.queries.core.models import described
from layeratlas.queries.core.registry import Option, question
from layeratlas.queries.core.scope import Asked, find
from layeratlas.queries.core.table import Table
from layeratlas.store.errors import NothingYet

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from layeratlas.queries.core.permutation import Levels

RESAMPLES = Option("resamples", int, "Draws.", least=99, shows_default=True)
SEED = Option("seed", int, "Of the draws.", shows_default=True)


@question("families", RESAMPLES, SEED)
def families(catalog: DuckDBPyConnection, asked: Asked = Asked(), *, resamples: int = 1999, seed: int = 0) -> Table:
    """Within a family against across families: bootstrap interval over models, permutation p-value.

    Null hypothesis: a model's family has nothing to do with what it is similar to. One-sided; families are dealt
    out to the models at random. What leaves no measured pair within or across families is not counted.

    Example: layeratlas query families --measure ckasim
    """
    import numpy as np

    from layeratlas.queries.core.permutation import family_difference, levels, model_means
    from layeratlas.queries.core.words import reach, replicated, wider

    scope = find(catalog, asked, every_measure=True)
    pairs = ask(catalog, load(__package__, "families"), scope.values)
    base = [name for name, model in described(catalog, scope.source).items() if model.is_base]
    found: dict[str, Levels] = {}
    known, over_words = replicated(catalog, scope), []
    for measure in scope.measures:
        means = model_means(pairs.where("measure", measure.name)).only(base)
        if len(means.models) > 1:
            rng = np.random.default_rng(seed)
            one = levels(means, sign=measure.sign, resamples=resamples, rng=rng)
            more = reach(known, {measure.name: means}, lambda of: family_difference(next(iter(of.values()))))
            if one.interval and one.difference is not None and more is not None:
                one = replace(one, interval=wider(one.difference, one.interval, more))
                over_words.append(measure.name)
            found[measure.name] = one
    if not found:
        raise NothingYet("families takes two measured models that are trained and no fine-tuned copies")
    columns = ("measure", "same_model", "same_family", "across", "difference", "low", "high", "p")
    rows = [
        (name, one.same_model, one.same_family, one.across, one.difference, *(one.interval or (None, None)), one.p)
        for name, one in found.items()
    ]
    what, sql = "Within a family against across families", worked_on("families", pairs.sql)
    notes = (f"low and high over models and words: {', '.join(over_words)}",) if over_words else ()
    return Table(what, columns, rows, scope, _meaning(found, resamples), sql, notes)


def _meaning(found: dict[str, Levels], resamples: int) -> str:
    tested = {name: one for name, one in found.items() if one.difference is not None and one.p is not None}
    if not tested:
        return "no family has two models here: nothing can be said of families"
    sure = [name for name, one in tested.items() if one.p is not None and one.p <= 0.05]
    closer = sum(one.difference is not None and one.difference > 0 for one in tested.values())
    says = (
        f"models of one family are more similar than across families in {closer} of {len(tested)} measures; by "
        f"more than families dealt out at random (p ≤ 0.05): {', '.join(sure) or 'none'}"
    )
    undefined = [f"{name} {one.undefined:,} of {resamples:,}" for name, one in tested.items() if one.undefined]
    if undefined:
        told = ", ".join(undefined)
        says += f"; dealt out so that no measured pair is within or across them, and not counted: {told}"
    if bare := [name for name, one in tested.items() if one.interval is None]:
        says += f"; too few models for an interval, all draws that have a difference have the same: {', '.join(bare)}"
    return says
