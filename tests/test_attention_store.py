"""Attention from the command line to the catalog and back: real models, real processes, scores against plain arrays."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from browser_drive import drive, loaded, state, until
from test_command import EWT, ROOT, atlas, rows
from textual.pilot import Pilot

from layeratlas import measures, running
from layeratlas.measures.plan import chosen_measures, plan
from layeratlas.measures.runner import Filler, Session
from layeratlas.store.artifacts.attention import read_chunks
from layeratlas.store.errors import BadRequest
from layeratlas.store.progress import Silent
from layeratlas.store.store import ArtifactRow, Store
from layeratlas.store.study import MeasureSpec

ZOO = ROOT / "zoo" / "models"
NAMES = ("bert-tiny", "gpt2-tiny", "elmo-tiny")
STUDY = "".join(f'[[models]]\nid = "{ZOO / name}"\n' for name in NAMES) + (
    '[[corpora]]\npath = "{corpus}"\nlimit = 60\n'
    '[extraction]\nkinds = ["activations", "attention"]\nlong_sentences = "split"\nlayers = [0, 1, 2]\n'
)
DEFAULT = (
    '[[measures]]\nname = "ckasim"\n[[measures]]\nname = "attsim"\n[[measures]]\nname = "attsim"\ncausal = true\n'
    '[[measures]]\nname = "attsim"\nsimilarity = "frobenius"\n[[measures]]\nname = "attsim"\npreset = "wu2020"\n'
    '[[measures]]\nname = "attention_pwsim"\n'
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("attention")
    (folder / "study.toml").write_text(STUDY.format(corpus=EWT) + DEFAULT)
    done = atlas("run", folder / "study.toml", "--store", folder / "store")
    assert done.returncode == 0, done.stderr
    assert "elmo-tiny over en_ewt-ud-dev: Elmo has no attention, which is left out" in done.stderr
    assert "extracted 13 layers" in done.stderr  # 9 of activations, 4 of attention
    assert f"measured {9 * 8 + 5 * 4 * 3} scores" in done.stderr
    return Store(folder / "store")


def layers(store: Store) -> dict[tuple[str, int], ArtifactRow]:
    return {(row.model, row.layer): row for row in store.artifacts() if row.kind == "attention"}


def sentences(store: Store, row: ArtifactRow) -> list[np.ndarray]:
    return list(itertools.chain.from_iterable(read_chunks(store.root / row.path)))


def test_scores_are_those_of_the_plain_arrays(finished: Store) -> None:
    arrays = {end: sentences(finished, row) for end, row in layers(finished).items()}
    assert set(arrays) == {("bert-tiny", 1), ("bert-tiny", 2), ("gpt2-tiny", 1), ("gpt2-tiny", 2)}
    sql = "SELECT measure, parameters, model_a, layer_a, model_b, layer_b, value FROM layer_pairs WHERE kind = ?"
    found = finished.rows(sql, "attention")
    assert len(found) == 5 * 4 * 3
    for measure, parameters, *ends, value in found:
        a, b = (arrays[ends[0], ends[1]], arrays[ends[2], ends[3]])
        score = measures.compare_attention(a, b, measure=measure, **json.loads(parameters))
        assert value == pytest.approx(score.value, abs=1e-5)


def test_heads_are_in_the_catalog_with_their_matches(finished: Store) -> None:
    arrays = {end: sentences(finished, row) for end, row in layers(finished).items()}
    score = measures.compare_attention(arrays["bert-tiny", 2], arrays["gpt2-tiny", 1])
    found = finished.rows(
        "SELECT head, value, matched_by FROM heads WHERE measure = 'attsim' AND configuration = 'default' "
        "AND model_a = 'bert-tiny' AND layer_a = 2 AND model_b = 'gpt2-tiny' AND layer_b = 1 ORDER BY head"
    )
    assert score.units is not None and score.matches is not None
    assert [(head, matched) for head, _, matched in found] == list(enumerate(score.matches.tolist()))
    np.testing.assert_allclose([value for _, value, _ in found], score.units, atol=1e-5)
    assert finished.rows("SELECT count(*) FROM neurons") == [(0,)]  # heads are no neurons


def test_a_second_run_has_nothing_to_do_and_a_damaged_file_is_rebuilt(finished: Store) -> None:
    study = finished.root.parent / "study.toml"
    again = atlas("run", study, "--store", finished.root)
    assert (again.returncode, again.stdout) == (0, "") and again.stderr.startswith("nothing to do"), again.stderr
    before = finished.rows("SELECT measure, configuration, model_a, layer_a, value FROM layer_pairs ORDER BY ALL")
    victim = finished.root / layers(finished)["gpt2-tiny", 1].path
    content = victim.read_bytes()
    victim.write_bytes(content[:2000] + bytes([content[2000] ^ 1]) + content[2001:])
    verified = atlas("verify", "--store", finished.root)
    assert verified.returncode == 4 and str(victim.name) in verified.stdout
    rebuilt = atlas("run", study, "--store", finished.root)
    assert "extracted 1 layers" in rebuilt.stderr and victim.read_bytes() == content, rebuilt.stderr
    assert (
        finished.rows("SELECT measure, configuration, model_a, layer_a, value FROM layer_pairs ORDER BY ALL") == before
    )


@pytest.mark.parametrize("is_there", [True, False])
def test_what_cannot_be_read_is_left_out_and_the_rest_is_compared(
    is_there: bool, finished: Store, tmp_path: Path
) -> None:
    shutil.copytree(finished.root, tmp_path / "store")
    store = Store(tmp_path / "store")
    row = layers(store)["gpt2-tiny", 1]
    (store.root / row.path).unlink()
    if is_there:
        (store.root / row.path).write_bytes(bytes(row.bytes))
    outcome = running.measure(store, running.Means("cpu"), names=["attention_ckasim"])
    measured, damaged = outcome.lines()
    assert (outcome.exit_code, measured) == (4, "measured 6 scores")
    assert damaged.startswith("damaged, not read: gpt2-tiny layer 1: attention/")


def test_questions_take_activations_unless_asked_otherwise(finished: Store) -> None:
    assert {row["measure"] for row in rows(finished.root, "top-pairs")} == {"ckasim"}
    attention = rows(finished.root, "top-pairs", "--kind", "attention", "--across", "families")
    assert {row["measure"] for row in attention} == {"attsim"} and len(attention) == 8
    assert attention[0]["value"] == max(row["value"] for row in attention)  # type: ignore[type-var]
    drawn = atlas(
        "query", "heatmap", "bert-tiny", "gpt2-tiny", "--measure", "attention_pwsim", "--store", finished.root
    )
    assert drawn.stdout.startswith("bert-tiny towards gpt2-tiny, attention_pwsim (default)")
    causal = rows(
        finished.root, "heatmap", "bert-tiny", "gpt2-tiny", "--kind", "attention", "--configuration", "causal=True"
    )
    plain = rows(finished.root, "heatmap", "bert-tiny", "gpt2-tiny", "--kind", "attention")
    assert len(causal) == len(plain) == 4 and causal != plain
    both = rows(finished.root, "top-pairs", "--measure", "ckasim", "--measure", "attsim", "--limit", "2")
    assert [row["measure"] for row in both] == ["ckasim"] * 2 + ["attsim"] * 2
    assert {row["measure"] for row in rows(finished.root, "coverage")} == {"ckasim", "attsim", "attention_pwsim"}
    wrong = atlas("query", "top-pairs", "--kind", "activations", "--measure", "attsim", "--store", finished.root)
    assert wrong.returncode == 2 and "unknown measure 'attsim'" in wrong.stderr
    said = {
        row["kind"]: row for row in json.loads(atlas("status", "--format", "json", "--store", finished.root).stdout)
    }
    assert (said["attention"]["layers"], said["attention"]["of"]) == (2, 4)


def test_each_heads_best_counterpart_elsewhere(finished: Store) -> None:
    found = rows(finished.root, "heads", "bert-tiny:2", "--configuration", "similarity=frobenius")
    heads = pl.DataFrame(
        finished.rows(
            "SELECT head, value, model_b, layer_b, matched_by FROM heads WHERE measure = 'attsim' "
            "AND configuration = 'similarity=frobenius' AND model_a = 'bert-tiny' AND layer_a = 2 "
            "AND model_b <> 'bert-tiny'"
        ),
        ["head", "value", "model", "layer", "matched_by"], orient="row",
    )  # fmt: skip
    best = heads.sort("value", descending=True).group_by("head", maintain_order=True).first()
    assert [{key: row[key] for key in best.columns} for row in found] == best.to_dicts()
    assert len(found) == 4
    explained = atlas("query", "heads", "bert-tiny:2", "--explain", "--store", finished.root)
    again = atlas("sql", explained.stdout, "--format", "json", "--store", finished.root)
    assert json.loads(again.stdout) == rows(finished.root, "heads", "bert-tiny:2")
    missing = atlas("query", "heads", "elmo-tiny:1", "--store", finished.root)
    assert missing.returncode == 2 and "elmo-tiny has no layer 1" in missing.stderr


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A corpus with a word that BERT's tokenizer gives no token and GPT-2's does, and sentences of one word."""
    folder = tmp_path_factory.mktemp("odd")
    lines = [["The", "cats", "slept", "."], ["Go"], ["A", "\u200b", "dog", "barked"], ["It", "rained", "all", "day"]]
    (folder / "odd.jsonl").write_text("".join(json.dumps({"words": words}) + "\n" for words in lines))
    (folder / "study.toml").write_text(STUDY.format(corpus=folder / "odd.jsonl") + '[[measures]]\nname = "attsim"\n')
    done = atlas("run", folder / "study.toml", "--store", folder / "store")
    assert done.returncode == 0 and "1 of 13 words left out" in done.stderr, done.stderr
    return Store(folder / "store")


