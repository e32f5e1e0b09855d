"""The command line: parse, call, render.

stdout carries data, stderr progress and warnings. Exit codes: 0 ok, 1 failed, 2 usage, 3 nothing there yet,
4 store damaged, 130 interrupted.
"""

from __future__ import annotations

import errno
import io
import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from layeratlas.queries.commands import completing
from layeratlas.queries.commands.options import Bytes, format_option, origin_option, store_option
from layeratlas.queries.commands.plot import OUTPUT, PLOTS
from layeratlas.queries.commands.query import COMMANDS
from layeratlas.queries.commands.share import SHARING
from layeratlas.queries.core.visible import visible
from layeratlas.store.errors import BadRequest, LayeratlasError, NothingYet, unwritable
from layeratlas.store.progress import Progress
from layeratlas.store.store import Store
from layeratlas.store.study import CHOICES, ResultsSpec, corpus_spec, study_of
from layeratlas.store.uncertainty import Intervals, Nulls, Uncertainty, Untrained, intervals_of, nulls_of

if TYPE_CHECKING:
    from layeratlas.running import Outcome


class _Group(click.Group):
    """Commands in the order in which a user meets them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what each command does, over several lines where one is too short: click would cut it."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, each.get_short_help_str(limit=1000)) for name, each in self.commands.items()])


class Beside(click.ParamType[Any]):
    """What is asked beside scores, as a text that says so."""

    name = "text"

    def __init__(self, read: Callable[[str], Any]) -> None:
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read it."""
        try:
            return self._read(value) if isinstance(value, str) else value
        except BadRequest as error:
            self.fail(str(error), param, ctx)


CORPUS = click.Path(exists=True, path_type=Path)
EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)

memory_option = click.option("--memory", type=Bytes(), default="2GB", help="For the sums of one pass over the words.")
intervals_option = click.option(
    "--intervals", type=Beside(intervals_of), metavar="METHOD",
    help="Of every score: jackknife, or bootstrap:blocks=20,seed=0,draws=200.",
)  # fmt: skip
null_option = click.option(
    "--null", type=Beside(nulls_of), metavar="KIND",
    help="What chance gives: permuted, or permuted:words,permutations=100,seed=0; drawn, faster; rotated; untrained.",
)  # fmt: skip
workers_option = click.option(
    "--workers", type=click.IntRange(min=1), help="Processes that share the work: one, or on Ray as many as fit."
)
ray_option = click.option("--ray", help="Share the work on Ray: local, auto, or a cluster's address.")
device_option = click.option("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps …")


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="layeratlas", prog_name="layeratlas")
@click.pass_context
def cli(context: click.Context) -> None:
    """A similarity catalog for language models: extract once, measure all pairs, ask the catalog.

    Example: layeratlas run studies/demo.toml && layeratlas query top-pairs --across families
    """
    from layeratlas.measures.registry import VERSIONS

    context.obj = VERSIONS


@cli.command()
@click.argument("study", type=click.Path(path_type=Path))
@click.option("--refresh", is_flag=True, help="Measure everything again, although it is known.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Say what there is to do, and how long here and on --workers machines.",
)
@click.option(
    "--only-representative-layers", "layers", type=click.IntRange(min=1), help="Of each model, spread evenly."
)
@click.option("--words", type=click.IntRange(min=1), help="Of each corpus, its first sentences with so many.")
@click.option(
    "--discard-activations", is_flag=True, help="Once all is measured, remove their files; what is known stays."
)
@intervals_option
@null_option
@workers_option
@ray_option
@memory_option
@device_option
@store_option
def run(
    store: Store, study: Path, *, dry_run: bool, layers: int | None, words: int | None, intervals: Intervals | None,
    null: Nulls | Untrained | None, workers: int | None, ray: str | None, **means: Any,
) -> None:  # fmt: skip
    """Extract and measure whatever a study names and the store lacks.

    STUDY is a TOML file, or the name of a study that comes with layeratlas: wu2020-published.

    Example: layeratlas run studies/demo.toml --dry-run --workers 4
    """
    from layeratlas import planning, running
    from layeratlas.store.study import load_study

    chosen, sure = planning.within(load_study(study), words=words, layers=layers), Uncertainty.of(intervals, null)
    if dry_run:
        del means["refresh"], means["discard_activations"]
        given = {"sure": sure, "workers": [workers or 1, 8], "progress": _progress(), **means}
        for line in planning.forecast(store, chosen, **given):
            click.echo(visible(line))
        return
    executor = running.executor_of(workers, ray, means["memory"])
    _finish(running.run(chosen, store=store, progress=_progress(), sure=sure, executor=executor, **means))


