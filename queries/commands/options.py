"""What the commands share: the store they work on, and the options that every question takes."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from typing import Any

import click

from layeratlas.queries.commands.completing import names_of, of_parameter
from layeratlas.queries.core.registry import Option
from layeratlas.queries.core.scope import Asked
from layeratlas.queries.core.visible import visible
from layeratlas.store.kinds import KINDS
from layeratlas.store.store import default_root, former_store, store_at

FORMATS = ("table", "json", "csv", "parquet", "markdown")

format_option = click.option("--format", "form", type=click.Choice(FORMATS), default="table", help="How to print rows.")

origin_option = click.option(
    "--origin", help="own, or the name of a bundle or remote: only what this store, or that one, measured; else all.",
    shell_complete=names_of("origin"),
)  # fmt: skip

SHARED = (
    click.option("--measure", "measures", multiple=True, help="This measure; else ckasim. Repeatable where it helps.",
                 shell_complete=names_of("measure")),
    click.option("--kind", type=click.Choice(tuple(KINDS)), help="Measures of this kind only."),
    click.option("--model", "models", multiple=True, help="Only this model; repeatable.",
                 shell_complete=names_of("model")),
    click.option("--family", "families", multiple=True, help="Only this family; repeatable.",
                 shell_complete=names_of("family")),
    click.option("--corpus", help="On this corpus; else the one with the most scores.",
                 shell_complete=names_of("corpus")),
    click.option("--source", help="own, or a name of imported results; else our own, if there are any.",
                 shell_complete=names_of("source")),
    origin_option,
    click.option("--configuration", help="Of the measure: default, wu2020, or as `status` names it.",
                 shell_complete=names_of("configuration")),
    click.option("--pooling", help="last, first, mean; of attention drop, keep-mass.",
                 shell_complete=names_of("pooling")),
)  # fmt: skip


class Bytes(click.ParamType[int]):
    """A size such as 2GB or 512MiB, as a number of bytes."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read a size."""
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?", str(value).strip().lower())
        if not found:
            self.fail(f"expected a size like 2GB, got '{value}'", param, ctx)
        return int(float(found[1]) * 1024 ** " kmgt".index(found[2] or " "))


def store_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the store that it works on. The newest versions of measures are the context's Mapping."""

    @click.option(
        "--store",
        "root",
        help="Data folder, or s3://…; else $LAYERATLAS_STORE, else ./layeratlas-data.",
    )
    @functools.wraps(command)
    def with_store(root: str | None, **options: Any) -> Any:
        former = former_store() if root is None else None
        if former is not None:
            click.echo(visible(
                f"note: {former} holds a store of simcat, as layeratlas was called: --store {former} opens it, or "
                f"rename it to {default_root()}"
            ), err=True)  # fmt: skip
        return command(store_at(root or default_root(), _versions()), **options)

    return with_store


def _versions() -> Mapping[str, int]:
    """The newest version of each measure there is: the context's Mapping."""
    found = click.get_current_context().find_object(Mapping)  # type: ignore[type-abstract]
    return {} if found is None else found


def asked_of(given: dict[str, Any]) -> Asked:
    """Take the shared options out of what a command was given."""
    return Asked(**{name: given.pop(name) for name in Asked.__dataclass_fields__ if name in given})


def shared_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that all questions share, as one argument: `asked`."""

    @functools.wraps(command)
    def with_asked(**given: Any) -> Any:
        return command(asked=asked_of(given), **given)

    wrapped: Callable[..., Any] = with_asked
    for option in reversed(SHARED):
        wrapped = option(wrapped)
    return wrapped


def option_of(option: Option) -> Any:
    """Return the click option of what a question can be told."""
    name = f"--{option.name.replace('_', '-')}"
    if option.kind is bool:
        return click.option(name, option.name, is_flag=True, help=option.help)
    kind: Any = option.kind
    if isinstance(kind, tuple):
        kind = click.Choice(kind)
    elif option.least is not None:
        kind = {int: click.IntRange, float: click.FloatRange}[kind](min=option.least)
    return click.option(name, option.name, type=kind, default=option.default, metavar=option.metavar,
                        help=option.help, show_default=option.shows_default, **of_parameter(option.name))  # fmt: skip
