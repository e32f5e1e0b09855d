"""The commands of `simcat plot`: each parses, asks one question and draws its rows."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from queries import grids
from queries.options import asking, shared_options, store_option
from queries.scope import Asked
from store.store import Store

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from matplotlib.figure import Figure

Draw = Callable[[], "Figure"]
OUTPUT = click.Path(dir_okay=False, path_type=Path)


def picture(command: Callable[..., Draw]) -> Callable[..., Any]:
    """Make a command of a function (catalog, Asked, its own options) -> what draws the answer.

    It gets the shared options and --output, opens the catalog, closes it, and only then draws.
    """

    @functools.wraps(command)
    def drawn(store: Store, output: Path, asked: Asked, **given: Any) -> None:
        from queries.figures import style

        style.check_target(output)
        versions = click.get_current_context().find_object(dict) or {}
        with asking(store, versions) as catalog:
            draw = command(catalog, asked, **given)
        style.picture(output, draw)
        click.echo(f"wrote {output}", err=True)

    said = "FILE.png, FILE.svg or FILE.pdf."
    return click.option("-o", "--output", type=OUTPUT, required=True, help=said)(shared_options(store_option(drawn)))


@click.command()
@click.argument("pair", nargs=-1, metavar="[MODEL_A [MODEL_B]]")
@click.option("--stretch", is_flag=True, help="Colours from the smallest to the largest value, not from 0 to 1.")
@picture
def heatmap(catalog: DuckDBPyConnection, asked: Asked, pair: tuple[str, ...], stretch: bool) -> Draw:
    """Layers × layers as colours: of all models, of one with itself, or of one towards another.

    Example: simcat plot heatmap bert-tiny gpt2-tiny --measure ckasim -o heatmap.svg
    """
    from queries.figures import heatmap as figure

    answer = grids.pair_grid(catalog, asked, pair=pair)
    return lambda: figure.draw(answer, stretch=stretch)


PLOTS = (heatmap,)
