"""Which design factors explain the similarity of models? One row a factor: its coefficient, and a QAP p-value.

The mean closeness of two models (over layer pairs, both directions: a similarity, or the negative of a distance) is
explained by what they share. p: two-sided, from the t statistic under double semi-partialing (Dekker et al. 2007): the
part of a factor that the others do not explain has its models exchanged. Factors that do not vary, or follow from
others, are left out by name. Sizes are parameters where every model states them, else blocks × neurons² of every model,
as `says` has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from layeratlas.queries.core.ask import ask, load, worked_on
from layeratlas.queries.core.models import Model, described
from layeratlas.queries.core.registry import question
from layeratlas.queries.core.scope import Asked, find_one
from layeratlas.queries.core.table import Table
from layeratlas.queries.questions.families import RESAMPLES, SEED
from layeratlas.store.errors import NothingYet

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from layeratlas.queries.core.permutation import Matrix

#: What a family was trained to predict, where a model does not say.
OBJECTIVES = {
    "bert": "masked words", "roberta": "masked words", "albert": "masked words", "distilbert": "masked words",
    "deberta": "masked words", "xlm": "masked words", "electra": "replaced words", "gpt": "next word",
    "openai-gpt": "next word", "gpt2": "next word", "gpt_neox": "next word", "llama": "next word", "mamba": "next word",
    "xlnet": "permutation", "elmo": "both directions", "simcat-elmo": "both directions", "t5": "masked spans",
}  # fmt: skip


@question("factors", RESAMPLES, SEED)
def factors(catalog: DuckDBPyConnection, asked: Asked = Asked(), *, resamples: int = 1999, seed: int = 0) -> Table:
    """Which design factors explain the similarity of models: multiple regression with QAP p-values.

    Null hypothesis, of each factor: beside the others, it has nothing to do with similarity. Two-sided; models are
    exchanged.

    Example: layeratlas query factors --measure neuronsim
    """
    import numpy as np

    from layeratlas.queries.core.permutation import independent, model_means, regress

    scope = find_one(catalog, asked)
    known = described(catalog, scope.source)
    pairs = ask(catalog, load(__package__, "families"), scope.values)
    means = model_means(pairs)
    both = (means.mean + means.mean.T) / 2
    upper = np.triu_indices(len(means.models), 1)
    if len(upper[0]) < 4 or not np.isfinite(both[upper]).all():
        raise NothingYet(
            "factors takes at least four models, all measured with each other: `layeratlas query coverage`"
        )
    compared = [known[model] for model in means.models]
    made = designs(compared)
    kept = independent(made, upper)
    left_out = [name for name in made if name not in kept]
    if not kept or len(upper[0]) <= len(kept) + 1:
        raise NothingYet(f"factors takes more models, or models that differ: left out {', '.join(left_out)}")
    found = regress(scope.first.sign * both, kept, resamples=resamples, seed=seed)
    rows = [(*row[:4], len(means.models), row[-1]) for row in found]
    columns = ("factor", "coefficient", "t", "p", "models", "r_squared")
    says = _meaning(rows, left_out, sizes(compared)[1])
    what = "What explains the similarity of two models"
    return Table(what, columns, rows, scope, says, worked_on("factors", pairs.sql))


def _meaning(rows: Sequence[tuple[Any, ...]], left_out: Sequence[str], size: str) -> str:
    found = [row[0] for row in rows if row[3] <= 0.05]
    says = f"together they explain {rows[0][-1]:.0%} of the variance between pairs of models"
    says += f"; p ≤ 0.05: {', '.join(found) or 'none'}"
    says += f"; left out, as they do not vary or follow from the others: {', '.join(left_out)}" if left_out else ""
    return says + f"; size: {size}"


def designs(models: Sequence[Model]) -> dict[str, Matrix]:
    """What each two models share, each [models, models]."""
    import numpy as np

    from layeratlas.queries.core.permutation import same

    by_name = {each.model: each for each in models}

    def objective(one: Model) -> str:
        origin = by_name.get(one.finetuned_from or "", one)
        return one.objective or origin.objective or OBJECTIVES.get(one.family, one.family)

    size = np.log(sizes(models)[0])
    depth = np.array([float(each.layers or 0) for each in models])
    tuned, control = (np.array([bool(each) for each in of], dtype=float) for of in (
        [each.finetuned_from for each in models], [each.is_untrained for each in models]))  # fmt: skip
    related = [[a.model == b.finetuned_from or b.model == a.finetuned_from for b in models] for a in models]
    made = {
        "same family": same([each.family for each in models]),
        "same architecture": same([each.architecture for each in models]),
        "same objective": same([objective(each) for each in models]),
        "size ratio (log)": np.abs(size[:, None] - size),
        "depth difference": np.abs(depth[:, None] - depth),
        "one is tuned from the other": related,
        "fine-tuned (of the two)": tuned[:, None] + tuned,
        "untrained (of the two)": control[:, None] + control,
    }
    return {name: np.asarray(matrix, dtype=float) for name, matrix in made.items()}


def sizes(models: Sequence[Model]) -> tuple[list[float], str]:
    """Sizes on one scale, and what they are: all stated, else all from the blocks' number and width, else all 1."""
    if all(each.parameters for each in models):
        return [float(each.parameters or 0) for each in models], "parameters, as every model states them"
    if all(each.layers and each.neurons for each in models):
        said = "blocks × neurons², as not every model states its parameters"
        return [float((each.layers or 0) * (each.neurons or 0) ** 2) for each in models], said
    return [1.0] * len(models), "not known of every model"
