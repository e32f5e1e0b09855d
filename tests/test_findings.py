"""Findings: seen, not seen or undecided, by intervals over models and words that one computes by hand here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import catalogs
import numpy as np
import pytest

from layeratlas import running
from layeratlas.queries.core.scope import Asked, find
from layeratlas.queries.core.sure import Known
from layeratlas.queries.core.words import replicated, wider
from layeratlas.queries.figures.finetuning import chart
from layeratlas.queries.questions.families import families
from layeratlas.queries.questions.findings import Finding, findings
from layeratlas.queries.questions.finetuning import finetuning
from layeratlas.queries.report.gather import gather
from layeratlas.queries.report.page import page
from layeratlas.store.catalog import reading
from layeratlas.store.spread import spread
from layeratlas.store.store import Store
from layeratlas.store.uncertainty import Intervals, Nulls, Uncertainty

Score = Callable[[str, str, int, str, int], float]
FAMILIES = {"ox": 4, "yak": 4, "cow": 4}
MEASURES = {"ckasim": True, "neuronsim": False, "mixedsim": False}


def asked(root: Path, within: float, across: float, noise: float, neurons: float = 0.5) -> list[Finding]:
    """The findings over twelve models of three families; `neurons`: what share of it single ones have."""
    models: dict[str, tuple[str, int, str | None]] = {
        f"{family}{n}": (family, 2, None) for family, count in FAMILIES.items() for n in range(count)
    }
    share = {"ckasim": 1.0, "mixedsim": 1.0, "neuronsim": neurons}

    def value(measure: str, a: str, i: int, b: str, j: int) -> float:
        seed = [*a.encode(), 0, *b.encode()] if a < b else [*b.encode(), 0, *a.encode()]
        mean = within if a[:-1] == b[:-1] else across
        return float(
            share[measure] * (mean + noise * np.random.default_rng(seed).standard_normal()) - 0.01 * abs(i - j)
        )

    with reading(catalogs.build(root, models=models, value=value, measures=MEASURES)) as catalog:
        return findings(catalog)


@pytest.mark.parametrize(("within", "across", "noise", "seen"), [
    (0.6, 0.3, 0.02, True), (0.3, 0.6, 0.02, False), (0.45, 0.45, 0.05, None),
])  # fmt: skip
def test_families_are_seen_not_seen_or_undecided(
    within: float, across: float, noise: float, seen: bool | None, tmp_path: Path
) -> None:
    found = asked(tmp_path, within, across, noise)[1]
    assert found.seen is seen, found.verdict
    assert found.verdict.startswith({True: "seen: ", False: "not seen: ", None: "undecided: "}[seen])
    for row in found.table.records():
        assert row["low"] < row["difference"] < row["high"]


@pytest.mark.parametrize(("neurons", "seen"), [(0.2, True), (0.9, False), (0.5, None)])
def test_neurons_are_other_ones_where_their_interval_says_so(neurons: float, seen: bool | None, tmp_path: Path) -> None:
    found = asked(tmp_path, 0.5, 0.5, 0.05, neurons)[2]
    assert found.seen is seen, found.verdict


def test_what_is_not_there_cannot_be_said(tmp_path: Path) -> None:
    found = asked(tmp_path, 0.5, 0.4, 0.01)
    assert [one.verdict.startswith("cannot be said: ") for one in found] == [False, False, False, True, True]
    assert found[0].seen is False, "no layers of two families reach 0.5"


def test_draws_of_other_seeds_are_of_other_text() -> None:
    one = Known(0.5, 0.1, 0.3, 0.7, 0.5, "bootstrap", 1, [0.4, 0.6], [10, 10])
    assert one.minus(replace(one, value=0.4)) is not None
    assert one.minus(replace(one, seed=2)) is None and one.minus(replace(one, sizes=[9, 11])) is None


@pytest.mark.parametrize("method", ["jackknife", "bootstrap"])
def test_intervals_of_families_are_over_models_and_words(method: str, tmp_path: Path) -> None:
    rng, root = np.random.default_rng(0), tmp_path / "store"
    text = tmp_path / "text.txt"
    text.write_text("".join(f"{' '.join(['word'] * int(n))}\n" for n in rng.integers(3, 12, 60)))
    words = len(text.read_text().split())
    common = rng.standard_normal((words, 6)).astype(np.float32)
    for number, family in enumerate(("ox", "ox", "ox", "yak", "yak")):
        base = common if family == "ox" else common[:, ::-1] ** 2
        rows = base + 0.5 * rng.standard_normal((words, 6)).astype(np.float32)
        running.add_activations(root, f"{family}{number}", 0, rows.astype(np.float32), corpus=text, family=family)
    store = Store(root)
    running.measure(store, running.Means("cpu"), names=["ckasim"], figures=["none"])
    with reading(root) as catalog:
        [alone] = families(catalog).records()
    sure = Uncertainty(Intervals("jackknife", 6) if method == "jackknife" else Intervals("bootstrap", 6, 1, 20))
    running.measure(store, running.Means("cpu", sure=sure), names=["ckasim"], figures=["none"])
    with reading(root) as catalog:
        answer = families(catalog)
        assert len(replicated(catalog, find(catalog, Asked()))["ckasim"].totals) == (6 if method == "jackknife" else 20)
        pairs = catalog.execute(
            "SELECT model_a[1:2] = model_b[1:2], replicates, sizes FROM intervals WHERE measure = 'ckasim'"
        ).fetchall()
    [both] = answer.records()
    kin, other = ([row[1] for row in pairs if row[0] == is_kin] for is_kin in (True, False))
    told = np.mean(kin, axis=0) - np.mean(other, axis=0)
    more = spread(method, alone["difference"], told.tolist(), pairs[0][2]).reach
    expected = wider(alone["difference"], (alone["low"], alone["high"]), more)
    assert (both["low"], both["high"]) == pytest.approx(expected, abs=1e-6)  # scores are measured anew, in other sums
    assert both["low"] < alone["low"] and both["high"] > alone["high"] and both["p"] == alone["p"]
    assert answer.notes == ("low and high over models and words: ckasim",)


def test_changes_by_finetuning_have_bands(tmp_path: Path) -> None:
    rng, root = np.random.default_rng(0), tmp_path / "store"
    (tmp_path / "text.txt").write_text("one word and more of them\n" * 40)
    base = rng.standard_normal((240, 6)).astype(np.float32)
    for model, noise, origin in (("base", 0.0, None), ("base-pos", 0.4, "base")):
        for layer in (0, 1):
            rows = base + noise * (1 + layer) * rng.standard_normal(base.shape).astype(np.float32)
            running.add_activations(
                root, model, layer, rows, corpus=tmp_path / "text.txt", family="f", finetuned_from=origin
            )
    sure = Uncertainty(Intervals("jackknife", 6))
    running.measure(Store(root), running.Means("cpu", sure=sure), names=["ckasim"], figures=["none"])
    with reading(root) as catalog:
        answer = finetuning(catalog)
        told = catalog.execute(
            "SELECT layer_a, low, high FROM intervals "
            "WHERE model_a = 'base-pos' AND model_b = 'base' AND layer_a = layer_b ORDER BY 1"
        ).fetchall()
        drawn = page(gather(catalog)).replace(" ", "")
    assert '"band":[[0,' in drawn
    assert [(row["layer"], row["low"], row["high"]) for row in answer.records()] == told and len(told) == 2
    assert "apart" not in answer.columns
    [panel] = chart(answer).panels
    assert [line.band for line in panel.lines] == [tuple(told)] and set(panel.lines[0].values()) >= {told[0][1]}


def test_findings_say_what_chance_gives_where_that_is_known(tmp_path: Path) -> None:
    rng, root = np.random.default_rng(0), tmp_path / "store"
    text = tmp_path / "text.txt"
    text.write_text("two words\n" * 100)
    common = rng.standard_normal((200, 4))
    for name in ("ox0", "ox1", "yak0", "yak1"):
        rows = common @ rng.standard_normal((4, 4)) + 0.3 * rng.standard_normal((200, 4))
        running.add_activations(root, name, 0, rows.astype(np.float32), corpus=text, family=name[:-1])
    store = Store(root)
    running.measure(store, running.Means("cpu"), names=list(MEASURES), figures=["none"])
    with reading(root) as catalog:
        closest, _, neurons, *_ = findings(catalog)
    assert "chance" not in closest.verdict and "turned" not in neurons.verdict
    for name, method in (("ckasim", "permuted"), ("neuronsim", "rotated")):
        means = running.Means("cpu", sure=Uncertainty(nulls=Nulls(permutations=20, method=method)))
        running.measure(store, means, names=[name], figures=["none"])
    with reading(root) as catalog:
        closest, _, neurons, *_ = findings(catalog)
        [(turned,)] = catalog.execute(
            "SELECT avg(mean) FROM nulls WHERE measure = 'neuronsim' AND model_a[1:2] <> model_b[1:2]"
        ).fetchall()
        best = closest.table.records()[0]
    assert f"where chance gives {best['chance']:.2f} (p = {1 / 21:.3f})" in closest.verdict
    assert f"({turned:.2f} once the other layer's neurons are turned at random)" in neurons.verdict