def test_a_sentence_that_one_model_has_not_in_full_is_left_out_on_both_sides(odd: Store) -> None:
    ends = layers(odd)
    bert, gpt2 = (sentences(odd, ends[model, 1]) for model in ("bert-tiny", "gpt2-tiny"))
    assert [len(s[0]) for s in bert] == [4, 1, 3, 4] and [len(s[0]) for s in gpt2] == [4, 1, 4, 4]
    both = [0, 1, 3]
    expected = measures.compare_attention([bert[i] for i in both], [gpt2[i] for i in both])
    sql = (
        "SELECT value, diagnostics FROM layer_pairs "
        "WHERE model_a = 'bert-tiny' AND layer_a = 1 AND model_b = ? AND layer_b = ?"
    )
    ((value, diagnostics),) = odd.rows(sql, "gpt2-tiny", 1)
    assert value == pytest.approx(expected.value, abs=1e-6)
    assert json.loads(diagnostics)["sentences"] == 2  # the sentence of one word has no say
    ((_, own),) = odd.rows(sql, "bert-tiny", 2)
    assert json.loads(own)["sentences"] == 3  # within one model nothing is lost


def test_measures_of_a_kind_that_is_not_there_are_refused_by_line() -> None:
    with pytest.raises(BadRequest, match=r"study.toml:7: attsim compares attention, and there are none"):
        chosen_measures([MeasureSpec("attsim", where="study.toml:7: ")])
    usual = chosen_measures([], ("activations", "attention"))
    assert [measure.kind for measure in usual] == ["activations"] * 5 + ["attention"] * 6
    assert len({measures.configuration(measure).configuration for measure in usual}) == 11


