"""The browser, driven as a user drives it: models, maps, pairs, switches, without a terminal over real catalogs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from browser_drive import TOY, add_published, build, ckasims, drive, loaded, shown, state, toy_value, until
from textual.pilot import Pilot
from textual.widgets import DataTable

from layeratlas.queries.browser.heat import Heat
from layeratlas.queries.browser.paint import ZOOMS
from layeratlas.queries.browser.state import Selection
from layeratlas.queries.core.matrix import Layer
from layeratlas.store.store import Store


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The paper's figures, and our own toy beside them."""
    return add_published(build(tmp_path_factory.mktemp("published")))


def test_arrows_move_the_cell_and_the_detail_shows_the_catalogs_values(published: Path) -> None:
    expected = ckasims(published, "wu2020-ewt")

    async def steps(pilot: Pilot[None]) -> None:
        await until(pilot, loaded(pilot))
        state(pilot).switch("source", "wu2020-ewt")
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: len(state(pilot).matrix.rows) == 91)
        await pilot.press("left_square_bracket")
        await until(pilot, " m ckasim")
        seen = []
        for key in ("right", "down", "down", "right", "pagedown", "end", "left", "up"):
            await pilot.press(key)
            now = state(pilot)
            assert now.pair is not None
            if now.pair[0] != now.pair[1]:
                a, b = now.pair
                value = expected[a.model, a.layer, b.model, b.layer]
                seen.append(value)
                await until(pilot, f"{a.title} towards {b.title}  {value:.4f} ckasim")
                await until(pilot, "the other way")
        assert len(set(seen)) > 4
        await pilot.press("home", *["pageup"] * 7)
        assert state(pilot).cursor == (0, 0)
        await until(pilot, "1 by definition")

    drive(published, steps)


def test_the_whole_map_is_what_the_catalog_has(published: Path) -> None:
    expected = ckasims(published, "wu2020-ewt")

    async def steps(pilot: Pilot[None]) -> None:
        await until(pilot, loaded(pilot))
        await pilot.press("s", "down", "enter")
        await until(pilot, lambda: len(state(pilot).matrix.rows) == 91)
        table = state(pilot).table()
        place = [table.columns.index(name) for name in ("model_a", "layer_a", "model_b", "layer_b", "value")]
        mine = {tuple(row[index] for index in place[:4]): row[place[4]] for row in table.rows}
        assert len(mine) == len(table.rows) == 91 * 90 and mine == expected

    drive(published, steps)


def test_enter_opens_the_pair_with_all_measures_matches_and_provenance(toy: Path) -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await until(pilot, loaded(pilot))
        await pilot.press("down", "right", "right", "enter")  # bert-a 1, bert-b 0
        await until(pilot, "bert-a 1 towards bert-b 0")
        there, back = (toy_value("neuronsim", *pair) for pair in
                       ((("bert-a", 1), ("bert-b", 0)), (("bert-b", 0), ("bert-a", 1))))  # fmt: skip
        both = toy_value("ckasim", ("bert-a", 1), ("bert-b", 0))
        await until(
            pilot, lambda: re.search(rf"ckasim +default +{both:.4f} +{both:.4f} +own", shown(pilot)) is not None
        )
        assert re.search(rf"neuronsim +default +{there:.4f} +{back:.4f}", shown(pilot))
        await until(pilot, "no neurons of ckasim")
        await pilot.press("down")
        await until(pilot, re.compile(r"1 +0\.7500 +1 "))
        lines = shown(pilot).splitlines()
        best = [next(i for i, line in enumerate(lines) if re.match(rf" +{neuron} +0\.{digits}", line))
                for neuron, digits in ((1, "7500"), (2, "5000"), (0, "2500"), (3, "1250"))]  # fmt: skip
        assert best == sorted(best)
        for said in ("tilt 0.5000", "dead_a 7", "toy-corpus", "1234"):
            assert said in shown(pilot), said
        await pilot.press("tab", "tab", "end")
        await until(pilot, re.compile(r"layeratlas run\s+toy.toml"))
        assert "torch 2.9.0" in shown(pilot) and "here" in shown(pilot)
        await pilot.press("x")
        await until(pilot, "bert-b 0 towards bert-a 1")
        await until(pilot, re.compile(rf"neuronsim +default +{back:.4f} +{there:.4f}"))
        await pilot.press("escape")
        await until(pilot, " m ckasim")
        assert state(pilot).cursor == (1, 3)

    drive(toy, steps)


def test_imported_scores_say_whose_they_are(published: Path) -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await until(pilot, loaded(pilot))
        await pilot.press("s", "down", "enter")
        await until(pilot, lambda: len(state(pilot).matrix.rows) == 91)
        await pilot.press("enter")
        await until(pilot, "ACL 2020")
        await until(pilot, "tolerance  0.0020")

    drive(published, steps, size=(160, 50))


def test_measures_switch_by_key_and_by_list_and_the_cell_stays(toy: Path) -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await until(pilot, loaded(pilot))
        await pilot.press("down", "down", "right")
        pair = state(pilot).pair
        assert pair == (Layer("bert", "bert-a", 2), Layer("bert", "bert-a", 2))
        await pilot.press("right")
        pair = state(pilot).pair
        for keys, measure in ((["right_square_bracket"], "neuronsim"), (["left_square_bracket"], "ckasim"),
                              (["m", "n", "enter"], "neuronsim"), (["m", "up", "enter"], "ckasim"),
                              (["m", "down", "escape"], "ckasim")):  # fmt: skip
            await pilot.press(*keys)
            value = toy_value(measure, ("bert-a", 2), ("bert-b", 0))
            await until(pilot, f"bert-a 2 towards bert-b 0  {value:.4f} {measure}")
            assert state(pilot).pair == pair

    drive(toy, steps)