@cli.command()
@click.argument("models", nargs=-1, required=True)
@click.option(
    "--corpus", "corpora", multiple=True, required=True, type=CORPUS, help="Text, CoNLL-U, JSONL, CSV, Parquet."
)
@click.option("--column", help="Of a table that is a corpus: the one with the sentences.")
@click.option("--words", type=click.Choice(CHOICES["words"]), help="What cuts texts into words; else white space.")
@click.option("--corpus-name", help="Of the corpus, when one is given; else its file's name without endings.")
@click.option("--pooling", type=click.Choice(CHOICES["pooling"]), default="last", help="Of sub-words to words.")
@click.option("--site", type=click.Choice(CHOICES["site"]), default="block", help="What of each block is taken.")
@click.option("--attention", is_flag=True, help="Attention too, from the same forward pass.")
@click.option(
    "--special-tokens", type=click.Choice(CHOICES["special_tokens"]), default="drop", help="Of attention, their mass."
)
@click.option("--layer", "layers", type=click.IntRange(min=0), multiple=True, help="Only this layer; repeatable.")
@click.option(
    "--long-sentences", type=click.Choice(CHOICES["long_sentences"]), default="refuse", help="Past the window."
)
@click.option("--window", type=click.IntRange(min=3), help="Most tokens at once; else the model's own limit.")
@click.option("--precision", type=click.Choice(CHOICES["precision"]), default="float32", help="Of the forward pass.")
@click.option("--storage", type=click.Choice(CHOICES["storage"]), default="float32", help="Of the files.")
@click.option("--stateful", is_flag=True, help="Of AllenNLP's ELMo: carry its state from sentence to sentence.")
@click.option("--unknown-tokens", type=click.Choice(CHOICES["unknown_tokens"]), default="refuse", help="If most are.")
@click.option("--batch-tokens", type=click.IntRange(min=1), default=4096, help="Tokens in one forward pass.")
@click.option("--revision", help="Of a hub model.")
@click.option("--name", help="Of the model, when one is given; else the last part of its id.")
@click.option("--family", help="Instead of the configuration's model_type.")
@click.option("--finetuned-from", help="Name of the model that it was tuned from.")
@click.option("--objective", help="What it was trained for: 'masked words', 'next word' …")
@click.option("--licence", help="Of the models; else what the model card in their folder says.")
@click.option("--citation", help="Of the models.")
@click.option("--corpus-licence", help="Of the corpora.")
@click.option("--corpus-citation", help="Of the corpora.")
@click.option("--part", type=click.Choice(CHOICES["part"]), help="Of an encoder-decoder; its encoder otherwise.")
@click.option("--untrained", is_flag=True, help="A control: the same configuration, initialised at random.")
@click.option("--seed", type=int, default=0, help="Of the control's initialisation.")
@click.option("--trust-remote-code", is_flag=True, help="Run code that comes with a model.")
@workers_option
@ray_option
@device_option
@store_option
def extract(
    store: Store,
    models: tuple[str, ...],
    corpora: tuple[Path, ...],
    *,
    device: str,
    workers: int | None,
    ray: str | None,
    **options: Any,
) -> None:
    """Run models over corpora; store every layer's activations, and attention if asked for, word by word.

    Example: layeratlas extract bert-base-uncased ./my-model --corpus my.conllu --pooling last
    """
    from layeratlas import running

    means = running.Means(device, progress=_progress(), executor=running.executor_of(workers, ray))
    _finish(running.extract(store, study_of(models, corpora, **options), means))