def test_raised_versions_and_refresh_measure_again(odd: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = chosen_measures([MeasureSpec("attsim")], ("attention",))
    artifacts = odd.artifacts()
    assert plan(odd, artifacts, chosen) == []
    session = Session(odd, "r", Silent(), lambda place: Filler(odd, "r", torch.device("cpu")), refresh=True)
    again = session.measure(artifacts, chosen, plan(odd, artifacts, chosen, refresh=True))
    assert (again.scores, again.refused) == (4 * 3, {})
    monkeypatch.setattr(type(chosen[0]), "version", 2)
    assert sum(len(batch.pairs) for batch in plan(odd, artifacts, chosen)) == 6


def test_the_browser_and_the_report_begin_with_activations_and_show_heads(finished: Store, tmp_path: Path) -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await until(pilot, loaded(pilot))
        assert (state(pilot).slice or pytest.fail()).measure == "ckasim"
        await pilot.press("left_square_bracket")
        await until(pilot, "bert-tiny 1 towards bert-tiny 1")  # there is no layer 0
        await pilot.press("right")
        await until(pilot, re.compile(r"bert-tiny 1 towards bert-tiny 2 +0\.\d+ attsim"))
        await pilot.press("enter")
        await until(pilot, re.compile(r"head +value +best in b"))

    drive(finished.root, steps, size=(120, 40))
    page = tmp_path / "report.html"
    done = atlas("report", "--store", finished.root, "-o", page)
    assert done.returncode == 0, done.stderr
    kinds = re.findall(r"<td>(activations|attention)</td>", page.read_text())
    assert set(kinds) == {"activations", "attention"} and kinds == sorted(kinds)