def test_family_filter_and_the_list_choose_columns_and_rows(toy: Path) -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await until(pilot, loaded(pilot))
        await pilot.press("f", "f", "f", "enter")
        await until(pilot, "f to gpt2")
        await until(pilot, lambda: {layer.family for layer in state(pilot).matrix.columns} == {"gpt2"})
        assert state(pilot).matrix.values.shape == (10, 3)
        await until(pilot, lambda: "gpt-a" in shown(pilot).splitlines()[2])
        await pilot.press("tab", "down", "down", "down")  # all, bert, bert-a, bert-b
        await until(pilot, lambda: state(pilot).rows == Selection("bert", "bert-b"))
        await until(pilot, lambda: state(pilot).matrix.values.shape == (4, 3))
        await pilot.press("enter", "down", "down")
        await until(pilot, lambda: state(pilot).rows == Selection("bert", "bert-b", 1))
        await until(pilot, lambda: state(pilot).matrix.rows == (Layer("bert", "bert-b", 1),))
        expected = [toy_value("ckasim", ("bert-b", 1), ("gpt-a", layer)) for layer in range(3)]
        assert state(pilot).matrix.values[0].tolist() == expected
        await pilot.press("enter")
        assert isinstance(pilot.app.focused, Heat)

    drive(toy, steps)


def test_source_and_corpus_switch_and_never_mix(published: Path) -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await until(pilot, loaded(pilot))
        assert {layer.model for layer in state(pilot).matrix.rows} == set(TOY)
        await pilot.press("s", "down", "down", "enter")
        await until(pilot, "s wu2020-finetuned")
        await until(pilot, lambda: len({layer.model for layer in state(pilot).matrix.rows}) == 5)
        assert "c ptb-dev" in shown(pilot) and "m ckasim" in shown(pilot)
        assert state(pilot).choices("measure") == ["ckasim"] and state(pilot).choices("corpus") == ["ptb-dev"]
        await pilot.press("s", "home", "enter")
        await until(pilot, "c toy-corpus")
        await until(pilot, lambda: {layer.model for layer in state(pilot).matrix.rows} == set(TOY))

    drive(published, steps)


@pytest.mark.parametrize("size", [(80, 24), (160, 50)])
def test_a_wide_map_scrolls_and_names_stay_in_sight_at_every_zoom(published: Path, size: tuple[int, int]) -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await until(pilot, loaded(pilot))
        await pilot.press("s", "down", "enter")
        await until(pilot, lambda: len(state(pilot).matrix.rows) == 91)
        for zoom in ZOOMS:
            await until(pilot, f"z {zoom.name}")
            await pilot.press("home", *["pageup"] * 8)
            await until(pilot, lambda: "bert_base" in shown(pilot).splitlines()[2])
            await pilot.press("end", *["pagedown"] * 8)
            a, b = state(pilot).pair or (None, None)
            assert a == b == Layer("xlnet", "xlnet_large_cased", 24)
            await until(pilot, lambda: "xlnet" in shown(pilot).splitlines()[2] and "24" in shown(pilot).splitlines()[3])
            lines = shown(pilot).splitlines()
            assert any(re.search(r"xlnet\S* +24 ", line) for line in lines[4 : size[1] - 3])
            assert "Help" in lines[-1] and len(lines) == size[1] and max(map(len, lines)) <= size[0]
            await pilot.press("z")

    drive(published, steps, size=size)


def test_help_names_every_key(toy: Path) -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await until(pilot, loaded(pilot))
        await pilot.press("question_mark")
        await until(pilot, "choose the measure")
        for said in ("write the map to a file", "columns: all, a family, or a model", "all about the two layers",
                     "complete the word"):  # fmt: skip
            assert said in shown(pilot), said
        await pilot.press("end")
        await until(pilot, "Layer 0 is the embedding layer")
        await pilot.press("escape")
        await until(pilot, " m ckasim")

    drive(toy, steps, size=(100, 60))


def test_i_shows_the_figures_of_each_layer_and_escape_goes_back(tmp_path: Path) -> None:
    root = build(tmp_path / "toy")
    store = Store(root)
    artifacts = store.rows("SELECT artifact, model, layer FROM artifacts ORDER BY model, layer")
    store.write("figures", [
        {"artifact": artifact, "figure": figure, "version": 1, "parameters": "{}", "value": 1.5 * place + add,
         "words": 1234, "run": "r1"}
        for place, (artifact, *_) in enumerate(artifacts) for figure, add in (("anisotropy", 0), ("novelty", 100))
    ])  # fmt: skip
    store.merge()

    async def steps(pilot: Pilot[None]) -> None:
        await until(pilot, loaded(pilot))
        await pilot.press("down", "i")
        await until(pilot, "Figures of layers · toy-corpus")
        assert "anisotropy" in shown(pilot) and "101.5000" in shown(pilot)
        assert "anisotropy is largest in" in shown(pilot)
        table = pilot.app.screen.query_one("#layers", DataTable)
        assert table.cursor_row == 1 and table.row_count == len(artifacts)  # bert-a 1, as on the map
        await pilot.press("escape")
        await until(pilot, " m ckasim")

    drive(root, steps)


def test_i_says_how_to_get_figures_where_there_are_none(toy: Path) -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await until(pilot, loaded(pilot))
        await pilot.press("i")
        await until(pilot, "no layer has figures of its own yet")

    drive(toy, steps)
