"""A kind that nobody knew: a row, a take and a hook of its own, and extraction plans, runs, adopts and finishes it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from extract_tiny import SENTENCES, save_model

from layeratlas.extract.encoders.hooks import HOOKS, Hook, Probe, States
from layeratlas.extract.runner import Summary, extract, plan, present
from layeratlas.extract.takes.activations import Activations
from layeratlas.store.artifacts.activations import read_chunks
from layeratlas.store.identity import Settings
from layeratlas.store.kinds import KINDS, Kind
from layeratlas.store.progress import Silent
from layeratlas.store.store import Store
from layeratlas.store.study import CorpusSpec, ModelSpec, Study


class BlockTake(Activations):
    """A row a word, pooled as activations are."""

    kind = "blocks"

    @classmethod
    def model_columns(cls, units: Any) -> dict[str, int]:
        """The catalog keeps nothing more of a model."""
        return {}


class BlockHook(Hook):
    """What BERT's last part of each block puts out, which is the block's hidden state: a known answer."""

    def __init__(self, model: Any, title: str) -> None:
        super().__init__(model, title)
        self._seen: list[torch.Tensor] = []
        for block in model.encoder.layer:
            block.output.register_forward_hook(lambda _module, _given, output: self._seen.append(output))

    @classmethod
    def fits(cls, config: Any) -> bool:
        """BERT alone."""
        return bool(config.model_type == "bert")

    def states(self, inputs: dict[str, torch.Tensor], output: Any) -> States:
        """What was seen in this pass."""
        seen, self._seen[:] = tuple(self._seen), []
        return seen[-self._model.config.num_hidden_layers :]

    def learn(self, probe: Probe) -> tuple[int, ...]:
        """Widths."""
        return tuple(state.shape[-1] for state in probe.show([probe.window]))


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    row = Kind("blocks", "neuron", Settings, first_layer=1, module="layeratlas.store.artifacts.activations")
    monkeypatch.setitem(KINDS, "blocks", row)
    monkeypatch.setitem(HOOKS, "blocks", BlockHook)
    monkeypatch.setitem(sys.modules, "layeratlas.extract.takes.blocks", SimpleNamespace(TAKE=BlockTake))
    (tmp_path / "corpus.txt").write_text("\n".join(" ".join(sentence) for sentence in SENTENCES), "utf-8")
    specs = tuple(ModelSpec(str(save_model(family, tmp_path / family)), family) for family in ("bert", "gpt2"))
    return Study(specs, (CorpusSpec(tmp_path / "corpus.txt", "tiny"),), kinds=("activations", "blocks"))


def done(store: Store, study: Study, progress: Silent) -> Summary:
    store.merge()
    return extract(store, study, plan(store, study), device="cpu", progress=progress, run="r")


def test_a_new_kind_is_a_row_a_take_and_a_hook(study: Study, tmp_path: Path) -> None:
    store, progress = Store(tmp_path / "store"), Silent()
    assert done(store, study, progress) == Summary(written=8)
    assert progress.notes == ["gpt2 over tiny: GPT2Model has no blocks, which is left out"]
    assert [task.model.name for task in plan(store, study)] == ["gpt2"]  # the catalog cannot know that it has none
    assert done(store, study, progress) == Summary()
    assert progress.notes[1:] == progress.notes[:1]
    rows = {(row.model, row.kind, row.layer): row for row in present(store, study)}
    for layer in (1, 2):
        hooked, shown = (
            np.concatenate(list(read_chunks(store.root / rows["bert", kind, layer].path, rows=1000)))
            for kind in ("blocks", "activations")
        )
        np.testing.assert_array_equal(hooked, shown)
    (store.root / "catalog.duckdb").unlink()
    shutil.rmtree(store.root / "results")
    assert done(store, study, progress) == Summary(adopted=8)
