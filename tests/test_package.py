"""The package as others get it: a wheel of our own name only, installed where nothing else of ours is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

from layeratlas.store.errors import BadRequest
from layeratlas.store.shipped import find_study
from layeratlas.store.study import load_study

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("store", "executors", "extract", "measures", "queries")
STUDY = ROOT / "studies" / "wu2020-published.toml"


def tracked(*folders: str) -> list[str]:
    """Return the files that git knows, as they stand in the checkout now."""
    listed = subprocess.run(["git", "ls-files", "-z", *folders], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of the tracked files, without the network."""
    checkout, out = tmp_path_factory.mktemp("checkout"), tmp_path_factory.mktemp("wheel")
    for name in tracked(*ROOMS, ":(glob)*", "studies"):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, checkout / name)
    pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", out, checkout)
    (built,) = out.iterdir()
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh environment that has the wheel, and sees what else the tests' own environment has.

    A folder that a .pth file names is searched, but its own .pth files do nothing: an editable layeratlas stays out.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder)
    pip("--python", folder, "install", "--no-deps", "--no-index", wheel)
    (site,) = folder.glob("lib/python*/site-packages")
    around = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site / "around.pth").write_text("".join(f"{path}\n" for path in sorted(around)))
    return folder / "bin" / "python"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's folder, whose modules are called as our rooms are."""
    for room in (*ROOMS, "cli"):
        (tmp_path / f"{room}.py").write_text("raise RuntimeError('this file is the user\\'s own')\n")
    return tmp_path


def pip(*arguments: object) -> None:
    quiet = ["--quiet", "--disable-pip-version-check", "--no-cache-dir"]
    run(ROOT, sys.executable, "-m", "pip", *arguments, *quiet)


def bare() -> dict[str, str]:
    """The environment without what would lead to a checkout or a store."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "LAYERATLAS", "SIMCAT", "COV"))}


def run(folder: Path, *command: object) -> str:
    done = subprocess.run(
        [str(part) for part in command], cwd=folder, env=bare(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name.split("/")[0].split("-")[0] for name in names} == {"layeratlas"}
    assert {name.split("/")[0] for name in names} == {"layeratlas", wheel.name.rsplit("-py3", 1)[0] + ".dist-info"}
    own = [*(path.name for path in ROOT.glob("*.py")), "py.typed", "studies/wu2020-published.toml"]
    published = [f"studies/published/{file.name}" for file in (ROOT / "studies" / "published").iterdir()]
    expected = {f"layeratlas/{name}" for name in (*own, *published, *tracked(*ROOMS))}  # SQL, pages, styles included
    assert {name for name in names if name.startswith("layeratlas/")} == expected
    assert wheel.stat().st_size < 2_000_000


@pytest.mark.slow
def test_an_installed_package_answers_beside_a_users_own_files(installed: Path, folder: Path) -> None:
    command = installed.with_name("layeratlas")
    where = run(folder, installed, "-c", "import layeratlas; print(layeratlas.__file__)").strip()
    assert Path(where).is_relative_to(installed.parent.parent)
    run(folder, command, "run", "wu2020-published", "--store", "s")
    top = run(folder, command, "query", "top-pairs", "--across", "families", "--store", "s", "--format", "csv")
    assert top.startswith("measure,") and len(top.splitlines()) > 3
    assert run(folder, installed, "-m", "layeratlas", "--version").startswith("layeratlas, version ")
    compare = (
        "import layeratlas, numpy; a = numpy.random.default_rng(0).normal(size=(100, 4)); "
        "print(round(layeratlas.compare(a, 2 * a[:, ::-1], measure='ckasim').value, 6))"
    )
    assert run(folder, installed, "-c", compare).strip() == "1.0"
    shutil.copyfile(ROOT / "tests" / "users_script.py", folder / "users_script.py")
    assert run(folder, installed, "users_script.py", "s").splitlines() == ["bert_base_cased 0.7988", "(13, 25)", "True"]


def test_every_folder_of_ours_is_in_the_list_of_packages() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {Path(name).parent for name in tracked(*ROOMS) if name.endswith(".py")}
    assert sorted(listed) == sorted(["layeratlas", *(f"layeratlas.{'.'.join(folder.parts)}" for folder in folders)])


@pytest.mark.parametrize("name", ["wu2020-published", "wu2020-published.toml", "studies/wu2020-published.toml"])
def test_a_study_that_ships_is_found_by_name_from_anywhere(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wu2020-published").mkdir()  # a store of that name, say
    assert find_study(Path(name)) == STUDY
    assert [spec.name for spec in load_study(Path(name)).results] == ["wu2020-ewt", "wu2020-finetuned"]


def test_a_file_of_the_users_own_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wu2020-published.toml").write_text("")
    assert find_study(Path("wu2020-published.toml")) == Path("wu2020-published.toml")


@pytest.mark.parametrize("name", ["nowhere", "studies/nowhere.toml", "else/wu2020-published.toml"])
def test_an_unknown_study_says_which_ship(name: str) -> None:
    with pytest.raises(BadRequest, match=rf"there is no study {name}: .* one that ships: .*wu2020-published"):
        load_study(Path(name))