class Layer(click.ParamType[int | None]):
    """A layer's number, or auto: the files say which layers they have."""

    name = "layer"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        """Read a number; auto is None."""
        if str(value) == "auto":
            return None
        if not re.fullmatch(r"[0-9]{1,9}", str(value)):
            self.fail(f"expected the number of a layer, or auto, got '{value}'", param, ctx)
        return int(value)


@cli.command("import-activations")
@click.argument("files", nargs=-1, required=True, type=EXISTING)
@click.option("--model", required=True, help="Its name in the store.")
@click.option("--layer", type=Layer(), default="auto", show_default=True, help="Which one it is; auto: the files say.")
@click.option("--corpus", type=EXISTING, help="Whose words the rows are, in its order.")
@click.option("--ids", type=EXISTING, help="Instead: an id a line, of rows that are no words.")
@click.option("--corpus-name", help="Of the corpus or the ids; else their file's name without endings.")
@click.option(
    "--pooling", type=click.Choice(CHOICES["pooling"]), default="last", help="How rows were made from tokens."
)
@click.option("--storage", type=click.Choice(CHOICES["storage"]), default="float32", help="Of the store's files.")
@click.option("--family", help="Of the model; else imported.")
@click.option("--finetuned-from", help="Name of the model that it was tuned from.")
@click.option("--objective", help="What it was trained for: 'masked words', 'next word' …")
@store_option
def import_activations(
    store: Store, files: tuple[Path, ...], corpus: Path | None, ids: Path | None, corpus_name: str | None, **about: Any
) -> None:
    """Take activations that were computed elsewhere into the store: .npy, .npz, safetensors, Parquet, HDF5, JSON lines.

    FILES hold a row a word of the corpus, in its order; HDF5 as contextual-corr-analysis and NeuroX write it.

    Example: layeratlas import-activations layer_0.npy layer_1.npy --model mine --corpus my.txt
    """
    from layeratlas import running

    if (corpus is None) == (ids is None):
        raise BadRequest("say whose rows these are: --corpus FILE of words, or --ids FILE with an id a line")
    spec = corpus_spec(corpus or ids or Path(), corpus_name, ids=corpus is None)
    _finish(running.import_activations(store, files, corpus=spec, progress=_progress(), **about))


