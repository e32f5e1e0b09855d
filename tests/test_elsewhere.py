"""A store elsewhere, from machines that have nothing of it: nothing is extracted again, no copy need be kept."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from extract_tiny import save_model
from sharing_stores import bucket, s3_server  # noqa: F401

import layeratlas
from layeratlas import running
from layeratlas.measures.registry import configuration, configuration_row, configure
from layeratlas.measures.remaining import Remaining
from layeratlas.store.errors import ArtifactDamaged
from layeratlas.store.sharing.places import open_place
from layeratlas.store.store import store_at

SCORES = "SELECT measure, model_a, layer_a, model_b, layer_b, value FROM layer_pairs ORDER BY ALL"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, family in (("bert-a", "bert"), ("gpt2-a", "gpt2")):
        save_model(family, tmp_path / name)
    (tmp_path / "text.txt").write_text("The cats saw two dogs .\nNobody saw them , they say .\n" * 300)
    return tmp_path


def study(folder: Path, *measures: str) -> Path:
    models = "".join(f'[[models]]\nid = "./{name}"\n' for name in ("bert-a", "gpt2-a"))
    asked = "".join(f'[[measures]]\nname = "{name}"\n' for name in measures)
    path = folder / f"{'-'.join(measures)}.toml"
    path.write_text(f'{models}[[corpora]]\npath = "text.txt"\n{asked}')
    return path


def kept(folder: Path) -> list[Path]:
    return list(folder.rglob("activations/**/*.parquet"))


@pytest.mark.parametrize("copies", ["all", "none"])
def test_another_machine_extracts_nothing_again(
    copies: str, folder: Path, bucket: str, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:  # fmt: skip
    layeratlas.run(study(folder, "ckasim", "neuronsim"), store=folder / "here")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "one"))
    layeratlas.run(study(folder, "ckasim"), store=f"{bucket}/atlas")
    assert len(kept(folder / "one")) == 6
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "two"))
    monkeypatch.setenv("LAYERATLAS_COPIES", copies)
    outcome = layeratlas.run(study(folder, "ckasim", "neuronsim"), store=f"{bucket}/atlas")
    assert outcome.lines() == ["extracted 0 layers", "measured 30 scores"]
    assert len(kept(folder / "two")) == (6 if copies == "all" else 0)
    again = running.audit(running.open_store(f"{bucket}/atlas"), running.Means("cpu"), sample=5)
    assert again.exit_code == 0 and len(kept(folder / "two")) == (6 if copies == "all" else 0)
    activations = layeratlas.open(f"{bucket}/atlas").activations("bert-a", 1)
    assert activations.numpy().shape == (len(activations), 16) and len(kept(folder / "two")) >= 1
    here, there = (
        [list(row.values()) for row in layeratlas.open(where).sql(SCORES)]
        for where in (folder / "here", f"{bucket}/atlas")
    )
    assert [row[:-1] for row in here] == [row[:-1] for row in there] and len(here) == 60
    assert [row[-1] for row in there] == pytest.approx([row[-1] for row in here], abs=1e-6)


def test_planning_fetches_no_layer(
    folder: Path, bucket: str, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:  # fmt: skip
    path = study(folder, "ckasim", "attsim")
    path.write_text(path.read_text() + '[extraction]\nkinds = ["activations", "attention"]\n')
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "one"))
    layeratlas.run(path, store=f"{bucket}/atlas")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "two"))
    store = store_at(f"{bucket}/atlas")
    store.merge()
    chosen = {configuration(one).configuration: one for one in map(configure, ("neuronsim", "attention_ckasim"))}
    store.write("configurations", [configuration_row(one) for one in chosen.values()])
    remaining = Remaining(store, store.artifacts(), chosen, [], run="r", memory=2**28, refresh=False)
    with closing(remaining):
        tiles = [remaining.take() for _ in range(3)]
    assert [tile and (tile.kind, len(tile.pairs)) for tile in tiles] == [("activations", 15), ("attention", 6), None]
    assert not list(store.root.rglob("layer=*"))


def test_processes_of_one_machine_fetch_a_file_once(
    folder: Path, bucket: str, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:  # fmt: skip
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "one"))
    layeratlas.run(study(folder, "ckasim"), store=f"{bucket}/atlas")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "two"))
    stores = [store_at(f"{bucket}/atlas") for _ in range(4)]
    fetched: list[str] = []
    for store in stores:
        store.merge()
        fetch = store.place.fetch  # type: ignore[attr-defined]
        monkeypatch.setattr(
            store.place,  # type: ignore[attr-defined]
            "fetch", lambda name, to, fetch=fetch: (fetched.append(name), fetch(name, to))[1],
        )  # fmt: skip
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda store: store.bring(store.artifacts()), stores))
    assert sorted(fetched) == sorted(row.path for row in stores[0].artifacts()) and len(kept(folder / "two")) == 6


def test_who_waited_for_another_machine_sees_what_it_wrote(
    folder: Path, bucket: str, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:  # fmt: skip
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "one"))
    layeratlas.run(study(folder, "ckasim"), store=f"{bucket}/atlas")
    file, place = kept(folder / "one")[0], open_place(f"{bucket}/atlas")
    name = str(file.relative_to(store_at(f"{bucket}/atlas").root))
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "two"))
    store = store_at(f"{bucket}/atlas")
    store.merge()
    [row] = [row for row in store.artifacts() if row.path == name]
    place.remove(name)
    assert not store.has(row)
    place.put(file, name)
    with store.lock("extract-something") as held:
        assert held and store.has(row)


def test_what_is_damaged_there_is_refused_while_it_is_read(
    folder: Path, bucket: str, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:  # fmt: skip
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "one"))
    layeratlas.run(study(folder, "ckasim"), store=f"{bucket}/atlas")
    damaged = sorted(kept(folder / "one"))[0]
    content = bytearray(damaged.read_bytes())
    content[len(content) // 3] ^= 1
    damaged.write_bytes(content)
    place, name = open_place(f"{bucket}/atlas"), str(damaged.relative_to(store_at(f"{bucket}/atlas").root))
    place.put(damaged, name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "two"))
    monkeypatch.setenv("LAYERATLAS_COPIES", "none")
    with pytest.raises(ArtifactDamaged, match=f"{damaged.name} cannot be read"):
        layeratlas.run(study(folder, "ckasim", "neuronsim"), store=f"{bucket}/atlas")
