"""The commands of `layeratlas query`: each parses, asks one question and renders its table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from layeratlas.queries import models as matrices
from layeratlas.queries import pairs
from layeratlas.queries.ask import Table
from layeratlas.queries.options import question, store_option
from layeratlas.queries.scope import Asked
from layeratlas.store.store import Store

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@click.command("top-pairs")
@click.option("--across", type=click.Choice(("families", "models")), help="Only pairs of different families or models.")
@click.option("--within", metavar="FAMILY|MODEL", help="Only pairs inside this family or model.")
@click.option("--layer", type=click.IntRange(min=0), help="Only pairs with this layer (of --model, when given).")
@click.option("--min-words", type=click.IntRange(min=0), default=0, help="Only scores over at least so many words.")
@click.option("--least", is_flag=True, help="The least similar instead.")
@question(limit=10, a_measure=True)
def top_pairs(catalog: DuckDBPyConnection, asked: Asked, **filters: Any) -> Table:
    """The most similar layer pairs: "of a towards b", symmetric measures each pair once; --limit counts a measure's.

    Example: layeratlas query top-pairs --across families --measure ckasim
    """
    return pairs.top(catalog, asked, **filters)


@click.command()
@click.argument("layer", metavar="MODEL:LAYER")
@question(limit=5, a_measure=True)
def nearest(catalog: DuckDBPyConnection, asked: Asked, layer: str) -> Table:
    """The layers of other models that are closest to one layer, ranked under each measure.

    Example: layeratlas query nearest bert-tiny:2
    """
    return pairs.nearest(catalog, asked, of=layer)


@click.command()
@click.argument("pair", nargs=-1, metavar="[A B]")
@question(draws=True)
def heatmap(catalog: DuckDBPyConnection, asked: Asked, pair: tuple[str, ...]) -> Table:
    """Layers × layers of two models, or of all, as blocks in the terminal or as rows.

    Example: layeratlas query heatmap bert-tiny gpt2-tiny --measure ckasim
    """
    if not pair:
        return matrices.heatmap_all(catalog, asked)
    if len(pair) != 2:
        raise click.UsageError("name two models, or none for all of them")
    return pairs.layer_heatmap(catalog, asked, left=pair[0], right=pair[1])


@click.command("models")
@question()
def model_pairs(catalog: DuckDBPyConnection, asked: Asked) -> Table:
    """Model × model: mean similarity, of the best layers, and of layers at the same relative depth.

    Example: layeratlas query models --measure neuronsim
    """
    return matrices.models(catalog, asked)


@click.command()
@click.argument("layer", metavar="MODEL:LAYER")
@click.option("--least", is_flag=True, help="The worst matched first.")
@question(limit=20)
def neurons(catalog: DuckDBPyConnection, asked: Asked, layer: str, least: bool) -> Table:
    """The neurons of a layer by how well they are matched in other models, and by which neuron.

    Example: layeratlas query neurons bert-tiny:2
    """
    from layeratlas.queries.neurons import neurons as answer

    return answer(catalog, asked, of=layer, least=least)


@click.command()
@click.argument("model")
@click.option("--layer", type=click.IntRange(min=1), required=True, help="The block that the heads belong to.")
@click.option("--least", is_flag=True, help="The worst matched first.")
@question(limit=20)
def heads(catalog: DuckDBPyConnection, asked: Asked, model: str, layer: int, least: bool) -> Table:
    """The attention heads of a layer, each with its best counterpart in another model.

    Example: layeratlas query heads bert-tiny --layer 2
    """
    from layeratlas.queries.neurons import heads as answer

    return answer(catalog, asked, model=model, layer=layer, least=least)


@click.command()
@click.option("--across", type=click.Choice(("families", "models")), help="Only pairs of different families or models.")
@question()
def measures(catalog: DuckDBPyConnection, asked: Asked, across: str | None) -> Table:
    """How far measures agree: Spearman's rank correlation over the layer pairs that all of them have.

    Example: layeratlas query measures --across families
    """
    from layeratlas.queries import agreement

    return agreement.measures(catalog, asked, across=across)


@click.command()
@click.option("--tolerance", type=click.FloatRange(min=0), help="How exact a value is; else as its source says.")
@question(limit=20)
def consistency(catalog: DuckDBPyConnection, asked: Asked, tolerance: float | None) -> Table:
    """Scores that break a law that must hold: a range, a symmetry, neuronsim at most mixedsim.

    Example: layeratlas query consistency --source wu2020-ewt
    """
    from layeratlas.queries import agreement

    return agreement.consistency(catalog, asked, tolerance=tolerance)


@click.command()
@question(limit=40)
def coverage(catalog: DuckDBPyConnection, asked: Asked) -> Table:
    """What has been scored and what is missing, for every pair of models under every measure; the gaps first.

    Example: layeratlas query coverage
    """
    return matrices.coverage(catalog, asked)


_resamples = click.option("--resamples", type=click.IntRange(min=99), default=1999, help="Draws.", show_default=True)
_seed = click.option("--seed", type=int, default=0, help="Of the draws.", show_default=True)


@click.command()
@_resamples
@_seed
@question()
def families(catalog: DuckDBPyConnection, asked: Asked, resamples: int, seed: int) -> Table:
    """Within a family against across families: bootstrap interval over models, permutation p-value.

    Null hypothesis: a model's family has nothing to do with what it is similar to. One-sided; families are dealt
    out to the models at random. What leaves no measured pair within or across families is not counted.

    Example: layeratlas query families --measure ckasim
    """
    from layeratlas.queries import inference

    return inference.families(catalog, asked, resamples=resamples, seed=seed)


@click.command()
@question(limit=20)
def localization(catalog: DuckDBPyConnection, asked: Asked) -> Table:
    """For each layer: is what it shares with other models in single neurons, or spread over many?

    neuronsim minus svsim, both in standard deviations over the layer pairs that have both. A description: nothing is
    tested, there is no null hypothesis.

    Example: layeratlas query localization --model bert-tiny
    """
    from layeratlas.queries import depth

    return depth.localization(catalog, asked)


@click.command()
@click.argument("base")
@question()
def finetuning(catalog: DuckDBPyConnection, asked: Asked, base: str) -> Table:
    """Each layer of a model's fine-tuned copies against the same layer before, and where the change sets in.

    That is the layer from which on similarity is lower, by the best single step. A description: nothing is tested,
    there is no null hypothesis.

    Example: layeratlas query finetuning bert-tiny
    """
    from layeratlas.queries import depth

    return depth.finetuning(catalog, asked, base=base)


@click.command()
@click.argument("model_a")
@click.argument("model_b")
@question()
def correspondence(catalog: DuckDBPyConnection, asked: Asked, model_a: str, model_b: str) -> Table:
    """Which layer of B matches each layer of A best, and how well when the order of layers is kept.

    A description: nothing is tested, there is no null hypothesis.

    Example: layeratlas query correspondence bert-tiny gpt2-tiny
    """
    from layeratlas.queries import depth

    return depth.correspondence(catalog, asked, left=model_a, right=model_b)


@click.command()
@_resamples
@_seed
@question()
def factors(catalog: DuckDBPyConnection, asked: Asked, resamples: int, seed: int) -> Table:
    """Which design factors explain the similarity of models: multiple regression with QAP p-values.

    Null hypothesis, of each factor: beside the others, it has nothing to do with similarity. Two-sided; models are
    exchanged.

    Example: layeratlas query factors --measure neuronsim
    """
    from layeratlas.queries import inference

    return inference.factors(catalog, asked, resamples=resamples, seed=seed)


@click.command()
@click.option("--format", "form", type=click.Choice(("table", "json")), default="table", help="How to print.")
@store_option
def findings(store: Store, form: str) -> None:
    """The paper's five questions, answered from the catalog, each with a verdict computed from its numbers.

    Example: layeratlas query findings
    """
    from layeratlas.queries import render
    from layeratlas.queries.findings import findings as answer

    with store.catalog() as catalog:
        found = answer(catalog)
    render.render_findings([(finding.table, finding.seen, finding.verdict) for finding in found], form)


#: In the order in which a user meets them.
COMMANDS: tuple[click.Command, ...] = (
    top_pairs, nearest, heatmap, model_pairs, neurons, heads, families, localization, finetuning, correspondence,
    factors, measures, consistency, coverage, findings,
)  # fmt: skip