def _computable(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete the names of measures that there are, computed or not."""
    from layeratlas.measures.registry import VERSIONS

    return [name for name in ("all", *sorted(VERSIONS)) if name.startswith(incomplete)]


@cli.command()
@click.option(
    "--measure", "names", multiple=True, help="Only this measure, as ckasim or gulp:lambda=0.01, or all; repeatable.",
    shell_complete=_computable,
)  # fmt: skip
@click.option("--group", "groups", multiple=True, help="The measures of a collection, as resi; repeatable.")
@click.option("--preset", default="default", help="The conventions of somebody's code, as wu2020, resi or netrep.")
@click.option(
    "--model", "models", multiple=True, help="Only pairs among these models; repeatable.",
    shell_complete=completing.names_of("model"),
)  # fmt: skip
@click.option(
    "--figures", multiple=True, help="Of each layer alone: usual (unless said), all, none, or a name; repeatable."
)
@click.option("--refresh", is_flag=True, help="Measure again what is known.")
@intervals_option
@null_option
@workers_option
@ray_option
@memory_option
@device_option
@store_option
def measure(
    store: Store, names: tuple[str, ...], groups: tuple[str, ...], preset: str, *, models: tuple[str, ...],
    figures: tuple[str, ...], intervals: Intervals | None, null: Nulls | Untrained | None,
    workers: int | None, ray: str | None, **how: Any,
) -> None:  # fmt: skip
    """Measure all pairs of extracted layers that have no score yet. `layeratlas measures` lists the measures.

    Example: layeratlas measure --measure ckasim --measure gulp:lambda=0.01
    """
    from layeratlas import running

    executor = running.executor_of(workers, ray, how["memory"])
    means = running.Means(progress=_progress(), sure=Uncertainty.of(intervals, null), executor=executor, **how)
    _finish(running.measure(store, means, names=names, groups=groups, preset=preset, models=models, figures=figures))


@cli.command()
@click.option("--group", help="Only the measures of a collection, as resi.")
@format_option
def measures(group: str | None, form: str) -> None:
    """All measures that there are: range, direction, invariances, what they need, parameters, and where they are from.

    Example: layeratlas measures --group resi
    """
    from layeratlas.measures.listing import COLUMNS, DETAILS, listing
    from layeratlas.queries.core.table import Table
    from layeratlas.queries.terminal import render

    says = "--measure NAME:parameter=value computes one, --group NAME those of a collection; docs/measures.md"
    answer = Table("Measures", COLUMNS, listing(group), says=says)
    render.render(answer.without(DETAILS) if form == "table" else answer, form)


@cli.command("import-results")
@click.argument("file", type=EXISTING)
@click.option("--name", required=True, help="Of the source, for --source.")
@click.option("--models", type=EXISTING, help="TOML that describes the models; else beside FILE, ending in .toml.")
@click.option("--replace", is_flag=True, help="Replace what was imported under this name.")
@store_option
def import_results(store: Store, file: Path, name: str, models: Path | None, replace: bool) -> None:
    """Take similarities from elsewhere, Parquet or CSV, into the catalog under a name of their own.

    Example: layeratlas import-results studies/published/wu2020_ewt.parquet --name wu2020-ewt
    """
    from layeratlas import running

    done = running.import_results(store, ResultsSpec(file, name, models), replace=replace)
    click.echo(visible(done), err=True)


@cli.group(cls=_Group)
def query() -> None:
    """Ask the catalog. Nothing is recomputed.

    Example: layeratlas query top-pairs --across families
    """


for command in COMMANDS:
    query.add_command(command)


@cli.group(cls=_Group)
def plot() -> None:
    """Draw answers of the catalog as PNG, SVG or PDF.

    Example: layeratlas plot heatmap --measure ckasim -o heatmap.png
    """


for command in PLOTS:
    plot.add_command(command)
for command in SHARING:
    cli.add_command(command)
cli.add_command(completing.completion)


@cli.command()
@click.option(
    "--measure", "measures", multiple=True, help="Only this measure; repeatable.",
    shell_complete=completing.names_of("measure"),
)  # fmt: skip
@click.option(
    "--configuration", help="Only this configuration of the measures.",
    shell_complete=completing.names_of("configuration"),
)  # fmt: skip
@click.option("--corpus", help="Only this corpus.", shell_complete=completing.names_of("corpus"))
@click.option(
    "--source", help="Only own, our own scores, or only this name of imported results.",
    shell_complete=completing.names_of("source"),
)  # fmt: skip
@origin_option
@click.option("-o", "--output", type=OUTPUT, default="report.html", show_default=True, help="The file to write.")
@store_option
def report(store: Store, output: Path, measures: tuple[str, ...], **filters: str | None) -> None:
    """Everything on one HTML page: figures to explore, tables, and the provenance of every number. Works offline.

    Example: layeratlas report -o report.html
    """
    from layeratlas.queries.report import gather, page

    with store.catalog() as catalog:
        found = gather.gather(catalog, measures=measures, store=store, **filters)
    page.write(found, output)
    click.echo(visible(f"wrote {output}: open it in a browser"), err=True)


@cli.command(context_settings={"ignore_unknown_options": True})  # a statement may begin with a comment
@click.argument("statement")
@format_option
@store_option
def sql(store: Store, statement: str, form: str) -> None:
    """Run one read-only SQL statement on the catalog (views: docs/catalog.md).

    Example: layeratlas sql "SELECT measure, avg(value) FROM layer_pairs GROUP BY 1"
    """
    from layeratlas.queries.core.sql_box import run_sql
    from layeratlas.queries.terminal import render

    with store.catalog() as catalog:
        answer = run_sql(catalog, statement)
    render.render(answer, form)


@cli.command()
@store_option
def browse(store: Store) -> None:
    """Look around the catalog in the terminal: heatmaps, pairs, SQL. `?` shows the keys.

    Example: layeratlas browse
    """
    from layeratlas.queries.browser import browse as open_browser

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise BadRequest("browse needs a terminal; for scripts there are `layeratlas query` and `layeratlas sql`")
    open_browser(store)


@cli.command()
@format_option
@store_option
def status(store: Store, form: str) -> None:
    """What is extracted, measured, missing, refused and damaged.

    Example: layeratlas status
    """
    from layeratlas.queries.questions import disagreements
    from layeratlas.queries.questions.status import DETAILS, overview, under_way
    from layeratlas.queries.terminal import render

    with store.catalog() as catalog:
        tables, differing = overview(catalog), disagreements.count(catalog)
        at_work = under_way(catalog, store.claims.workers())
    for table in [tables[0].without(DETAILS), *tables[1:]] if form == "table" else tables[:1]:
        render.render(table, form)
        click.echo()
    if differing:
        click.echo(f"{differing:,} scores of others differ from ours: layeratlas query disagreements", err=True)
    for line in at_work:
        click.echo(visible(line), err=True)
    if waiting := store.waiting():
        click.echo(f"{waiting} files of the log wait to be merged by the next run", err=True)
    for path in store.log.damaged():
        click.echo(f"a part of the log was damaged, and is set aside: {visible(str(path))}", err=True)


@cli.command()
@store_option
def verify(store: Store) -> None:
    """Re-read the catalog, the log and every artifact; the next run rebuilds what is damaged.

    Example: layeratlas verify && echo all is well
    """
    from layeratlas.queries.terminal.progress import TerminalProgress
    from layeratlas.store.verify import verify as verify_all

    count = len(store.artifacts())
    if not store.root.exists():
        raise NothingYet(f"there is no store {store.root} to verify")
    with TerminalProgress().task("verifying artifacts", count) as advance:
        found = verify_all(store, advance)
    for line in found.damaged:
        click.echo(f"damaged: {visible(line)}")
    for path in found.unknown:
        click.echo(f"not in the catalog yet: {visible(path)}")
    whole = sum(row.damaged is None for row in store.artifacts())
    click.echo(f"{whole} of {count} artifacts are what was written", err=True)
    if found.damaged:
        sys.exit(4)


@cli.command()
@click.option("--yes", is_flag=True, help="Remove it.")
@format_option
@store_option
def gc(store: Store, yes: bool, form: str) -> None:
    """Show what nothing refers to any more, and with --yes remove it: artifacts of what was forgotten, leftovers.

    Example: layeratlas gc --yes
    """
    from layeratlas.queries.core.table import Table
    from layeratlas.queries.terminal import render
    from layeratlas.store import gc as garbage

    found = garbage.remove(store) if yes else garbage.find(store)
    rows = [(file.path, file.bytes, file.reason) for file in found.files]
    if rows or form != "table":
        render.render(Table("Removed" if yes else "Nothing refers to", ("path", "bytes", "reason"), rows), form)
    for file in found.kept:
        click.echo(visible(f"kept: {file.path}: {file.reason}"), err=True)
    done = f"{len(rows):,} files, {found.bytes:,} bytes"
    said = f"{done} removed" if yes else f"{done}: `layeratlas gc --yes` removes them"
    click.echo(said if rows else "there is nothing to remove", err=True)


@cli.command()
@click.option("--sample", type=click.IntRange(min=1), default=50, show_default=True, help="Scores to measure again.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the draw: another one draws other scores.")
@click.option("--measure", "measures", multiple=True, help="Only this measure; repeatable.")
@click.option("--model", "models", multiple=True, help="Only pairs with this model; repeatable.")
@origin_option
@format_option
@memory_option
@device_option
@store_option
def audit(store: Store, origin: str | None, form: str, memory: int, device: str, **given: Any) -> None:
    """Measure a random sample of scores again from the artifacts; print those that differ. Nothing is written.

    Exit code 4 when a score differs, is refused now, or rests on a damaged artifact.

    Example: layeratlas audit --sample 200 --origin lab.atlas.zip
    """
    from layeratlas import running
    from layeratlas.queries.core.origins import find_origin
    from layeratlas.queries.core.table import Table
    from layeratlas.queries.terminal import render

    with store.catalog() as catalog:
        origins = find_origin(catalog, origin).numbers
    found = running.audit(store, running.Means(device, memory, progress=_progress()), origins=origins, **given)
    rows = found.rows()
    if rows or form != "table":
        render.render(Table("Scores that the artifacts do not give", found.COLUMNS, rows), form)
    for line in found.lines():
        click.echo(visible(line), err=True)
    if found.exit_code:
        sys.exit(found.exit_code)


@cli.command()
@store_option
def rebuild(store: Store) -> None:
    """Make the catalog anew from the log of results.

    Example: layeratlas rebuild
    """
    segments = store.rebuild()
    [(scores,)] = store.rows("SELECT count(*) FROM base.scores")
    click.echo(f"{scores:,} scores from {segments:,} files of {store.log.folder}", err=True)
    for path in store.lost:
        click.echo(
            f"damaged, not read: {visible(str(path))}. `layeratlas run STUDY.toml` measures what it held", err=True
        )
    if store.lost:
        sys.exit(4)


@cli.command()
@click.argument("name")
@store_option
def forget(store: Store, name: str) -> None:
    """Forget a model, corpus, measure or source, and all that rests on it. NAME, or model:NAME where several have it.

    Example: layeratlas forget my-failed-model
    """
    from layeratlas.store.forget import forget as forget_all

    click.echo(visible(forget_all(store, name)), err=True)


def _progress() -> Progress:
    from layeratlas.queries.terminal.progress import TerminalProgress

    return TerminalProgress()


def _finish(outcome: Outcome) -> None:
    """Say what came of a run on stderr, and exit with its code."""
    for line in outcome.lines():
        click.echo(visible(line), err=True)
    if outcome.exit_code:
        sys.exit(outcome.exit_code)


def _interrupted() -> NoReturn:
    click.echo("layeratlas: interrupted; what is finished is kept, run the same command to go on", err=True)
    sys.exit(130)


def _failed(error: OSError) -> NoReturn:
    """Say in one line what the system refused: a full disk, a folder that may not be written."""
    where = f" ({error.filename})" if error.filename else ""
    said = f"{error.strerror or error}{where}; what is finished is kept"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        said = str(unwritable(error.filename, error))
    with suppress(OSError):
        click.echo(visible(f"layeratlas: {said}"), err=True)
    with suppress(OSError):  # what waits for a full disk behind stdout would be said again at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(1)


def _refuse_no_text(arguments: Sequence[str]) -> None:
    """Refuse bytes that are no text: neither the catalog nor a Parquet file can hold them. Raises BadRequest."""
    for each in arguments:
        try:
            each.encode()
        except UnicodeEncodeError:
            raise BadRequest(f"'{each}' is no text in UTF-8: call it by another name, or a link to it") from None


def main() -> None:
    """Run the command line; a user's mistake is one line, a bug keeps its traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # where a letter has no code, it is shown as one
            stream.reconfigure(errors="backslashreplace")
    try:
        _refuse_no_text(sys.argv[1:])
        cli.main(standalone_mode=False)
        sys.stdout.flush()  # here, where a full disk is one line
    except click.ClickException as error:
        said = io.StringIO()  # in lines: usage, and options that are meant perhaps
        error.show(said)
        click.echo(visible(said.getvalue(), lines=True), err=True, nl=False)
        sys.exit(error.exit_code)
    except LayeratlasError as error:
        click.echo(f"layeratlas: {visible(str(error), lines=error.has_lines)}", err=True)
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _interrupted()
    except RuntimeError as error:
        if str(error) != "Query interrupted":  # what DuckDB makes of Ctrl-C
            raise
        _interrupted()
    except BrokenPipeError:
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        _failed(error)


if __name__ == "__main__":
    main()
