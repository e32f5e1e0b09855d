"""The tutorials run in a real kernel, as a notebook does, and show tables, pictures and progress."""

from __future__ import annotations

import html
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.ipynb"))
#: How many pictures, tables and bars each shows at least.
SHOWN = {
    "1-first-answer": (2, 5, 0),
    "2-fine-tuned-models": (2, 4, 5),
    "3-attention": (1, 3, 4),
    "4-sharing": (0, 4, 3),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout's tutorials: models and corpora are where they are seen from there."""
    root = tmp_path_factory.mktemp("checkout")
    (root / "docs" / "tutorials").mkdir(parents=True)
    for name in ("zoo", "corpora"):
        (root / name).symlink_to(ROOT / name)
    return root / "docs" / "tutorials"


@pytest.fixture(scope="module")
def kernel(folder: Path) -> Iterator[KernelManager]:
    """One kernel for all, for what takes long is to import torch; each tutorial begins with no names of another's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        manager = KernelManager(kernel_name="python3")
        manager.start_kernel(cwd=str(folder))
        yield manager
        manager.shutdown_kernel(now=True)


@pytest.mark.slow
@pytest.mark.parametrize("tutorial", TUTORIALS, ids=lambda path: path.stem)
def test_a_tutorial_runs(tutorial: Path, kernel: KernelManager) -> None:
    notebook = nbformat.read(tutorial, as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell("%reset -f"))
    NotebookClient(notebook, km=kernel, timeout=300, shutdown_kernel="immediate").execute(cleanup_kc=False)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output.output_type == "stream" and output.name == "stdout"]
    assert not [output for output in outputs if "<pre style" in output.get("data", {}).get("text/html", "")]  # of Rich
    pages = [output.data.get("text/html", "") for output in outputs if "data" in output]
    shown = [sum(sign in page for page in pages) for sign in ("data:image/svg+xml;base64,", "<table", "<progress")]
    assert all(there >= least for there, least in zip(shown, SHOWN[tutorial.stem], strict=True)), shown
    last = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"][-1]
    assert last, "the last cell shows something"


@pytest.mark.parametrize("tutorial", TUTORIALS, ids=lambda path: path.stem)
def test_a_tutorial_is_kept_without_outputs(tutorial: Path) -> None:
    cells = json.loads(tutorial.read_text())["cells"]
    assert not [cell for cell in cells if cell.get("outputs") or cell.get("execution_count")]
    assert tutorial.stat().st_size < 20_000 and cells[0]["source"][0].startswith("# ")


@pytest.mark.slow
def test_marimo_shows_answers_too(tmp_path: Path) -> None:
    pytest.importorskip("marimo", reason="marimo is not installed: pip install marimo")
    notebook, page = ROOT / "docs" / "tutorials" / "first_answer_marimo.py", tmp_path / "page.html"
    shutil.copy(notebook, tmp_path)
    command = [sys.executable, "-m", "marimo", "export", "html", notebook.name, "-o", str(page), "--no-include-code"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    shown = html.unescape(page.read_text(encoding="utf-8")).replace("\\u003C", "<").replace("\\u003c", "<")
    assert done.returncode == 0 and "Traceback" not in shown, done.stderr
    assert "<table" in shown and "bert_base_cased" in shown and "data:image/svg+xml;base64," in shown
