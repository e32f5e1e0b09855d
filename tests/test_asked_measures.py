"""Measures as users ask for them: by name, with parameters, by collection, by preset, in studies and as a list."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from layeratlas import cli, measures
from layeratlas.measures.listing import COLUMNS, listing
from layeratlas.measures.plan import chosen_measures
from layeratlas.measures.registry import asked, groups
from layeratlas.store.errors import BadRequest
from layeratlas.store.study import MeasureSpec, load_study


def test_a_name_may_carry_parameters() -> None:
    assert asked("ckasim") == ("ckasim", {})
    assert asked("gulp:lambda=0.5,form=distance") == ("gulp", {"lambda": 0.5, "form": "distance"})
    assert asked("match_hard:signed=true") == ("match_hard", {"signed": True})
    assert asked("svcca:components=20") == ("svcca", {"components": 20})
    (chosen,) = chosen_measures([MeasureSpec(*parts) for parts in [("gulp", "default", asked("gulp:lambda=1")[1])]])
    assert chosen == measures.configure("gulp", "default", {"lambda": 1})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("glup:lambda=1", "unknown measure 'glup'; did you mean gulp"), ("gulp:", "write parameters as"),
        ("gulp:lambda", "write parameters as gulp:name="), ("gulp:ridge=1", "gulp: unknown parameter 'ridge'"),
    ],
)  # fmt: skip
def test_what_is_written_otherwise_is_said(text: str, says: str) -> None:
    with pytest.raises(BadRequest, match=says):
        asked(text)


def test_values_of_the_wrong_type_are_said() -> None:
    for text, says in (("gulp:lambda=much", "lambda must be like 0.01, got 'much'"), ("match_hard:signed=1", "signed")):
        name, given = asked(text)
        with pytest.raises(BadRequest, match=says):
            measures.configure(name, "default", given)


def test_all_and_groups() -> None:
    every = {measure.name for measure in chosen_measures([MeasureSpec("all")])}
    assert every == {name for name, declared in measures.MEASURES.items() if declared.kind == "activations"}
    both = chosen_measures([MeasureSpec("all")], ("activations", "attention"))
    assert [measure.name for measure in both].count("attsim") == 3
    resi = chosen_measures([MeasureSpec("", "resi", group="resi"), MeasureSpec("ckasim", "resi")])
    assert {"procrustes", "match_hard", "regression", "svcca"} <= {measure.name for measure in resi}
    assert len(resi) == len(set(resi)) and measures.configure("match_hard", "resi") in resi
    assert set(groups()["wu2020"]) == {name for name, declared in measures.MEASURES.items() if declared.usual}
    with pytest.raises(BadRequest, match="unknown group 'rezi'; did you mean resi"):
        chosen_measures([MeasureSpec("", group="rezi")])
    with pytest.raises(BadRequest, match="parameters are of one measure"):
        chosen_measures([MeasureSpec("all", parameters={"lambda": 1})])


def test_a_preset_that_a_named_measure_does_not_know_is_said() -> None:
    with pytest.raises(BadRequest, match=r"neuronsim has no preset 'resi'; it is for .*ckasim"):
        chosen_measures([MeasureSpec("neuronsim", "resi")])


def test_studies_take_parameters_and_groups(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("a b\n")
    text = '[[models]]\nid = "m"\n[[corpora]]\npath = "text.txt"\n[[measures]]\n'
    (tmp_path / "s.toml").write_text(
        text + 'name = "gulp"\nlambda = 0.5\n[[measures]]\ngroup = "netrep"\npreset = "netrep"\n'
    )
    found = chosen_measures(load_study(tmp_path / "s.toml").measures)
    assert found[0] == measures.configure("gulp", "default", {"lambda": 0.5})
    assert measures.configure("procrustes", "netrep") in found
    (tmp_path / "s.toml").write_text(text + 'group = "nowhere"\n')
    with pytest.raises(BadRequest, match=r"s\.toml:6: unknown group 'nowhere'"):
        chosen_measures(load_study(tmp_path / "s.toml").measures)


def test_the_list_of_measures() -> None:
    assert [row[0] for row in listing()] == list(measures.MEASURES) and all(
        len(row) == len(COLUMNS) for row in listing()
    )
    done = CliRunner().invoke(cli.cli, ["measures", "--group", "gulp", "--format", "json"])
    found = {row["measure"]: row for row in json.loads(done.stdout)}
    assert set(found) == set(groups()["gulp"])
    assert found["gulp"]["range"] == "[0, ∞]" and found["gulp"]["paper"] == "Boix-Adserà et al. 2022"
    assert found["gulp"]["parameters"] == "lambda = 0.01, form = 'squared'"
    shown = CliRunner().invoke(cli.cli, ["measures"]).stdout
    assert "cka_debiased" in shown and "distance" in shown
