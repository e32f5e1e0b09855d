"""Do families and design choices explain similarity? Intervals and p-values over models, which are what was sampled.

Layers of one model depend on each other, and so do pairs that share a model: neither can be resampled alone. So the
bootstrap draws models, and permutations exchange models, a model's whole row and column at once. numpy with a seed:
importing scipy.stats alone takes longer than any of these answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from layeratlas.queries.ask import Table, ask, question, union, worked_on
from layeratlas.queries.scope import Asked, Scope, scope, scopes
from layeratlas.store.errors import NothingYet

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Matrix = npt.NDArray[np.float64]

#: What a family was trained to predict, where a model does not say.
OBJECTIVES = {
    "bert": "masked words", "roberta": "masked words", "albert": "masked words", "distilbert": "masked words",
    "deberta": "masked words", "xlm": "masked words", "electra": "replaced words", "gpt": "next word",
    "openai-gpt": "next word", "gpt2": "next word", "gpt_neox": "next word", "llama": "next word", "mamba": "next word",
    "xlnet": "permutation", "elmo": "both directions", "simcat-elmo": "both directions", "t5": "masked spans",
}  # fmt: skip


@dataclass(frozen=True)
class Means:
    """Mean similarities of models: sums and counts of layer pairs, both [models, models], a towards b."""

    models: list[str]
    families: list[str]
    total: Matrix
    pairs: Matrix
    sql: str = ""

    @property
    def mean(self) -> Matrix:
        """Mean over layer pairs [models, models]; NaN where there is none."""
        with np.errstate(invalid="ignore"):
            return self.total / self.pairs

    def only(self, kept: Sequence[str]) -> Means:
        """The same of some models."""
        place = [index for index, model in enumerate(self.models) if model in kept]
        grid = np.ix_(place, place)
        names = [[of[index] for index in place] for of in (self.models, self.families)]
        return Means(names[0], names[1], self.total[grid], self.pairs[grid], self.sql)


def model_means(catalog: DuckDBPyConnection, one: Scope) -> Means:
    """Sum up every pair of models under one measure."""
    answer = ask(catalog, question("families"), one.values)
    family = {row["model_a"]: row["family_a"] for row in answer.records()}
    models = sorted(family)
    place = {model: index for index, model in enumerate(models)}
    total, pairs = np.zeros((2, len(models), len(models)))
    for row in answer.records():
        total[place[row["model_a"]], place[row["model_b"]]] = row["total"]
        pairs[place[row["model_a"]], place[row["model_b"]]] = row["pairs"]
    return Means(models, [family[model] for model in models], total, pairs, answer.sql)


def families(catalog: DuckDBPyConnection, asked: Asked = Asked(), *, resamples: int = 1999, seed: int = 0) -> Table:
    """One row a measure: means over layer pairs in one model, of one family's models, across families.

    `difference` is family minus across, `low` and `high` its 95 % percentile interval when models are drawn with
    replacement, `p` how often families dealt out to the models at random differ as much (one-sided). What is drawn or
    dealt so that no measured pair is left within or across families has no difference, and counts neither for nor
    against. Of trained models that are no fine-tuned copies. Raises NothingYet when there are no two such models.
    """
    return compare_families(
        catalog, scopes(catalog, asked, every_measure=not asked.measures), resamples=resamples, seed=seed
    )


def compare_families(
    catalog: DuckDBPyConnection, chosen: Sequence[Scope], *, resamples: int = 1999, seed: int = 0
) -> Table:
    """`families` of measures that are found already."""
    described = _described(catalog, chosen[0].source)
    base = [name for name, row in described.items() if not (row["finetuned_from"] or row["untrained"])]
    found = {one.measure: model_means(catalog, one).only(base) for one in chosen}
    rows, undefined = [], {}
    for measure, means in found.items():
        if len(means.models) > 1:
            levels, undefined[measure] = _levels(means, resamples, np.random.default_rng(seed))
            rows.append((measure, *levels))
    if not rows:
        raise NothingYet("families takes two measured models that are trained and no fine-tuned copies")
    columns = ("measure", "same_model", "same_family", "across", "difference", "low", "high", "p")
    title = chosen[0].title("Within a family against across families", chosen)
    says = _family_words(rows) + _undefined_words(undefined, resamples)
    return Table(title, columns, rows, says, worked_on("families", union([means.sql for means in found.values()])))


def _levels(means: Means, resamples: int, rng: np.random.Generator) -> tuple[tuple[float | None, ...], int]:
    """Means at the three levels, difference, interval and p; and how many deals of families have no difference."""
    off, kin = ~np.eye(len(means.models), dtype=bool), same(means.families)
    levels = [_ratio(means, place) for place in (~off, off & kin, off & ~kin)]
    if levels[1] is None or levels[2] is None:
        return (*levels, None, None, None, None), 0
    difference, size = levels[1] - levels[2], len(means.models)
    drawn = rng.multinomial(size, np.full(size, 1 / size), resamples)
    spread = _finite(_drawn(means, off & kin, drawn) - _drawn(means, off & ~kin, drawn))
    low, high = map(float, np.quantile(spread, [0.025, 0.975])) if len(spread) else (None, None)
    chance = _finite(_dealt(means, rng.permuted(np.tile(np.arange(size), (resamples, 1)), axis=1)))
    p = (1 + int((chance >= difference - 1e-12).sum())) / (1 + len(chance))
    return (*levels, difference, low, high, p), resamples - len(chance)


def _ratio(means: Means, place: npt.NDArray[np.bool_]) -> float | None:
    pairs = means.pairs[place].sum()
    return float(means.total[place].sum() / pairs) if pairs else None


def _drawn(means: Means, place: npt.NDArray[np.bool_], drawn: npt.NDArray[np.int64]) -> Matrix:
    """Mean over these pairs of models, each model as often as it is drawn [resamples, models]; NaN without a pair."""
    total, pairs = (
        np.einsum("ra,ab,rb->r", drawn, matrix * place, drawn, optimize=True) for matrix in (means.total, means.pairs)
    )
    with np.errstate(invalid="ignore"):
        return np.asarray(total / pairs)


def _dealt(means: Means, orders: npt.NDArray[np.intp]) -> Matrix:
    """Family minus across, families dealt out in these orders [resamples, models]; not finite where one has no pair."""
    codes = np.unique(means.families, return_inverse=True)[1][orders]
    alike = codes[:, :, None] == codes[:, None, :]
    sums = [matrix * ~np.eye(len(matrix), dtype=bool) for matrix in (means.total, means.pairs)]
    inside = [np.einsum("rab,ab->r", alike, matrix) for matrix in sums]
    outside = [matrix.sum() - part for matrix, part in zip(sums, inside, strict=True)]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(inside[0] / inside[1] - outside[0] / outside[1])


def _finite(values: Matrix) -> Matrix:
    return values[np.isfinite(values)]


def same(labels: Sequence[Any]) -> npt.NDArray[np.bool_]:
    """Which labels are equal, [models, models]; one that is not known is like no other."""
    return np.array(
        [[i == j or (a == b and a is not None) for j, b in enumerate(labels)] for i, a in enumerate(labels)]
    )


def _family_words(rows: list[tuple[Any, ...]]) -> str:
    tested = [row for row in rows if row[4] is not None]
    if not tested:
        return "no family has two models here: nothing can be said of families"
    sure = [row[0] for row in tested if row[7] <= 0.05]
    higher = sum(row[4] > 0 for row in tested)
    return (
        f"models of one family are more similar than across families in {higher} of {len(tested)} measures; by "
        f"more than families dealt out at random (p ≤ 0.05): {', '.join(sure) or 'none'}"
    )


def _undefined_words(undefined: Mapping[str, int], resamples: int) -> str:
    told = ", ".join(f"{measure} {count:,} of {resamples:,}" for measure, count in undefined.items() if count)
    return f"; dealt out so that no measured pair is within or across them, and not counted: {told}" if told else ""


def factors(catalog: DuckDBPyConnection, asked: Asked = Asked(), *, resamples: int = 1999, seed: int = 0) -> Table:
    """One row a design factor: its coefficient in one regression over all pairs of models, and a QAP p-value.

    The mean similarity of two models (over layer pairs, both directions) is explained by what they share. p: two-sided,
    from the t statistic under double semi-partialing (Dekker et al. 2007): the part of a factor that the others do not
    explain has its models exchanged. Factors that do not vary, or follow from others, are left out by name. Sizes are
    parameters where every model states them, else blocks × neurons² of every model, as `says` has it.
    """
    one = scope(catalog, asked)
    described = _described(catalog, one.source)
    means = model_means(catalog, one)
    both = (means.mean + means.mean.T) / 2
    upper = np.triu_indices(len(means.models), 1)
    if len(upper[0]) < 4 or not np.isfinite(both[upper]).all():
        raise NothingYet(
            "factors takes at least four models, all measured with each other: `layeratlas query coverage`"
        )
    compared = [described[model] for model in means.models]
    names, matrices, left_out = _independent(_designs(compared), upper)
    if not names or len(upper[0]) <= len(names) + 1:
        raise NothingYet(f"factors takes more models, or models that differ: left out {', '.join(left_out)}")
    rows = regress(both, dict(zip(names, matrices, strict=True)), resamples=resamples, seed=seed)
    explained = rows[0][-1]
    found = [row[0] for row in rows if row[3] <= 0.05]
    says = f"together they explain {explained:.0%} of the variance between pairs of models"
    says += f"; p ≤ 0.05: {', '.join(found) or 'none'}"
    says += f"; left out, as they do not vary or follow from the others: {', '.join(left_out)}" if left_out else ""
    says += f"; size: {sizes(compared)[1]}"
    columns = ("factor", "coefficient", "t", "p", "models", "r_squared")
    table = [(*row[:4], len(means.models), row[-1]) for row in rows]
    return Table(
        one.title("What explains the similarity of two models"), columns, table, says, worked_on("factors", means.sql)
    )


def regress(
    outcome: Matrix, designs: dict[str, Matrix], *, resamples: int = 1999, seed: int = 0
) -> list[tuple[str, float, float, float, float]]:
    """Regress a symmetric matrix [models, models] on others; return (name, coefficient, t, p, r²) of each."""
    rng = np.random.default_rng(seed)
    size = len(outcome)
    upper = np.triu_indices(size, 1)
    y = outcome[upper]
    x = np.column_stack([np.ones(len(y)), *(matrix[upper] for matrix in designs.values())])  # [pairs, 1 + factors]
    spare = len(y) - x.shape[1]
    residual = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    explained = 1 - float(residual @ residual) / float(((y - y.mean()) ** 2).sum() or 1.0)
    orders = rng.permuted(np.tile(np.arange(size), (resamples, 1)), axis=1)  # [resamples, models]
    rows = []
    for index, name in enumerate(designs, start=1):
        basis = np.linalg.qr(np.delete(x, index, axis=1))[0]  # of the other factors
        own = x[:, index] - basis @ (basis.T @ x[:, index])
        grid = np.zeros((size, size))
        grid[upper] = own
        grid += grid.T
        exchanged = grid[orders[:, upper[0]], orders[:, upper[1]]]  # [resamples, pairs]
        free = y - basis @ (basis.T @ y)
        coefficient, t = _t(own[None], free, basis, spare)
        chance = _t(exchanged, free, basis, spare)[1]
        p = (1 + int((np.abs(chance) >= abs(t[0]) - 1e-12).sum())) / (1 + resamples)
        rows.append((name, float(coefficient[0]), float(t[0]), p, explained))
    return rows


def _t(designs: Matrix, free: Matrix, basis: Matrix, spare: int) -> tuple[Matrix, Matrix]:
    """Coefficients and t of designs [resamples, pairs] beside the others' basis, on what these leave of the outcome."""
    own = designs - (designs @ basis) @ basis.T
    square = (own**2).sum(1)
    coefficient = own @ free / square
    rest = np.maximum(free @ free - coefficient**2 * square, 1e-300)
    return coefficient, coefficient * np.sqrt(square * spare / rest)


