"""An encoder that another package offers: from its installation to scores, and what goes wrong with a bad one."""

from __future__ import annotations

import json
import os
import shutil
import string
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from extract_tiny import SENTENCES, save_model
from safetensors.torch import save_file

from layeratlas.store.artifacts.activations import read_chunks
from layeratlas.store.store import Store

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "tests" / "extra_encoder"
sys.path.insert(0, str(PACKAGE))
from extra_encoder import Characters  # noqa: E402 - of the package that is installed below


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed the package, to be put on the path."""
    folder = tmp_path_factory.mktemp("installed")
    source = shutil.copytree(
        PACKAGE, tmp_path_factory.mktemp("source") / "package", ignore=shutil.ignore_patterns("__pycache__")
    )
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--disable-pip-version-check", "--target", folder, source], check=True)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network with random weights, as a folder."""
    folder = tmp_path_factory.mktemp("models") / "chars"
    folder.mkdir()
    torch.manual_seed(0)
    save_file(Characters(len(string.ascii_lowercase) + 1, 12, 2).state_dict(), folder / "model.safetensors")
    config = {"model_type": "tiny-characters", "alphabet": string.ascii_lowercase, "width": 12, "layers": 2}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("corpus") / "tiny.txt"
    file.write_text("\n".join(" ".join(sentence) for sentence in SENTENCES), "utf-8")
    return file


def atlas(installed: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, (str(installed), os.environ.get("PYTHONPATH"))))
    return subprocess.run(
        [sys.executable, "cli.py", *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": path, "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip


def test_it_is_extracted_measured_and_what_is_stored_is_what_it_gives(
    installed: Path, model: Path, corpus: Path, tmp_path: Path
) -> None:
    other = save_model("bert", tmp_path / "bert")
    where = ("--store", tmp_path / "store")
    done = atlas(installed, "extract", model, other, "--corpus", corpus, *where)
    assert done.returncode == 0, done.stderr
    assert atlas(installed, "measure", "--measure", "ckasim", *where).returncode == 0
    store = Store(tmp_path / "store")
    assert store.rows("SELECT family, architecture, layers FROM models WHERE model = 'chars'") == [
        ("character GRU", "Characters", 2)
    ]
    [(scores,)] = store.rows("SELECT count(*) FROM layer_pairs WHERE model_a = 'chars' AND model_b = 'bert'")
    assert scores == 9
    path = next(row.path for row in store.artifacts(["chars"]) if row.layer == 2)
    np.testing.assert_allclose(np.concatenate(list(read_chunks(store.root / path))), expected(model), atol=1e-6)


def expected(model: Path) -> np.ndarray:  # [words, neurons]
    """Layer 2, sentence by sentence, at the last character of each word."""
    from safetensors.torch import load_file

    network = Characters(27, 12, 2)
    network.load_state_dict(load_file(model / "model.safetensors"))
    rows = []
    for sentence in SENTENCES:
        numbers = [[string.ascii_lowercase.find(c) + 1 for c in word] for word in sentence]
        ends = np.cumsum([len(word) for word in numbers]) - 1
        with torch.inference_mode():
            states = network(torch.tensor([[n for word in numbers for n in word]]))
        rows.append(states[2][0, ends].numpy())
    return np.concatenate(rows)


def test_without_the_package_the_model_fails_in_one_line(model: Path, corpus: Path, tmp_path: Path) -> None:
    done = atlas(tmp_path, "extract", model, "--corpus", corpus, "--store", tmp_path / "store")
    assert done.returncode == 1 and "chars over tiny failed" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import nowhere\n", "ModuleNotFoundError: No module named 'nowhere'. Repair or uninstall it"),
        ("FAMILIES = {}\n", "extra_encoder lacks load, or 'tiny-characters' among its FAMILIES"),
        ("raise SystemExit(3)\n", "SystemExit: 3. Repair or uninstall it"),
    ],
)
def test_a_package_that_breaks_is_named_in_one_line(
    code: str, says: str, installed: Path, model: Path, corpus: Path, tmp_path: Path
) -> None:
    broken = shutil.copytree(installed, tmp_path / "broken")
    (broken / "extra_encoder.py").write_text(code)
    shutil.rmtree(broken / "__pycache__", ignore_errors=True)
    done = atlas(broken, "extract", model, "--corpus", corpus, "--store", tmp_path / "store")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    offered = "the package layeratlas-extra-encoder offers an encoder of 'tiny-characters', which cannot be loaded"
    assert f"{offered}: {says}" in " ".join(done.stderr.split())


def test_our_own_families_need_no_package_to_be_sound(installed: Path, corpus: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(installed, tmp_path / "broken")
    (broken / "extra_encoder.py").write_text("import nowhere\n")
    done = atlas(broken, "extract", ROOT / "zoo/models/bert-tiny", "--corpus", corpus, "--store", tmp_path / "store")
    assert done.returncode == 0, done.stderr
