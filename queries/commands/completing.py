"""Completion in a shell: names of models, measures, corpora, layers … from the store that the command line names.

What cannot be read offers nothing: a shell that is asked to complete must not be shown an error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from layeratlas.store.errors import LayeratlasError
from layeratlas.store.store import default_root, store_at

Complete = Callable[[click.Context, click.Parameter, str], list[str]]
SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_LAYERATLAS_COMPLETE"
#: bash takes MODEL:LAYER for three words otherwise.
_COLONS = "COMP_WORDBREAKS=${COMP_WORDBREAKS//:}\n"
#: By what is completed: a statement with one column of names, in their order.
_SQL = {
    "model": "SELECT DISTINCT model FROM models ORDER BY 1",
    "family": "SELECT DISTINCT family FROM models ORDER BY 1",
    "measure": "SELECT DISTINCT measure FROM base.configurations ORDER BY 1",
    "corpus": "SELECT DISTINCT corpus FROM corpora ORDER BY 1",
    "source": "SELECT DISTINCT source FROM models ORDER BY 1",
    "origin": "SELECT unnest(['own', 'all']) UNION ALL SELECT origin FROM base.origins",
    "configuration": "SELECT DISTINCT unnest(list_prepend(label, coalesce(presets, []))) FROM base.configurations "
    "ORDER BY 1",
    "pooling": "SELECT DISTINCT pooling FROM artifacts ORDER BY 1",
    "figure": "SELECT DISTINCT figure FROM layer_statistics ORDER BY 1",
    "layer": "SELECT DISTINCT ON (model, layer) model || ':' || layer FROM artifacts ORDER BY model, layer",
    "head": "SELECT DISTINCT ON (model, layer, head) model || ':' || layer || ':' || head FROM ("
    "SELECT model, layer, unnest(range(neurons)) AS head FROM artifacts WHERE kind = 'attention') "
    "ORDER BY model, layer, head",
}  # fmt: skip
#: What the parameters of questions are names of.
_OF = {
    "layer": "layer", "layers": "layer", "pair": "model", "model_a": "model", "model_b": "model", "base": "model",
    "figures": "figure", "within": "family", "pairs": "layer", "ends": "layer",
}  # fmt: skip


def names_of(what: str) -> Complete:
    """Return what completes the names of a kind: a key of the statements above."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
        return [name for name in _names(_SQL[what], ctx.params.get("root")) if name.startswith(incomplete)]

    return complete


def of_parameter(name: str) -> dict[str, Any]:
    """Return what completes a parameter of a question, as click takes it; nothing for what is no name."""
    return {"shell_complete": names_of(_OF[name])} if name in _OF else {}


def _names(sql: str, root: str | None) -> list[str]:
    import duckdb

    try:
        with store_at(root or default_root()).catalog() as catalog:
            return [str(name) for (name,) in catalog.execute(sql).fetchall()]
    except (LayeratlasError, OSError, duckdb.Error):
        return []


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what makes a shell complete commands, options, and the names that are in the store.

    bash, zsh: a line in ~/.bashrc or ~/.zshrc. fish: write it to ~/.config/fish/completions/layeratlas.fish.

    Example: eval "$(layeratlas completion bash)"
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"no completion for {shell}")
    script = found(context.find_root().command, {}, "layeratlas", VARIABLE)
    click.echo((_COLONS if shell == "bash" else "") + script.source_template % script.source_vars())
