"""The paper's questions, answered from the catalog: for each the numbers, and whether its finding is seen in them.

Every verdict is computed from the rows beside it; the criterion stands in the sentence. A finding is seen where the
95 % interval of what it claims says so, not seen where it says the opposite, else undecided. Intervals are over models,
drawn with replacement, and over words too where scores have intervals of their own. Findings: Wu et al. 2020.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from layeratlas.queries.core.ask import ask, load
from layeratlas.queries.core.models import Model, described
from layeratlas.queries.core.origins import THIS_STORE, find_origin
from layeratlas.queries.core.scope import Asked, Scope, find
from layeratlas.queries.core.sure import with_intervals
from layeratlas.queries.core.table import Table
from layeratlas.queries.core.usual import FIRST, OWN
from layeratlas.queries.questions import QUESTIONS as ASKED
from layeratlas.store.errors import NothingYet
from layeratlas.store.student import quantile

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from duckdb import DuckDBPyConnection

    from layeratlas.queries.core.permutation import Means
    from layeratlas.queries.core.words import Replicated

    Places = npt.NDArray[np.bool_]  # [models, models]

#: What the paper's questions are about; other measures may be there, and point another way.
MEASURES = ("neuronsim", "mixedsim", "svsim", "pwsim", "ckasim")
QUESTIONS = (
    "1. Which layers are most similar across families? (ckasim)",
    "2. Are models of one family more similar to each other than to others?",
    "3. Same information, different neurons? Means across families",
    "4. Where does fine-tuning change a model? Each layer against its origin's (ckasim)",
    "5. Trained against untrained: how much does a control of another family already reach?",
)
_HIGH = 0.5  # a similarity of layers of two families that is worth calling similar
_RARE = 0.05  # a p-value that is called no chance
_FEW = 3  # copies; fewer say nothing of others
_MIDDLE = 0.5  # of a model's depth
_DRAWS, _SEED = 1999, 0

Interval = tuple[float, float]
Claim = Callable[..., Any]  # of means, numbers or arrays of draws


@dataclass(frozen=True)
class Finding:
    """One question: the numbers, and whether the paper's finding is seen in them (None: they do not decide it)."""

    table: Table
    seen: bool | None
    verdict: str


def findings(catalog: DuckDBPyConnection, *, origin: str | None = None) -> list[Finding]:
    """Answer the five questions over scores of no imported results, of one origin or all.

    Raises NothingYet when nothing is measured, BadRequest for an unknown origin.
    """
    asked = _Asked.of(catalog, origin)
    found = [_most_similar(asked), _family(asked), _localisation(asked), _finetuning(asked), _untrained(asked)]
    if all(not finding.table.rows for finding in found):
        raise NothingYet("no question can be answered: that takes measured activations of models of two families")
    return found


@dataclass(frozen=True)
class _Asked:
    """What all five are asked of: the paper's measures of our own scores, and means of pairs of models."""

    catalog: DuckDBPyConnection
    scope: Scope
    models: Mapping[str, Model]
    means: Mapping[str, Means]  # of trained models that are no copies, and of untrained controls
    replicated: Mapping[str, Replicated]

    @classmethod
    def of(cls, catalog: DuckDBPyConnection, origin: str | None) -> _Asked:
        """Find them. Raises NothingYet, BadRequest."""
        from layeratlas.queries.core.permutation import model_means
        from layeratlas.queries.core.words import replicated

        of = find_origin(catalog, origin)
        if not ask(catalog, "SELECT 1 FROM layer_pairs WHERE source = $own LIMIT 1", {"own": OWN, **of.values}).rows:
            raise of.nothing(
                "the catalog has no scores of our own yet: run `layeratlas run STUDY.toml` or `layeratlas measure`"
            )
        scope = find(catalog, Asked(kind=FIRST, source=OWN, origin=origin), every_measure=True)
        scope = replace(scope, measures=tuple(one for one in scope.measures if one.name in MEASURES))
        models = described(catalog, scope.source)
        pairs = ask(catalog, load("layeratlas.queries.questions", "families"), scope.values) if scope.measures else None
        kept = [name for name, model in models.items() if not model.finetuned_from]
        means = {name: model_means(pairs.where("measure", name)).only(kept) for name in scope.names} if pairs else {}
        return cls(catalog, scope, models, means, replicated(catalog, scope) if pairs else {})

    def rows(self, name: str, what: str) -> Table:
        """Rows of ckasim, most of them of one pair of layers each, with their intervals where there are any."""
        if "ckasim" not in self.scope.names:
            return Table(what, (), [])
        scope = next(one for one in self.scope.each() if one.measure == "ckasim")
        return ask(self.catalog, load(__package__, name), scope.values, what=what, scope=scope)

    def across(self, means: Means, *, controls: bool = False) -> Places:
        """The pairs of models of two families: trained ones, or trained ones towards untrained controls."""
        import numpy as np

        from layeratlas.queries.core.permutation import same

        untrained = np.array([self.models[model].is_untrained for model in means.models], bool)
        towards = untrained if controls else ~untrained
        found: Places = ~untrained[:, None] & towards[None, :] & ~same(means.families)
        return found

    def interval(self, names: Sequence[str], places: Sequence[Places], claim: Claim) -> tuple[float, Interval | None]:
        """What a claim says of means of measures over pairs of models, and its 95 % interval over models and words.

        claim: of means, one a place; above 0 is what is claimed. names: measures; places: of each, its pairs of models.
        """
        import numpy as np

        from layeratlas.queries.core.permutation import drawn_means, draws, mean_over, middle
        from layeratlas.queries.core.words import reach, wider

        used = {name: self.means[name] for name in names}
        drawn = draws(len(used[names[0]].models), _DRAWS, np.random.default_rng(_SEED))

        def figure(means: Mapping[str, Means]) -> float | None:
            found = [mean_over(means[name], place) for name, place in zip(names, places, strict=True)]
            return None if None in found else float(claim(*found))

        value = figure(used)
        if value is None:
            return float("nan"), None
        spread = claim(*(drawn_means(used[name], place, drawn) for name, place in zip(names, places, strict=True)))
        over_models = middle(np.asarray(spread))
        return value, over_models and wider(value, over_models, reach(self.replicated, used, figure))