def _designs(models: list[dict[str, Any]]) -> dict[str, Matrix]:
    """What each two models share, each [models, models]."""
    by_name = {model["model"]: model for model in models}

    def objective(model: dict[str, Any]) -> Any:
        origin = by_name.get(model["finetuned_from"], model)
        return model["objective"] or origin["objective"] or OBJECTIVES.get(model["family"], model["family"])

    size = np.log(sizes(models)[0])
    depth = np.array([float(model["layers"] or 0) for model in models])
    tuned, control = (np.array([bool(model[key]) for model in models]) for key in ("finetuned_from", "untrained"))
    related = np.array(
        [[a["model"] == b["finetuned_from"] or b["model"] == a["finetuned_from"] for b in models] for a in models]
    )
    made = {
        "same family": same([model["family"] for model in models]),
        "same architecture": same([model["architecture"] for model in models]),
        "same objective": same([objective(model) for model in models]),
        "size ratio (log)": np.abs(size[:, None] - size),
        "depth difference": np.abs(depth[:, None] - depth),
        "one is tuned from the other": related,
        "fine-tuned (of the two)": tuned[:, None].astype(float) + tuned,
        "untrained (of the two)": control[:, None].astype(float) + control,
    }
    return {name: np.asarray(matrix, dtype=float) for name, matrix in made.items()}


