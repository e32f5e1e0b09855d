"""The commands of `layeratlas plot`: each parses, asks one question and draws its rows."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from layeratlas.queries.commands.completing import names_of
from layeratlas.queries.commands.options import option_of, shared_options, store_option
from layeratlas.queries.core.asking import asking
from layeratlas.queries.core.scope import Asked
from layeratlas.queries.core.table import Table
from layeratlas.queries.core.visible import visible
from layeratlas.queries.questions import QUESTIONS
from layeratlas.queries.questions import heatmap as heatmaps
from layeratlas.store.errors import BadRequest
from layeratlas.store.store import Store

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from matplotlib.figure import Figure

    from layeratlas.queries.figures.charts import Dots, Grid, Lines, Map

Draw = Callable[[], "Figure"]
OUTPUT = click.Path(dir_okay=False, path_type=Path)


def picture(command: Callable[..., Draw]) -> Callable[..., Any]:
    """Make a command of a function (catalog, Asked, its own options) -> what draws the answer.

    It gets the shared options and --output, opens the catalog, closes it, and only then draws. A function that has a
    parameter `store` is given it, to read files.
    """
    reads_files = "store" in inspect.signature(command).parameters

    @functools.wraps(command)
    def drawn(store: Store, output: Path, asked: Asked, **given: Any) -> None:
        from layeratlas.queries.figures import style

        style.check_target(output)
        with asking(store) as catalog:
            draw = command(catalog, asked, **given, **({"store": store} if reads_files else {}))
        missing = style.picture(output, draw)
        if missing:
            click.echo(f"note: no font here has {missing}, drawn as boxes: a picture.svg keeps them as text", err=True)
        click.echo(visible(f"wrote {output}"), err=True)

    said = "FILE.png, FILE.svg or FILE.pdf."
    return click.option("-o", "--output", type=OUTPUT, required=True, help=said)(shared_options(store_option(drawn)))


@click.command()
@click.argument("pair", nargs=-1, metavar="[MODEL_A [MODEL_B]]", shell_complete=names_of("model"))
@click.option("--stretch", is_flag=True, help="Colours from the smallest to the largest value, not from 0 to 1.")
@picture
def heatmap(catalog: DuckDBPyConnection, asked: Asked, pair: tuple[str, ...], stretch: bool) -> Draw:
    """Layers × layers as colours: of all models, of one with itself, or of one towards another.

    Example: layeratlas plot heatmap bert-tiny gpt2-tiny --measure ckasim -o heatmap.svg
    """
    from layeratlas.queries.figures import heatmap as figure

    answer = heatmaps.matrix(catalog, asked, pair=pair)
    return lambda: figure.draw(answer, stretch=stretch)


@click.command()
@picture
def families(catalog: DuckDBPyConnection, asked: Asked) -> Draw:
    """Within a family against across families, with intervals, under every measure or the named ones.

    Example: layeratlas plot families -o families.png
    """
    from layeratlas.queries.figures import families as figure

    return _chart(figure.chart, QUESTIONS["families"].ask(catalog, asked))


@click.command()
@click.option("--across", type=click.Choice(("families", "models")), help="Only pairs of different ones.")
@picture
def measures(catalog: DuckDBPyConnection, asked: Asked, across: str | None) -> Draw:
    """How far measures agree: the rank correlation of every two, those that agree side by side.

    Example: layeratlas plot measures -o measures.svg
    """
    from layeratlas.queries.figures import agreement as figure

    return _chart(figure.chart, QUESTIONS["measures"].ask(catalog, asked, across=across))


def _of_groups(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of `query clusters`, all but those of its draws."""
    told = (each for each in QUESTIONS["clusters"].options if each.name not in ("resamples", "seed"))
    for each in reversed(list(told)):
        command = option_of(each)(command)
    return command


@click.command()
@_of_groups
@picture
def clusters(catalog: DuckDBPyConnection, asked: Asked, **how: Any) -> Draw:
    """Groups that models, or layers, form by themselves: a dendrogram beside the heatmap in its order.

    Example: layeratlas plot clusters --of layers -o clusters.svg
    """
    from layeratlas.queries.figures import clusters as figure

    found = QUESTIONS["clusters"].ask(catalog, asked, **how)
    return lambda: figure.draw(found)


