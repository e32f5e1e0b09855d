"""A measure that does not keep what it declares gets no score, and one that declares too little is no measure."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from layeratlas import measures
from layeratlas.measures import MEASURES
from layeratlas.measures.arrays import score_all
from layeratlas.measures.declaration import LEVELS, Ends, Measure, Range, measure
from layeratlas.measures.kernels.ckasim import LinearCKA
from layeratlas.measures.registry import configuration, configuration_row, usual_measures
from layeratlas.measures.score import MeasureError, Scores, TooFewWords
from layeratlas.measures.statistics.cross_moments import CrossMoments
from layeratlas.store.kinds import KINDS


def layers(count: int = 2) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {f"l{index}": rng.standard_normal((200, 12)) for index in range(count)}


@measure
class Turned(LinearCKA):
    """7 less CKA: out of the range that it inherits."""

    name = "turned"

    def compare(self, a: Any, b: Any, cross: Any) -> Scores:
        found = super().compare(a, b, cross)
        return Scores(7 - found.values, diagnostics=found.diagnostics)


@measure
class Nothing(LinearCKA):
    """No number at all, for one pair in two."""

    name = "nothing"
    symmetric = False

    def compare(self, a: Any, b: Any, cross: Any) -> Scores:
        values = super().compare(a, b, cross).values
        values[::2] = float("nan")
        return Scores(values, diagnostics=cross.counts)


@measure
class Choosy(LinearCKA):
    """Refuses layers by a whole number of what it prepared."""

    name = "choosy"

    def check(self, a: Any, b: Any, ends: Ends) -> None:
        if a.dead:
            raise TooFewWords(f"{ends.a} has a dead neuron, {ends.b} over {ends.words} words is not asked")


def test_a_value_outside_the_declared_range_is_refused_by_name() -> None:
    with pytest.raises(MeasureError, match=r"turned gives 6\.\d+ of l0 towards l1, which is outside its range 0 to 1"):
        score_all("activations", layers(), [Turned()])


def test_no_number_is_never_a_score_and_its_neighbours_keep_theirs() -> None:
    from layeratlas.measures.engine import compare_pairs, source_of

    sources = [source_of("activations").from_array(name, array) for name, array in layers(3).items()]
    found = {
        pair: score
        for some in compare_pairs("activations", sources, [(0, 1), (0, 2), (1, 2)], [Nothing()])
        for outcomes in some
        for pair, score in outcomes.single()
    }
    refused = {pair for pair, score in found.items() if isinstance(score, MeasureError)}
    assert len(found) == 6 and refused == {(0, 1), (1, 0), (1, 2), (2, 1)}
    assert "nothing gives nan of l0 towards l1" in str(found[0, 1])


def test_a_check_speaks_for_every_pair_of_its_batch() -> None:
    arrays = layers(3)
    arrays["l0"][:, 3] = arrays["l1"][:, 4] = 1.0
    with pytest.raises(TooFewWords, match="l0 has a dead neuron, l1 over 200 words"):
        score_all("activations", arrays, [Choosy()])
    assert len(score_all("activations", {"l2": arrays["l2"], "l0": arrays["l2"]}, [Choosy()])) == 2


@pytest.mark.parametrize(
    ("lacking", "says"),
    [
        ({"version": 1, "symmetric": True, "range": Range(0, 1), "needs": CrossMoments()}, "lacks name"),
        ({"name": "x", "version": 1, "symmetric": True, "range": Range(0, 1)}, "lacks needs"),
        ({"level": "molecule"}, "has no level 'molecule'"),
        ({"direction": "sideways"}, "has no direction 'sideways'"),
        ({"invariant_to": frozenset({"weather"})}, "names an unknown invariance 'weather'"),
        ({"presets": {"mine": {}}}, "has no preset 'mine'"),
    ],
)
def test_a_declaration_that_is_not_whole_is_no_measure(lacking: dict[str, Any], says: str) -> None:
    whole = {"name": "x", "version": 1, "symmetric": True, "range": Range(0, 1), "needs": CrossMoments()}
    given = lacking if says.startswith("lacks") else {**whole, **lacking}
    with pytest.raises(TypeError, match=says):
        measure(type("Made", (Measure,), given))


def test_the_registry_is_in_order_and_knows_what_is_usual() -> None:
    assert [measure.name for measure in usual_measures(["activations"])] == [
        "neuronsim", "mixedsim", "ckasim", "pwsim", "svsim",
    ]  # fmt: skip
    levels = [LEVELS.index(declared.level) for declared in MEASURES.values() if declared.kind == "activations"]
    assert levels == sorted(levels)
    assert {declared.kind for declared in MEASURES.values()} <= set(KINDS)
    assert "ckasim" in MEASURES and "nowhere" not in MEASURES and len(MEASURES) == len(list(MEASURES))
    assert [measure.name for measure in usual_measures(["attention"])].count("attsim") == 3
    assert measures.configure("svsim", "wu2020") == MEASURES["svsim"](cut="below")


def test_a_parameter_that_was_added_later_leaves_what_is_known_as_it_is() -> None:
    ours, angular = (
        configuration(measures.configure("ckasim", "default", given)) for given in ({}, {"form": "angular"})
    )
    assert ours.parameters == {} and angular.parameters == {"form": "angular"}
    assert ours.configuration == CKASIM
    assert configuration_row(measures.configure("ckasim"))["label"] == "default"
    row = configuration_row(measures.configure("ckasim", "netrep"))
    assert (row["label"], row["direction"], row["presets"]) == ("form=angular", "distance", ["netrep", "repsim"])


def test_a_presets_name_is_kept_only_where_the_measure_knows_it() -> None:
    assert configuration_row(measures.configure("gulp"))["presets"] == ["default", "gulp"]
    assert configuration_row(measures.configure("neuronsim"))["presets"] == ["default", "wu2020"]


def test_parameters_are_called_as_users_write_them() -> None:
    ridge = measures.configure("gulp", "default", {"lambda": 1})
    assert ridge == measures.configure("gulp", "default", {"lambda_": 1.0})
    assert configuration_row(ridge)["label"] == "lambda=1.0"
    assert json.loads(configuration_row(ridge)["parameters"]) == {"form": "squared", "lambda": 1.0}


#: The fingerprint that stores have for ckasim.
CKASIM = "v1:01db7b8ad2fb2ef80089f541657cd75e5a05ec4d3ca2d15248c57979e6024751"


def test_a_parameter_called_metric_does_not_say_that_the_triangle_inequality_holds() -> None:
    for metric in ("cosine", "euclidean"):
        assert measures.configure("rsa", "default", {"metric": metric}).is_metric is False
    assert measures.configure("ckasim", "default", {"form": "angular"}).is_metric
