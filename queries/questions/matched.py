"""Which neurons of a layer, or heads, are matched well elsewhere, and by which? One question for each kind's unit.

Of neurons also which words drive them, read from the layer's file. Raises NothingYet where a measure or a source has no
scores of single units, or where no file of the layer is here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

from layeratlas.queries.core.ask import ask, load
from layeratlas.queries.core.registry import Argument, Option, question
from layeratlas.queries.core.scope import Asked, Scope, check_layer, find_one, model_and_layer
from layeratlas.queries.core.table import Table
from layeratlas.queries.core.usual import FIRST, OWN, usual_of
from layeratlas.store.errors import NothingYet
from layeratlas.store.kinds import KINDS, Kind

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from layeratlas.store.store import Store


def matched(
    catalog: DuckDBPyConnection, asked: Asked = Asked(), *, kind: Kind, layer: str, least: bool = False,
    each: bool = False,
) -> Table:  # fmt: skip
    """The units of MODEL:LAYER by how well other models match them, and by which layer and unit."""
    model, number = model_and_layer(layer)
    usual, unit = usual_of(kind.name), kind.unit
    if usual is not None and not asked.measures:
        asked = asked.measuring(usual.of_units)
    scope = find_one(catalog, asked, naming=(model,))
    check_layer(catalog, scope, model, number)
    what = f"{unit.title()}s of {model} layer {number}, {'worst' if least else 'best'} matched elsewhere first"
    values = {**scope.values, "model": model, "layer": number, "least": least}
    sql = load(__package__, "matched_each" if each else "matched", matches=load(__package__, "matches"), unit=unit)
    answer = ask(catalog, sql, values, what=what, scope=scope)
    if not answer.rows:
        raise NothingYet(
            f"{scope.source} has no {scope.measure} of single {unit}s of {model} layer {number} towards other models"
            + (f"; `layeratlas measure --measure {usual.of_units}` keeps them" if usual else "")
        )
    return answer.saying(_of_each(answer, unit) if each else _of_best(answer, unit, scope))


def _of_best(answer: Table, unit: str, scope: Scope) -> str:
    best, looked = answer.column("value"), [number for number in answer.column("mutual") if number is not None]
    if scope.are_distances:
        says = f"the median distance of a {unit} to its closest match is {median(best):.2f}"
    else:
        enough = sum(value >= 0.5 for value in best)
        says = (
            f"{enough:,} of {len(best):,} {unit}s are matched at 0.5 or more by another model; "
            f"the median is {median(best):.2f}"
        )
    if looked:
        says += f"; of all matches, {sum(looked) / sum(answer.column('models')):.0%} look back"
    return says


def _of_each(answer: Table, unit: str) -> str:
    mutual = [each for each in answer.column("is_mutual") if each is not None]
    says = f"{len(set(answer.column(unit))):,} {unit}s in {len(set(answer.column('model')))} other models"
    return says + (f"; {sum(mutual):,} of {len(mutual):,} matches look back" if mutual else "")


def driven(answer: Table, store: Store, layer: str, words: int, limit: int | None) -> Table:
    """The same answer, cut to `limit` rows, with the words that drive each neuron most."""
    from layeratlas.queries.core.driving import driving, written
    from layeratlas.stored import activations_of

    scope = answer.scope
    if scope is None or scope.source != OWN:
        raise NothingYet(f"--words reads activations, which {scope.source if scope else 'this source'} came without")
    model, number = model_and_layer(layer)
    file = activations_of(store, model, number, corpus=scope.corpus, pooling=scope.first.words_from_tokens)
    shown = answer.first(limit)
    neurons = list(dict.fromkeys(shown.column("neuron")))
    found = dict(zip(neurons, driving(file.path, neurons, words=words), strict=True))
    rows = [(*row, written(found[neuron])) for row, neuron in zip(shown.rows, shown.column("neuron"), strict=True)]
    said = "driven_by: the words where a neuron is farthest from its mean, in standard deviations"
    return replace(shown, columns=(*shown.columns, "driven_by"), rows=rows, notes=(*shown.notes, said))


_LAYER = Argument("layer", metavar="MODEL:LAYER")
_LEAST = Option("least", bool, "The worst matched first.")
_EACH = Option("each", bool, "A row for the best match in every other model.")
_WORDS = Option("words", int, "Words that drive each neuron most, in context: so many; read from its file.", least=0)


@question("neurons", _LAYER, _LEAST, _EACH, _WORDS, limit=20, reads_files=True)
def neurons(
    catalog: DuckDBPyConnection, asked: Asked = Asked(), *, layer: str, least: bool = False, each: bool = False,
    words: int = 0, store: Store | None = None,
) -> Table:  # fmt: skip
    """The neurons of a layer by how well they are matched in other models, and by which neuron.

    `mutual`: in how many of the other models the best match, looking back at this layer, is matched by this neuron.

    Example: layeratlas query neurons bert-tiny:2 --words 3
    """
    answer = matched(catalog, asked, kind=KINDS[FIRST], layer=layer, least=least, each=each)
    return driven(answer, store, layer, words, asked.limit) if words and store is not None else answer


def _asked_by(kind: Kind) -> Callable[..., Table]:
    """Declare the question of one kind, under the name of its unit."""

    def units(
        catalog: DuckDBPyConnection, asked: Asked = Asked(), *, layer: str, least: bool = False, each: bool = False
    ) -> Table:
        return matched(catalog, asked, kind=kind, layer=layer, least=least, each=each)

    name = f"{kind.unit}s"
    units.__name__ = name
    units.__doc__ = (
        f"The {name} of a layer by how well they are matched in other models, and by which {kind.unit}.\n\n"
        f"`mutual`: in how many of the other models the best match, looking back, is matched by this {kind.unit}.\n\n"
        f"Example: layeratlas query {name} bert-tiny:2"
    )
    return question(name, _LAYER, _LEAST, _EACH, limit=20)(units)


#: By kind: `neurons`, `heads`.
OF_UNITS = {name: neurons if name == FIRST else _asked_by(kind) for name, kind in KINDS.items()}
