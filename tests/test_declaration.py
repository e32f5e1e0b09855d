"""A measure that does not keep what it declares gets no score, and one that declares too little is no measure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layeratlas import measures
from layeratlas.measures import MEASURES
from layeratlas.measures.arrays import score_all
from layeratlas.measures.declaration import Ends, Measure, Range, measure
from layeratlas.measures.kernels.ckasim import LinearCKA
from layeratlas.measures.registry import usual_measures
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
    assert [name for name, declared in MEASURES.items() if declared.kind == "activations" and declared.usual] == [
        "neuronsim", "mixedsim", "ckasim", "pwsim", "svsim",
    ]  # fmt: skip
    assert {declared.kind for declared in MEASURES.values()} <= set(KINDS)
    assert "ckasim" in MEASURES and "nowhere" not in MEASURES and len(MEASURES) == len(list(MEASURES))
    assert [measure.name for measure in usual_measures(["attention"])].count("attsim") == 3
    assert measures.configure("svsim", "wu2020") == MEASURES["svsim"](cut="below")
