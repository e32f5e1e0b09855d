"""The commands of `simcat query`: each parses, asks one question and renders its table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from queries import pairs
from queries.ask import Table
from queries.options import asking, question, store_option
from queries.scope import Asked
from store.store import Store

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@click.command("top-pairs")
@click.option("--across", type=click.Choice(("families", "models")), help="Only pairs of different families or models.")
@click.option("--within", metavar="FAMILY|MODEL", help="Only pairs inside this family or model.")
@click.option("--layer", type=click.IntRange(min=0), help="Only pairs with this layer (of --model, when given).")
@click.option("--min-words", type=click.IntRange(min=0), default=0, help="Only scores over at least so many words.")
@click.option("--least", is_flag=True, help="The least similar instead.")
@question(limit=10)
def top_pairs(catalog: DuckDBPyConnection, asked: Asked, **filters: Any) -> Table:
    """The most similar layer pairs: "of a towards b", symmetric measures each pair once; --limit counts a measure's.

    Example: simcat query top-pairs --across families --measure ckasim
    """
    return pairs.top(catalog, asked, **filters)


@click.command()
@click.argument("model_a")
@click.argument("model_b")
@question(draw="heat")
def heatmap(catalog: DuckDBPyConnection, asked: Asked, model_a: str, model_b: str) -> Table:
    """Layers × layers of two models, as blocks in the terminal or as rows.

    Example: simcat query heatmap bert-tiny gpt2-tiny --measure ckasim
    """
    return pairs.layer_heatmap(catalog, asked, left=model_a, right=model_b)


@click.command()
@click.option("--format", "form", type=click.Choice(("table", "json")), default="table", help="How to print.")
@store_option
@click.pass_obj
def findings(versions: dict[str, int], store: Store, form: str) -> None:
    """The paper's five questions, answered from the catalog, each with a verdict computed from its numbers.

    Example: simcat query findings
    """
    from queries import render
    from queries.findings import findings as answer

    with asking(store, versions) as catalog:
        found = answer(catalog)
    render.render_findings([(finding.table, finding.seen, finding.verdict) for finding in found], form)


#: In the order in which a user meets them.
COMMANDS: tuple[click.Command, ...] = (top_pairs, heatmap, findings)
