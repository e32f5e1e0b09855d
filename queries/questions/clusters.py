"""Which groups do models, or layers, form by themselves? One row a leaf, in the order of the dendrogram.

Distances: a similarity is taken from its upper bound (from the largest value found, where it has none), a distance is
what it is; both directions are averaged; of models, over all pairs of their layers. `joins` is the height at which a
row's branch meets that of the row before: order and joins are the whole dendrogram. `x` and `y` are a map by
classical multidimensional scaling of the same distances. Of trained models that are no copies, and of named ones.
Raises NothingYet when there are fewer than three leaves, or a pair of them has no score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from layeratlas.queries.core.ask import ask, load, worked_on, written_out
from layeratlas.queries.core.matrix import Layer, Matrix
from layeratlas.queries.core.models import described
from layeratlas.queries.core.registry import Option, question
from layeratlas.queries.core.scope import Asked, Scope, find_one
from layeratlas.queries.core.table import Table
from layeratlas.queries.questions import heatmap
from layeratlas.queries.questions.families import RESAMPLES, SEED
from layeratlas.store.errors import NothingYet

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from duckdb import DuckDBPyConnection

    Values = npt.NDArray[np.float64]

MODELS, LAYERS = "models", "layers"
OF = Option("of", (MODELS, LAYERS), "What is grouped.", shows_default=True)
LINKAGE = Option("linkage", ("average", "complete", "single"), "How far apart groups are.", shows_default=True)
COPIES = Option("copies", bool, "Fine-tuned copies and untrained controls too.")
GROUPS = Option("groups", int, "To cut the tree into; else as many as there are families.", least=2)
_WHOLE = -1  # the layer of a leaf that is a model


@question("clusters", OF, GROUPS, LINKAGE, COPIES, RESAMPLES, SEED)
def clusters(
    catalog: DuckDBPyConnection, asked: Asked = Asked(), *, of: str = MODELS, groups: int | None = None,
    linkage: str = "average", copies: bool = False, resamples: int = 1999, seed: int = 0,
) -> Table:  # fmt: skip
    """Groups that models, or layers, form by themselves; whether they are the families; a map of them.

    Hierarchical clustering; the adjusted Rand index says how well groups are families: 1, they are; 0, as by chance.
    p: how often families that are dealt out to the models at random fit as well.

    Example: layeratlas query clusters --of layers --measure ckasim
    """
    import numpy as np

    from layeratlas.queries.core.grouping import distances, grow, scaled

    scope = find_one(catalog, asked)
    read = _models if of == MODELS else _layers
    names, values, sql = read(catalog, asked, scope)
    left_out = [] if copies else _copies(catalog, scope, names)
    kept = [place for place, leaf in enumerate(names) if leaf.model not in left_out]
    names, values = [names[place] for place in kept], values[np.ix_(kept, kept)]
    apart = distances(_whole(names, values, scope), high=scope.first.high, is_distance=scope.are_distances)
    families = {leaf.family for leaf in names}
    tree = grow(apart, linkage=linkage, groups=groups or max(2, len(families)))
    places, share = scaled(apart)
    rows = [
        (place, leaf.model, leaf.layer, leaf.family, int(group), None if np.isnan(joins) else float(joins), *xy)
        for place, (leaf, group, joins, xy) in enumerate(zip(
            (names[at] for at in tree.order), tree.groups, tree.joins, places[tree.order].tolist(), strict=True), 1)
    ]  # fmt: skip
    columns = ("place", "model", "layer", "family", "cluster", "joins", "x", "y")
    notes = (_convention(scope, linkage), *([f"without {len(left_out)} copies and controls"] if left_out else []))
    answer = Table(f"Groups of {of}", columns, rows, scope, sql=worked_on("clusters", sql), notes=notes)
    answer = answer.saying(f"{_meaning(answer, resamples, seed)}; the map keeps {share:.0%} of the distances")
    ordered = values[np.ix_(tree.order, tree.order)]
    np.fill_diagonal(ordered, np.nan)
    sides = tuple(names[at] for at in tree.order)
    answer = replace(answer, ordered=Matrix(sides, sides, ordered, answer.what, scope))
    return answer.without(["layer"]) if of == MODELS else answer


def _models(catalog: DuckDBPyConnection, asked: Asked, scope: Scope) -> tuple[list[Layer], Values, str]:
    """Models, and means over pairs of their layers, a towards b [models, models]; and the SQL of these."""
    from layeratlas.queries.core.permutation import model_means

    pairs = ask(catalog, load(__package__, "families"), scope.values)
    means = model_means(pairs)
    names = [Layer(family, model, _WHOLE) for model, family in zip(means.models, means.families, strict=True)]
    return names, means.mean, pairs.sql


def _layers(catalog: DuckDBPyConnection, asked: Asked, scope: Scope) -> tuple[list[Layer], Values, str]:
    """Layers that have a score, and their scores, a towards b [layers, layers]; and SQL that gives these."""
    found = heatmap.matrix(catalog, asked)
    values = {**scope.values, "left": None, "right": None, "bin": 1}
    return list(found.rows), found.values, written_out(load(__package__, "heatmap"), values)


def _copies(catalog: DuckDBPyConnection, scope: Scope, names: Sequence[Layer]) -> list[str]:
    """The models that are left out: fine-tuned copies and controls that nobody named."""
    known = described(catalog, scope.source)
    return sorted({leaf.model for leaf in names if not known[leaf.model].is_base} - set(scope.models))


def _whole(names: Sequence[Layer], values: Values, scope: Scope) -> Values:
    """The values, if there are enough, and every pair has one in both directions."""
    import numpy as np

    if len(names) < 3:
        raise NothingYet("clusters takes three or more measured models (or layers) that are no copies: see --copies")
    lacking = np.isnan(values)
    np.fill_diagonal(lacking, False)
    if lacking.any():
        a, b = (names[at] for at in np.argwhere(lacking)[0])
        raise NothingYet(
            f"{scope.measure} is missing for {int(lacking.sum()):,} of {len(names) * (len(names) - 1):,} pairs, as of "
            f"{_title(a)} towards {_title(b)}: `layeratlas query coverage` says why; `layeratlas measure`, or name "
            "others with --model"
        )
    return values


def _title(leaf: Layer) -> str:
    return leaf.model if leaf.layer == _WHOLE else leaf.title


def _convention(scope: Scope, linkage: str) -> str:
    measure = scope.first
    if measure.is_distance:
        return f"{linkage} linkage of {measure.name}"
    return f"{linkage} linkage of {'largest' if measure.high is None else f'{measure.high:g}'} − {measure.name}"


def _meaning(answer: Table, resamples: int, seed: int) -> str:
    from layeratlas.queries.core.grouping import rand_by_chance, rand_index

    groups, models, families = (answer.column(name) for name in ("cluster", "model", "family"))
    several = _of_several(models, families)
    cut = f"cut into {max(groups)} groups"
    if len(set(families)) == 1:
        return f"{cut}; all are of one family"
    if not several:
        return f"{cut}; no family has two models here: nothing can be said of families"
    index = rand_index(groups, families)
    p = rand_by_chance(groups, models, families, resamples=resamples, seed=seed)
    own = [family for family in several if _is_group(family, groups, families)]
    return (
        f"{cut}, the tree fits the families with an adjusted Rand index of {index:.2f} (p = {p:.3g}); families of "
        f"several models that are a group of their own: {', '.join(own) or 'none'} ({len(own)} of {len(several)})"
    )


def _of_several(models: Sequence[str], families: Sequence[str]) -> list[str]:
    of_each: dict[str, set[str]] = {}
    for model, family in zip(models, families, strict=True):
        of_each.setdefault(family, set()).add(model)
    return [family for family, there in of_each.items() if len(there) > 1]


def _is_group(family: str, groups: Sequence[Any], families: Sequence[str]) -> bool:
    """Whether one group holds a family, all of it and nothing else."""
    held = {group for group, of in zip(groups, families, strict=True) if of == family}
    return len(held) == 1 and {of for group, of in zip(groups, families, strict=True) if group in held} == {family}
