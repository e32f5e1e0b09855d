"""What is one layer like, alone? One row a layer, one column a figure (layers.sql).

Figures are of one source, corpus and pooling; what is not named is chosen as of scores, and the title says what.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from layeratlas.queries.core.ask import ask, load
from layeratlas.queries.core.registry import Argument, question
from layeratlas.queries.core.scope import Asked, check_names
from layeratlas.queries.core.table import Table
from layeratlas.queries.core.usual import OWN
from layeratlas.store.errors import BadRequest, NothingYet, unknown

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Rows = list[dict[str, Any]]
KIND = "activations"  # what figures are of
#: In which order they stand, those that say most first; others follow by name.
ORDER = (
    "participation_ratio", "effective_rank", "first_component", "anisotropy", "intrinsic_dimension", "uniformity",
    "concentricity", "mean_length", "magnitude", "outlier_neurons", "dead_neurons",
)  # fmt: skip
COLUMNS = ("family", "model", "layer", "depth", "words")  # before the figures


@dataclass(frozen=True)
class Figures:
    """The figures that an answer is of."""

    source: str
    corpus: str
    pooling: str
    names: tuple[str, ...]
    refused: int
    corpora: int


@question("layers", Argument("figures", metavar="[FIGURE]...", is_many=True))
def layers(catalog: DuckDBPyConnection, asked: Asked = Asked(), *, figures: Sequence[str] = ()) -> Table:
    """Figures of each layer alone: participation ratio, effective rank, anisotropy, dead and outlier neurons …

    All that are known, or those that are named; docs/measures.md says what they are. Where a figure was refused, the
    column `refused` says why.

    Example: layeratlas query layers participation_ratio anisotropy --model bert-tiny
    """
    found = find_figures(catalog, asked, figures)
    check_names(catalog, found.source, asked.models, asked.families)
    values: dict[str, Any] = {
        "source": found.source, "corpus": found.corpus, "pooling": found.pooling, "figures": list(found.names),
        "models": list(asked.models), "families": list(asked.families),
    }  # fmt: skip
    answer = ask(catalog, load(__package__, "layers", **_columns(found)), values, what="Figures of layers")
    if not answer.rows:
        raise NothingYet("no layer of these models has figures: `layeratlas measure` computes them")
    return Table(
        answer.what,
        answer.columns,
        answer.rows,
        None,
        _extremes(answer, found.names[0]),
        answer.sql,
        _notes(found, asked),
    )


def figures_of(answer: Table) -> list[str]:
    """Return the figures that are columns of an answer."""
    return [name for name in answer.columns if name not in (*COLUMNS, "refused")]


def find_figures(catalog: DuckDBPyConnection, asked: Asked, named: Sequence[str] = ()) -> Figures:
    """Find which figures are meant, of which source, corpus and pooling. Raises BadRequest, NothingYet."""
    if asked.measures or asked.configuration:
        raise BadRequest("figures are of a layer alone, under no measure: name figures instead, as anisotropy")
    rows = ask(catalog, load(__package__, "layer_scopes")).records()
    if asked.kind not in (None, KIND) or not rows:
        of = f", and only of {KIND}" if asked.kind not in (None, KIND) else ""
        raise NothingYet(f"no layer has figures of its own yet{of}: `layeratlas measure` computes them")
    rows, _ = _narrowed(rows, "source", asked.source or (OWN if any(row["source"] == OWN for row in rows) else None))
    rows, corpora = _narrowed(rows, "corpus", asked.corpus)
    rows, _ = _narrowed(rows, "pooling", asked.pooling)
    names = _names(rows, named)
    refused = sum(row["refused"] for row in rows if row["figure"] in names)
    return Figures(rows[0]["source"], rows[0]["corpus"], rows[0]["pooling"], names, refused, corpora)


def _narrowed(rows: Rows, column: str, wanted: str | None) -> tuple[Rows, int]:
    """Keep the rows of one name, the first where none is wanted; return from how many it was chosen."""
    known = list(dict.fromkeys(row[column] for row in rows))
    if wanted is not None and wanted not in known:
        raise BadRequest(unknown(column, wanted, known))
    return [row for row in rows if row[column] == (wanted or known[0])], 1 if wanted else len(known)


def _names(rows: Rows, named: Sequence[str]) -> tuple[str, ...]:
    """Return the names of figures, in order; a name that is none, as another program may write, is left out."""
    known = [row["figure"] for row in rows if re.fullmatch(r"[a-z_][a-z0-9_]*", row["figure"])]
    for name in named:
        if name not in known:
            add = f"To add one: `layeratlas measure --figures {name}`" if name in ORDER else ""
            raise BadRequest(f"{unknown('figure', name, known)} {add}".rstrip())
    places = {name: place for place, name in enumerate(ORDER)}
    return tuple(dict.fromkeys(named)) or tuple(sorted(known, key=lambda name: (places.get(name, len(ORDER)), name)))


def _columns(found: Figures) -> dict[str, str]:
    """What the SQL leaves open: a column a figure, and where some were refused the reasons."""
    values = ",\n       ".join(f"max(value) FILTER (figure = '{name}') AS {name}" for name in found.names)
    reasons = "string_agg(figure || ': ' || refused, '; ' ORDER BY figure) FILTER (refused IS NOT NULL)"
    return {"values": values, "refused": f",\n       {reasons} AS refused" if found.refused else ""}


def _notes(found: Figures, asked: Asked) -> tuple[str, ...]:
    named = [*asked.models, *asked.families]
    only = [f"only {', '.join(named)}"] if named else []
    corpus = f"{found.corpus} (one of {found.corpora} corpora)" if found.corpora > 1 else found.corpus
    return (corpus, f"pooling {found.pooling}", *only, f"source {found.source}")


def _extremes(answer: Table, figure: str) -> str:
    """Say where the first figure is largest and smallest."""
    rows = [row for row in answer.records() if row[figure] is not None]
    if not rows:
        return f"{figure} is refused of every layer"
    ends = (max(rows, key=lambda row: row[figure]), min(rows, key=lambda row: row[figure]))
    most, least = (f"{row['model']} layer {row['layer']} ({row[figure]:.4g})" for row in ends)
    return f"{figure} is largest in {most} and smallest in {least}"