def _verdict(intervals: Sequence[Interval | None]) -> bool | None:
    """Whether what is claimed, each above 0, is seen; None where it is undecided."""
    if any(one is not None and one[1] < 0 for one in intervals):
        return False
    return True if all(one is not None and one[0] > 0 for one in intervals) else None


def _said(table: Table, seen: bool | None, said: str) -> Finding:
    return Finding(table, seen, f"{ {True: 'seen', False: 'not seen', None: 'undecided'}[seen] }: {said}")


def _missing(table: Table, why: str) -> Finding:
    return Finding(table, None, f"cannot be said: {why}")


def _ends(interval: Interval | None) -> str:
    return "no interval" if interval is None else f"{interval[0]:+.2f} to {interval[1]:+.2f}"


def _most_similar(asked: _Asked) -> Finding:
    table = asked.rows("top", QUESTIONS[0])
    if not table.rows or table.scope is None:
        return _missing(table, "there are no trained models of two families")
    table = with_intervals(
        asked.catalog, table, table.scope, lambda row: (row["model_a"], row["layer_a"], row["model_b"], row["layer_b"])
    )
    best = table.records()[0]
    low, high = (best.get(name) for name in ("low", "high"))
    interval = (low, high) if low is not None and high is not None else (best["value"], best["value"])
    words = f" ({interval[0]:.2f} to {interval[1]:.2f} over words)" if interval[0] < interval[1] else ""
    chance = f", where chance gives {best['chance']:.2f} (p = {best['p']:.3f})" if best.get("p") is not None else ""
    said = (
        f"the closest are {best['model_a']} layer {best['layer_a']} and {best['model_b']} layer {best['layer_b']}, "
        f"{best['value']:.2f}{words}{chance}; the paper's closest pairs reach 0.80"
    )
    table = replace(table, scope=None, notes=())  # the question's own name says what it is of
    return _said(table, _verdict([(interval[0] - _HIGH, interval[1] - _HIGH)]), said)


def _family(asked: _Asked) -> Finding:
    columns = ("measure", "within", "across", "difference", "low", "high", "p")
    try:
        answer = ASKED["families"].ask(asked.catalog, _again(asked.scope)) if asked.scope.measures else None
    except NothingYet:
        answer = None
    rows = [
        (row["measure"], *(row[name] for name in ("same_family", "across", "difference", "low", "high", "p")))
        for row in (answer.records() if answer else ()) if row["difference"] is not None
    ]  # fmt: skip
    table = Table(QUESTIONS[1], columns, rows)
    if not rows:
        return _missing(table, "no family has two trained models")
    intervals = [None if low is None else (low, high) for *_, low, high, _ in rows]
    above = [row[0] for row, one in zip(rows, intervals, strict=True) if one and one[0] > 0]
    rare = [row[0] for row in rows if row[-1] is not None and row[-1] <= _RARE]
    higher = sum(row[3] > 0 for row in rows)
    said = (
        f"within a family is above across for {higher} of {len(rows)} measures; by an interval above 0: "
        f"{', '.join(above) or 'none'}; by more than families dealt out at random (p ≤ {_RARE}): "
        f"{', '.join(rare) or 'none'}"
    )
    return _said(table, _verdict(intervals), said)


def _again(scope: Scope) -> Asked:
    """What asks for this scope once more."""
    origin = OWN if scope.origin.name == THIS_STORE else scope.origin.name
    return Asked(tuple(scope.names), FIRST, corpus=scope.corpus, source=scope.source,
                 configuration=scope.configuration, origin=origin)  # fmt: skip


