"""What a study would take, said before it is run; and budgets, which are part of what is extracted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from extract_tiny import save_model
from sharing_stores import LAYERS, extracted

import layeratlas
from layeratlas import planning
from layeratlas.measures import forecast
from layeratlas.measures.engine import How
from layeratlas.measures.registry import usual_measures
from layeratlas.store.errors import BadRequest
from layeratlas.store.progress import Silent
from layeratlas.store.store import Store
from layeratlas.store.study import Study, load_study
from layeratlas.store.uncertainty import NOTHING

SMALL = ((2, 16, 200), (6, 16, 200), (6, 16, 2000), (2, 64, 200), (6, 64, 200), (6, 64, 2000), (3, 128, 500))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model of two blocks on forty sentences of five and six words."""
    folder = tmp_path_factory.mktemp("study")
    save_model("bert", folder / "bert-a")
    (folder / "text.txt").write_text("The cats saw two dogs\nNobody saw them , they say\n" * 20)
    text = '[[models]]\nid = "./bert-a"\n[[corpora]]\npath = "text.txt"\n[[measures]]\nname = "ckasim"\n'
    (folder / "study.toml").write_text(text)
    return folder / "study.toml"


def said(store: Store, study: Study, **more: int) -> list[str]:
    return planning.forecast(store, study, memory=2**28, workers=[4], device="cpu", progress=Silent(), **more)


def test_what_is_missing_is_said_before_and_is_what_is_done(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecast, "RUNS", SMALL)
    store, given = Store(tmp_path / "s"), load_study(study)
    lines = said(store, given)
    assert lines[0].startswith("to extract: 1 model × corpus, 3 layers, ")
    assert lines[1].startswith("to measure: 3 pairs, 6 scores, about ")
    assert re.match(r"reads: [\d.]+ kB in 1 passes · products: 0\.00 teraflop · memory of sums: ", lines[2])
    assert [line.split(":")[0] for line in lines[3:]] == ["time here", "time on 4 machines like this one"]
    assert not (tmp_path / "s" / "activations").exists() and not store.log.segments()
    done = layeratlas.run(given, store=store)
    assert done.lines()[0] == "extracted 3 layers" and done.lines()[1].startswith("measured 6 scores")
    promised = float(re.search(r"layers, ([\d.]+) kB", lines[0])[1])  # type: ignore[index]
    assert sum(row.bytes for row in store.artifacts()) / 1000 == pytest.approx(promised, rel=0.9)
    assert said(store, given) == ["nothing to do: 3 layers are extracted and every pair is measured"]


def test_a_budget_is_another_corpus_and_fewer_layers(study: Path, tmp_path: Path) -> None:
    given = load_study(study)
    small = planning.within(given, words=100, layers=2)
    [spec] = small.corpora
    assert (spec.limit, spec.name, spec.named) == (18, "text-100-words", True)  # 9 × (5 + 6) words are 99
    assert planning.within(given, words=220, layers=None) == given  # it has no more
    with pytest.raises(BadRequest, match="first sentence alone has more than 3 words"):
        planning.within(given, words=3)
    store = Store(tmp_path / "s")
    assert layeratlas.run(small, store=store).lines()[0] == "extracted 2 layers"
    assert layeratlas.run(small, store=store).lines()[0].startswith("nothing to do: 2 layers")
    assert [(row.layer, row.words) for row in store.artifacts()] == [(0, 99), (2, 99)]
    assert layeratlas.run(given, store=store).lines()[0] == "extracted 3 layers"  # another corpus


@pytest.mark.parametrize(
    ("count", "chosen"),
    [(1, [12]), (2, [0, 12]), (3, [0, 6, 12]), (5, [0, 3, 6, 9, 12]), (13, [*range(13)]), (40, [*range(13)])],
)
def test_representative_layers_are_spread_evenly(count: int, chosen: list[int]) -> None:
    assert Study((), (), representative=count).chosen_layers(range(13)) == chosen


def test_time_grows_with_the_work_and_falls_with_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecast, "RUNS", SMALL)
    measures = usual_measures(("activations",))
    rates = forecast.calibrate(measures, How(), Silent())
    assert (rates.seconds >= 0).all() and rates.seconds.any()
    few, many = (rates.of(forecast.work_of(layers, 64, 2000)) for layers in (4, 16))
    assert 0 < few < many
    store = extracted(tmp_path, "ant", "bee", "cat", attention=False)
    [missing] = planning._of_store(store, store.artifacts(), measures, NOTHING)
    assert len(missing.layers) == 3 * LAYERS and len(missing.pairs) == 36 and missing.configurations == 5
    alone, shared = (planning._seconds([missing], measures, 2**28, rates, workers) for workers in (1, 3))
    assert alone / 3 <= shared * 1.001 and shared > 0