@click.command("map")
@_of_groups
@picture
def scaled_map(catalog: DuckDBPyConnection, asked: Asked, **how: Any) -> Draw:
    """Models, or layers, on a plane: the closer, the more alike. Classical multidimensional scaling.

    Example: layeratlas plot map --of layers -o map.svg
    """
    from layeratlas.queries.figures import clusters as figure

    return _chart(figure.chart, QUESTIONS["clusters"].ask(catalog, asked, **how))


@click.command()
@click.argument("head", metavar="MODEL:LAYER:HEAD", shell_complete=names_of("head"))
@click.option("--sentence", type=click.IntRange(min=0), default=0, show_default=True, help="Of the corpus, from 0.")
@picture
def attention(catalog: DuckDBPyConnection, asked: Asked, head: str, sentence: int, store: Store) -> Draw:
    """What one head attends to in a sentence, and beside it the head of another model that is most like it.

    Heads are compared by attsim, or by the measure that is named; without scores the head stands alone.

    Example: layeratlas plot attention bert-tiny:2:1 --sentence 17 -o attention.svg
    """
    from layeratlas.queries.figures import attention as figure
    from layeratlas.queries.questions.attending import attending

    found = attending(catalog, asked, head=head, sentence=sentence, store=store)
    return lambda: figure.draw(found)


@click.command()
@picture
def localization(catalog: DuckDBPyConnection, asked: Asked) -> Draw:
    """For each layer: is what it shares with other models in single neurons, or spread over many?

    Example: layeratlas plot localization -o localization.svg
    """
    from layeratlas.queries.figures import localization as figure

    return _chart(figure.chart, QUESTIONS["localization"].ask(catalog, asked, curve=False))


@click.command()
@picture
def finetuning(catalog: DuckDBPyConnection, asked: Asked) -> Draw:
    """Each layer of fine-tuned models against the same layer before.

    Example: layeratlas plot finetuning --measure ckasim -o finetuning.pdf
    """
    from layeratlas.queries.figures import finetuning as figure

    return _chart(figure.chart, QUESTIONS["finetuning"].ask(catalog, asked))


@click.command()
@click.argument("named", nargs=-1, metavar="[FIGURE]...", shell_complete=names_of("figure"))
@picture
def layers(catalog: DuckDBPyConnection, asked: Asked, named: tuple[str, ...]) -> Draw:
    """Figures of each layer alone over depth: a panel a figure, a line a model, a colour a family.

    Example: layeratlas plot layers participation_ratio anisotropy -o layers.png
    """
    from layeratlas.queries.figures import layers as figure
    from layeratlas.queries.questions.layers import figures_of

    answer = QUESTIONS["layers"].ask(catalog, asked, figures=named)
    return _chart(lambda table: figure.chart(table, figures_of(table)), answer)


@click.command()
@click.argument("pair", nargs=-1, metavar="[MODEL_A MODEL_B]", shell_complete=names_of("model"))
@picture
def correspondence(catalog: DuckDBPyConnection, asked: Asked, pair: tuple[str, ...]) -> Draw:
    """The depth of each layer's most similar layer in other models, of all or of two models.

    Example: layeratlas plot correspondence bert-tiny gpt2-tiny -o correspondence.png
    """
    from layeratlas.queries.figures import correspondence as figure

    if len(pair) == 1:
        raise BadRequest(f"name the model in which to look for the layers of {pair[0]}, or no model for all")
    if len(pair) > 2:
        raise BadRequest(f"name two models, or none for all of them, got {len(pair)}: {', '.join(pair)}")
    named = dict(zip(("model_a", "model_b"), pair, strict=False))
    return _chart(figure.chart, QUESTIONS["correspondence"].ask(catalog, asked, **named))


def _chart(chart: Callable[[Table], Dots | Lines | Map | Grid], answer: Table) -> Draw:
    from layeratlas.queries.figures import plots

    return lambda: plots.draw(chart(answer))


PLOTS = (
    heatmap, families, clusters, scaled_map, measures, layers, localization, finetuning, correspondence, attention,
)  # fmt: skip
