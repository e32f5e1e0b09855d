"""What the commands share: the store they work on, and the options that every question takes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from layeratlas.queries.scope import DEFAULT_MEASURES, Asked
from layeratlas.store.store import Store, default_root, former_store

FORMATS = ("table", "json", "csv", "parquet", "markdown")

format_option = click.option("--format", "form", type=click.Choice(FORMATS), default="table", help="How to print rows.")

_SHARED = (
    click.option("--measure", "measures", multiple=True, help="This measure; else ckasim. Repeatable where it helps."),
    click.option("--kind", type=click.Choice(tuple(DEFAULT_MEASURES)), help="Measures of this kind only."),
    click.option("--model", "models", multiple=True, help="Only this model; repeatable."),
    click.option("--family", "families", multiple=True, help="Only this family; repeatable."),
    click.option("--corpus", help="On this corpus; else the one with the most scores."),
    click.option("--source", help="own, or a name of imported results; else our own, if there are any."),
    click.option("--configuration", help="Of the measure: default, wu2020, or as `status` names it."),
    click.option("--pooling", help="last, first, mean; of attention drop, keep-mass."),
)


def store_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the store that it works on. The newest versions of measures are the context's Mapping."""

    @click.option(
        "--store",
        "root",
        type=click.Path(path_type=Path),
        help="Data folder; else $LAYERATLAS_STORE, else ./layeratlas-data.",
    )
    @functools.wraps(command)
    def with_store(root: Path | None, **options: Any) -> Any:
        former = former_store() if root is None else None
        if former is not None:
            click.echo(
                f"note: {former} holds a store of simcat, as layeratlas was called: --store {former} opens it, or "
                f"rename it to {default_root()}", err=True,
            )  # fmt: skip
        versions = click.get_current_context().find_object(Mapping)  # type: ignore[type-abstract]
        return command(Store(root or default_root(), {} if versions is None else versions), **options)

    return with_store


def question(
    *, limit: int | None = None, draws: bool = False, a_measure: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a command of a function (catalog, Asked, its own options) -> Table.

    It gets the shared options, opens the catalog, and prints the answer, its SQL (--explain) or a drawing of it.
    `limit`: rows that are printed unless --limit says otherwise. `a_measure`: --limit counts each
    measure's, and the function heeds it. `draws`: `--format table` is a heatmap.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def with_answer(store: Store, form: str, explain: bool, **given: Any) -> None:
            from layeratlas.queries import heat, render

            shared = {option.name: given.pop(option.name) for option in fields(Asked) if option.name in given}
            drawn = draws and form == "table" and not explain
            with store.catalog() as catalog:
                answer = command(catalog, Asked(**shared, columns=heat.room() if drawn else None), **given)
            if explain:
                click.echo(answer.sql)
            elif drawn:
                heat.draw(answer)
            else:
                render.render(answer if a_measure else answer.first(shared["limit"]), form)

        options = (
            *_SHARED,
            click.option(
                "--limit", type=click.IntRange(min=1), default=limit, help="Rows, at most.", show_default=True
            ),
            format_option,
            click.option("--explain", is_flag=True, help="Print the SQL instead, ready for `layeratlas sql`."),
        )
        wrapped: Callable[..., Any] = store_option(with_answer)
        for option in reversed(options):
            wrapped = option(wrapped)
        return wrapped

    return decorate


def shared_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that all questions share, as one argument: `asked`."""

    @functools.wraps(command)
    def with_asked(**given: Any) -> Any:
        shared = {name: given.pop(name) for name in Asked.__dataclass_fields__ if name in given}
        return command(asked=Asked(**shared), **given)

    wrapped: Callable[..., Any] = with_asked
    for option in reversed(_SHARED):
        wrapped = option(wrapped)
    return wrapped
