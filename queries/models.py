"""Questions whose answer has a row a pair of models, or a whole matrix of layers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from layeratlas.queries.ask import Table, ask, question
from layeratlas.queries.fit import cell_size
from layeratlas.queries.scope import Asked, Scope, joined, scope, scopes
from layeratlas.store.errors import NothingYet

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

NEARNESS = ("within one model", "within a family", "across families")


def models(catalog: DuckDBPyConnection, asked: Asked = Asked()) -> Table:
    """One row an ordered pair of models: mean, best-layer and same-relative-depth similarity (sql/models.sql)."""
    one = scope(catalog, asked)
    answer = ask(catalog, question("models"), one.values, title=one.title("Model × model"))
    if not answer.rows:
        raise NothingYet(
            f"no pair of these models is scored by {one.measure}: `layeratlas query coverage` says what is"
        )
    means = nearness(answer.records())
    said = ", ".join(f"{name} {mean:.2f}" for name, mean in means.items())
    return answer.saying(f"{one.measure} over layer pairs is on average {said}")


def nearness(rows: Iterable[dict[str, Any]]) -> dict[str, float]:
    """Mean over layer pairs inside a model, between models of a family, and between families; what there is of it."""
    sums: dict[str, tuple[float, int]] = {}
    for row in rows:
        same_model, same_family = row["model_a"] == row["model_b"], row["family_a"] == row["family_b"]
        kind = NEARNESS[0 if same_model else 1 if same_family else 2]
        total, number = sums.get(kind, (0.0, 0))
        sums[kind] = (total + row["mean"] * row["layer_pairs"], number + row["layer_pairs"])
    return {kind: sums[kind][0] / sums[kind][1] for kind in NEARNESS if kind in sums}


def heatmap_all(catalog: DuckDBPyConnection, asked: Asked = Asked()) -> Table:
    """All layers × all layers of every model, families together; when it is drawn, neighbouring layers share a cell.

    `asked.columns` is how many cells and borders a drawing has room for; without it every layer pair is a row.
    """
    one = scope(catalog, asked)
    bin_size = 1 if asked.columns is None else cell_size(*_layers(catalog, one), asked.columns)
    title = one.title("All layers × all layers, of row towards column")
    title += f", a cell {bin_size} × {bin_size} layers" if bin_size > 1 else ""
    answer = ask(catalog, question("heatmap_all"), {**one.values, "bin": bin_size}, title=title)
    if not answer.rows:
        raise NothingYet(
            f"no pair of these models is scored by {one.measure}: `layeratlas query coverage` says what is"
        )
    best = max((row for row in answer.records() if row["model_a"] != row["model_b"]), key=_value, default=None)
    if best is None:
        return answer
    return answer.saying(
        f"of two models, {best['model_a']} from layer {best['layer_a']} and {best['model_b']} from layer "
        f"{best['layer_b']} are the most similar, {best['value']:.2f}"
        if bin_size > 1
        else f"of two models, {best['model_a']} layer {best['layer_a']} and {best['model_b']} layer {best['layer_b']} "
        f"are the most similar, {best['value']:.2f}"
    )


def coverage(catalog: DuckDBPyConnection, asked: Asked = Asked()) -> Table:
    """What has been scored, refused, and is missing, one row a measure × ordered pair of models."""
    chosen = scopes(catalog, asked, every_measure=True)
    answers = [ask(catalog, question("coverage"), {**one.values, "kind": one.kind}) for one in chosen]
    answer = joined(answers, chosen[0].title("Coverage", chosen))
    rows = sorted(answer.rows, key=lambda row: (-row[-1], -row[-2]))  # stable: measures and models keep their order
    possible, scored, refused, missing = (sum(row[index] for row in rows) for index in (-4, -3, -2, -1))
    lacking = sorted({row[0] for row in rows if row[-1]})
    says = f"{scored:,} of {possible:,} ordered layer pairs are scored, {refused:,} refused, {missing:,} missing"
    return Table(answer.title, answer.columns, rows, says + (f": {', '.join(lacking)}" if lacking else ""), answer.sql)


def _value(row: dict[str, Any]) -> float:
    return float(row["value"])


def _layers(catalog: DuckDBPyConnection, one: Scope) -> tuple[list[list[int]], int]:
    """Each model's layers, and how many families there are."""
    sql = (
        "SELECT model, family, list(layer) FROM artifacts "
        "WHERE source = $source AND corpus = $corpus AND pooling = $pooling "
        "AND (len($models) = 0 OR list_contains($models, model)) "
        "AND (len($families) = 0 OR list_contains($families, family)) GROUP BY model, family"
    )
    rows = ask(catalog, sql, one.values).rows
    return [layers for _, _, layers in rows], len({family for _, family, _ in rows})