def sizes(models: list[dict[str, Any]]) -> tuple[list[float], str]:
    """Sizes on one scale, and what they are: all stated, else all from the blocks' number and width, else all 1."""
    if all(model["parameters"] for model in models):
        return [float(model["parameters"]) for model in models], "parameters, as every model states them"
    if all(model["layers"] and model["neurons"] for model in models):
        said = "blocks × neurons², as not every model states its parameters"
        return [float(model["layers"] * model["neurons"] ** 2) for model in models], said
    return [1.0] * len(models), "not known of every model"


def _independent(
    designs: dict[str, Matrix], upper: tuple[npt.NDArray[np.intp], ...]
) -> tuple[list[str], list[Matrix], list[str]]:
    """Keep the factors that vary and do not follow from those before them."""
    kept: list[str] = []
    columns = [np.ones(len(upper[0]))]
    for name, matrix in designs.items():
        column = matrix[upper]
        if np.linalg.matrix_rank(np.column_stack([*columns, column])) > len(columns):
            kept.append(name)
            columns.append(column)
    return kept, [designs[name] for name in kept], [name for name in designs if name not in kept]


def _described(catalog: DuckDBPyConnection, source: str) -> dict[str, dict[str, Any]]:
    return {row["model"]: row for row in ask(catalog, question("factors"), {"source": source}).records()}
