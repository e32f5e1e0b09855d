"""Questions whose answer is a list of layer pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from queries.ask import Table, ask, check_measures, check_model, measured, question
from store.errors import NothingYet

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

DEFAULT_MEASURE = "ckasim"


def top(
    catalog: DuckDBPyConnection,
    *,
    measures: tuple[str, ...] = (),
    across: str | None = None,
    within: str | None = None,
    model: str | None = None,
    layer: int | None = None,
    corpus: str | None = None,
    min_words: int = 0,
    configuration: str = "default",
    limit: int = 10,
) -> Table:
    """The most similar layer pairs, `limit` a measure. Without a measure: ckasim, or the only one there is.

    Raises BadRequest for an unknown measure, model or family, NothingYet when no pair is left.
    """
    chosen = measures or default_measure(catalog)
    check_measures(catalog, chosen)
    if model is not None:
        check_model(catalog, model)
    if within is not None:
        check_model(catalog, within, or_family=True)
    values = {
        "across": across, "within": within, "model": model, "layer": layer,
        "corpus": corpus, "min_words": min_words, "configuration": configuration, "limit": limit,
    }  # fmt: skip
    title = f"Most similar layer pairs, {', '.join(chosen)} ({configuration})"
    title += f", across {across}" if across else ""
    title += f", within {within}" if within else ""
    answers = [ask(catalog, question("top_pairs"), {**values, "measure": name}, title=title) for name in chosen]
    rows = [row for answer in answers for row in answer.rows]
    if not rows:
        raise NothingYet(f"no pair fits: {title.lower()}. `simcat status` says what has been measured")
    return Table(title, answers[0].columns, rows)


def layer_heatmap(
    catalog: DuckDBPyConnection, *, measure: str, left: str, right: str, corpus: str | None = None,
    configuration: str = "default",
) -> Table:  # fmt: skip
    """One row a layer pair of two models, ordered (left layer, right layer); value is of left towards right."""
    check_measures(catalog, (measure,))
    check_model(catalog, left)
    check_model(catalog, right)
    values = {"measure": measure, "left": left, "right": right, "corpus": corpus, "configuration": configuration}
    answer = ask(
        catalog, question("layer_heatmap"), values, title=f"{measure} ({configuration}), {left} towards {right}"
    )
    if not answer.rows:
        raise NothingYet(f"no {measure} ({configuration}) of {left} towards {right} yet: run `simcat measure`")
    return answer


def default_measure(catalog: DuckDBPyConnection) -> tuple[str, ...]:
    """Return the measure that is meant when none is named."""
    names = measured(catalog)
    return (DEFAULT_MEASURE if DEFAULT_MEASURE in names else names[0],)
