"""The commands of `layeratlas query`, made from the registry: each parses, asks its question and renders its table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from layeratlas.queries.commands.completing import of_parameter
from layeratlas.queries.commands.options import (
    SHARED,
    asked_of,
    format_option,
    option_of,
    origin_option,
    store_option,
)
from layeratlas.queries.core.asking import asking, files_for
from layeratlas.queries.core.registry import Question
from layeratlas.queries.core.scope import Asked
from layeratlas.queries.questions import QUESTIONS
from layeratlas.store.store import Store

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def _command(question: Question) -> click.Command:
    """Make the command of a question: its own arguments and options, then those that all share."""

    def answer(store: Store, form: str, explain: bool, **given: Any) -> None:
        from layeratlas.queries.terminal import heat, render, tree

        asked, drawn = asked_of(given), question.is_drawn and form == "table" and not explain
        with asking(store) as catalog:
            fitted = _fitted(catalog, asked, given) if drawn else {}
            found = question.ask(catalog, asked, **given, **fitted, **files_for(question, store))
        if explain:
            click.echo(found.sql)
        elif drawn:
            heat.draw(found, **fitted)
        elif found.ordered and form == "table":
            tree.draw(found)
        else:
            render.render(found if question.limits_each_measure else found.first(asked.limit), form)

    limit = click.option(
        "--limit", type=click.IntRange(min=1), default=question.limit, help="Rows, at most.", show_default=True
    )
    explain = click.option("--explain", is_flag=True, help="Print the SQL instead, ready for `layeratlas sql`.")
    wrapped: Any = store_option(answer)
    for add in reversed(
        (*_arguments(question), *map(option_of, question.options), *SHARED, limit, format_option, explain)
    ):
        wrapped = add(wrapped)
    command: click.Command = click.command(question.name, help=question.help)(wrapped)
    return command


def _fitted(catalog: DuckDBPyConnection, asked: Asked, given: dict[str, Any]) -> dict[str, int]:
    """How many layers share a cell of a drawing of all models: what the terminal has room for."""
    from layeratlas.queries.questions import heatmap
    from layeratlas.queries.terminal import heat

    return {} if given["pair"] else {"bin": heat.cell_size(heatmap.layers(catalog, asked))}


def _arguments(question: Question) -> list[Any]:
    return [
        click.argument(each.name, metavar=each.metavar, nargs=-1 if each.is_many else 1, **of_parameter(each.name))
        for each in question.arguments
    ]


@click.command()
@click.option("--format", "form", type=click.Choice(("table", "json")), default="table", help="How to print.")
@origin_option
@store_option
def findings(store: Store, form: str, origin: str | None) -> None:
    """The paper's five questions, answered from the catalog, each with a verdict computed from its numbers.

    Example: layeratlas query findings
    """
    from layeratlas.queries.questions.findings import findings as answer
    from layeratlas.queries.terminal import render

    with asking(store) as catalog:
        found = answer(catalog, origin=origin)
    render.render_findings([(finding.table, finding.seen, finding.verdict) for finding in found], form)


#: In the order in which a user meets them.
COMMANDS: tuple[click.Command, ...] = (*map(_command, QUESTIONS.values()), findings)
