"""A measure that another package offers: from its installation to an answer, and what goes wrong with a bad one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from extract_tiny import save_model

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "tests" / "extra_measure"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed the package, to be put on the path."""
    folder = tmp_path_factory.mktemp("installed")
    source = shutil.copytree(PACKAGE, tmp_path_factory.mktemp("source") / "package")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--disable-pip-version-check", "--target", folder, source], check=True)
    return folder


def atlas(installed: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, (str(installed), os.environ.get("PYTHONPATH"))))
    return subprocess.run(
        [sys.executable, "cli.py", *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": path, "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def store(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tiny models, measured under the offered measure."""
    folder = tmp_path_factory.mktemp("extra")
    for name, family in (("bert-a", "bert"), ("gpt2-a", "gpt2")):
        save_model(family, folder / name)
    corpus = ROOT / "corpora" / "ewt" / "en_ewt-ud-dev.conllu.gz"
    models = "".join(f'[[models]]\nid = "./{name}"\n' for name in ("bert-a", "gpt2-a"))
    (folder / "study.toml").write_text(
        f'{models}[[corpora]]\npath = "{corpus}"\nlimit = 60\n[extraction]\nlong_sentences = "split"\n'
        '[[measures]]\nname = "spreaddist"\n[[measures]]\nname = "ckasim"\n'
    )
    done = atlas(installed, "run", folder / "study.toml", "--store", folder / "store")
    assert done.returncode == 0, done.stderr
    return folder / "store"


def test_it_is_measured_kept_and_asked_as_a_distance(installed: Path, store: Path) -> None:
    sql = "SELECT DISTINCT direction, low, high, is_symmetric FROM layer_pairs WHERE measure = 'spreaddist'"
    found = json.loads(atlas(installed, "sql", sql, "--format", "json", "--store", store).stdout)
    assert found == [{"direction": "distance", "low": 0.0, "high": 1.0, "is_symmetric": True}]
    top = atlas(installed, "query", "top-pairs", "--measure", "spreaddist", "--format", "json", "--store", store)
    values = [row["value"] for row in json.loads(top.stdout)]
    assert values == sorted(values) and 0 <= values[0] < values[-1] <= 1


def test_its_scores_are_still_answered_where_it_is_not_installed(store: Path, tmp_path: Path) -> None:
    asked = atlas(tmp_path, "query", "top-pairs", "--measure", "spreaddist", "--store", store)
    assert asked.returncode == 0 and "spreaddist" in asked.stdout
    missing = atlas(tmp_path, "measure", "--measure", "spreaddist", "--store", store)
    assert missing.returncode == 2 and "unknown measure 'spreaddist'" in missing.stderr


def test_arrays_of_different_widths_are_refused_by_name(installed: Path) -> None:
    code = (
        "import numpy, layeratlas; a = numpy.random.default_rng(0).standard_normal((50, 8))\n"
        "print(layeratlas.compare(a, a, measure='spreaddist').value)\n"
        "try: layeratlas.compare(a, a[:, :5], measure='spreaddist')\n"
        "except layeratlas.MeasureError as error: print(error)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(installed), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "0.0\nspreaddist compares layers of one width; a has 8, b has 5\n"


def test_a_package_that_breaks_is_named_in_one_line(installed: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(installed, tmp_path / "broken")
    (broken / "extra_measure.py").write_text("import nowhere\n")
    done = atlas(broken, "measure", "--measure", "spreaddist", "--store", tmp_path / "s")
    assert done.returncode != 0 and "Traceback" not in done.stderr
    done = subprocess.run(
        [sys.executable, "-c", "import layeratlas.measures as m; m.configure('spreaddist')"], capture_output=True,
        text=True, check=False, env={**os.environ, "PYTHONPATH": str(broken)},
    )  # fmt: skip
    said = "the package layeratlas-extra-measure offers the measure 'spreaddist', which cannot be loaded: No module"
    assert said in done.stderr