def _localisation(asked: _Asked) -> Finding:
    import numpy as np

    table = Table(QUESTIONS[2], ("measure", "across", "low", "high"), [])
    places = {name: asked.across(means) for name, means in asked.means.items()}
    rows = []
    for name, place in places.items():
        value, interval = asked.interval([name], [place], lambda across: across)
        if np.isfinite(value):
            rows.append((name, value, *(interval or (None, None))))
    table = replace(table, rows=rows)
    across = {name: value for name, value, *_ in rows}
    if not {"neuronsim", "mixedsim", "ckasim"} <= across.keys():
        return _missing(table, "that takes neuronsim, mixedsim and ckasim across families")
    claims = [
        asked.interval(names, [places[name] for name in names], claim)[1]
        for names, claim in (
            (("neuronsim", "mixedsim"), lambda single, mixed: mixed / 2 - single),
            (("neuronsim", "ckasim"), lambda single, whole: whole - single),
        )
    ]
    turned = _turned(asked)
    chance = "" if turned is None else f" ({turned:.2f} once the other layer's neurons are turned at random)"
    said = (
        f"one neuron matches one elsewhere at {across['neuronsim']:.2f}{chance}, "
        f"all of a layer at {across['mixedsim']:.2f}; "
        f"whole layers at {across['ckasim']:.2f}; half of all of a layer less one neuron is {_ends(claims[0])}, whole "
        f"layers less one neuron {_ends(claims[1])}"
    )
    return _said(table, _verdict(claims), said)


def _turned(asked: _Asked) -> float | None:
    """What neuronsim across families is where no neuron stands for anything; None where that was not asked of all."""
    means = asked.means["neuronsim"]
    scope = next(one for one in asked.scope.each() if one.measure == "neuronsim")
    rows = ask(asked.catalog, load(__package__, "turned"), scope.values).records()
    known = {(row["model_a"], row["model_b"]): (row["chance"], row["pairs"]) for row in rows}
    places = [(means.models[a], means.models[b]) for a, b in zip(*asked.across(means).nonzero(), strict=True)]
    if not places or not known.keys() >= set(places):
        return None
    chance, pairs = (sum(known[place][index] for place in places) for index in (0, 1))
    return float(chance / pairs)


def _finetuning(asked: _Asked) -> Finding:
    table = asked.rows("finetuning", QUESTIONS[3])
    tuned: dict[str, list[tuple[float, float]]] = {}
    for row in table.records():
        tuned.setdefault(row["model"], []).append((row["layer"] / row["layers"], row["value"]))
    falls = [
        fmean(value for depth, value in values if depth <= _MIDDLE) - fmean(v for depth, v in values if depth > _MIDDLE)
        for values in tuned.values() if {depth > _MIDDLE for depth, _ in values} == {True, False}
    ]  # fmt: skip
    table = _layers_side_by_side(table)
    if not falls:
        return _missing(table, "no fine-tuned model is there with its origin")
    interval = None
    if len(falls) >= _FEW:
        mean, half = fmean(falls), quantile(0.05, len(falls) - 1) * stdev(falls) / len(falls) ** 0.5
        interval = (mean - half, mean + half)
    few = "" if interval else f"; fewer than {_FEW} copies say nothing of others"
    said = (
        "the upper half of the layers changed more than the lower in "
        f"{sum(fall > 0 for fall in falls)} of {len(falls)} fine-tuned models, by {fmean(falls):.2f} "
        f"({_ends(interval)} over copies){few}"
    )
    return _said(table, _verdict([interval]), said)


def _layers_side_by_side(table: Table) -> Table:
    """One row a model, one column a layer: the shape in which a change of depth is seen."""
    values: dict[str, dict[int, float]] = {}
    for row in table.records():
        values.setdefault(row["model"], {})[row["layer"]] = row["value"]
    layers = sorted({layer for by_layer in values.values() for layer in by_layer})
    rows = [(model, *(by_layer.get(layer) for layer in layers)) for model, by_layer in values.items()]
    return Table(table.what, ("model", *(f"layer {layer}" for layer in layers)), rows)


def _untrained(asked: _Asked) -> Finding:
    from layeratlas.queries.core.permutation import mean_over

    rows, intervals = [], []
    for name, means in asked.means.items():
        places = [asked.across(means), asked.across(means, controls=True)]
        trained, untrained = (mean_over(means, place) for place in places)
        if trained is None or untrained is None:
            continue
        _, interval = asked.interval([name, name], places, lambda one, other: one - other)
        rows.append((name, trained, untrained, untrained / trained, *(interval or (None, None))))
        intervals.append(interval)
    table = Table(QUESTIONS[4], ("measure", "trained", "untrained", "share", "low", "high"), rows)
    if not rows:
        return _missing(table, "there is no untrained control of another family")
    below = [row[0] for row, one in zip(rows, intervals, strict=True) if one and one[0] > 0]
    said = (
        f"trained models are more similar to one another than to controls in {sum(row[3] < 1 for row in rows)} of "
        f"{len(rows)} measures; by an interval of the difference above 0: {', '.join(below) or 'none'}"
    )
    return _said(table, _verdict(intervals), said)
