"""Questions whose answer is a list of layer pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from layeratlas.queries.ask import Table, ask, question
from layeratlas.queries.scope import Asked, check_layer, check_model, joined, model_and_layer, scope, scopes
from layeratlas.store.errors import NothingYet

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def top(
    catalog: DuckDBPyConnection,
    asked: Asked = Asked(),
    *,
    across: str | None = None,
    within: str | None = None,
    layer: int | None = None,
    min_words: int = 0,
    least: bool = False,
) -> Table:
    """The most (or least) similar layer pairs, `limit` a measure. Without a measure: ckasim, or the first there is.

    Raises BadRequest for an unknown name, NothingYet when no pair is left.
    """
    chosen = scopes(catalog, asked)
    if within is not None:
        check_model(catalog, chosen[0].source, within, or_family=True)
    values = {"across": across, "within": within, "layer": layer, "min_words": min_words, "least": least}
    what = f"{'Least' if least else 'Most'} similar layer pairs"
    what += f", across {across}" if across else ""
    what += f", within {within}" if within else ""
    title = chosen[0].title(what, chosen)
    answers = [
        ask(catalog, question("top_pairs"), {**values, **one.values, "limit": asked.limit or 10}) for one in chosen
    ]
    answer = joined(answers, title)
    if not answer.rows:
        raise NothingYet(
            f"no pair fits: {title[0].lower()}{title[1:]}. `layeratlas status` says what has been measured"
        )
    return answer.saying(_meaning(answer, least=least))


def _meaning(answer: Table, *, least: bool) -> str:
    first = answer.records()[0]
    pair = f"{first['model_a']} layer {first['layer_a']} and {first['model_b']} layer {first['layer_b']}"
    whose = "of one family" if first["family_a"] == first["family_b"] else "of two families"
    whose = "of one model" if first["model_a"] == first["model_b"] else whose
    return (
        f"the {'least' if least else 'most'} similar by {first['measure']} are {pair}, {whose}, at {first['value']:.2f}"
    )


def nearest(catalog: DuckDBPyConnection, asked: Asked, *, of: str) -> Table:
    """The layers of other models that are the most similar to MODEL:LAYER, `limit` a measure, ranked under each.

    Raises BadRequest for an unknown model or layer, NothingYet when no pair is left.
    """
    model, layer = model_and_layer(of)
    chosen = scopes(catalog, asked, naming=(model,), every_measure=True)
    check_layer(catalog, chosen, model, layer)
    values = {"model": model, "layer": layer}
    answers = [ask(catalog, question("nearest"), {**one.values, **values, "limit": asked.limit or 5}) for one in chosen]
    answer = joined(answers, chosen[0].title(f"Nearest to {model} layer {layer}", chosen))
    if not answer.rows:
        raise NothingYet(f"no layer of another model is compared with {model} layer {layer}: run `layeratlas measure`")
    first = [row for row in answer.records() if row["rank"] == 1]
    if len({(row["model"], row["layer"]) for row in first}) == 1:
        figures = ", ".join(f"{row['measure']} {row['value']:.2f}" for row in first)
        return answer.saying(
            f"{first[0]['model']} layer {first[0]['layer']} is the nearest by every measure: {figures}"
        )
    places = [f"{row['model']} layer {row['layer']} ({row['measure']} {row['value']:.2f})" for row in first]
    return answer.saying(f"the nearest: {', '.join(places)}")


def layer_heatmap(catalog: DuckDBPyConnection, asked: Asked, *, left: str, right: str) -> Table:
    """One row a layer pair of two models, ordered (left layer, right layer); value is of left towards right."""
    one = scope(catalog, asked, naming=(left, right))
    answer = ask(
        catalog, question("layer_heatmap"), {**one.values, "left": left, "right": right},
        title=one.title(f"{left} towards {right}"),
    )  # fmt: skip
    if not answer.rows:
        raise NothingYet(
            f"no {one.measure} ({one.configuration}) of {left} towards {right} on {one.corpus} yet: "
            "run `layeratlas measure`"
        )
    best = max(answer.records(), key=lambda row: (row["value"], -row["layer_a"], -row["layer_b"]))
    return answer.saying(
        f"the most similar are layer {best['layer_a']} of {left} and layer {best['layer_b']} of {right}, "
        f"{best['value']:.2f}; the mean is {sum(row['value'] for row in answer.records()) / len(answer.rows):.2f}"
    )
