"""Every block of code in the docs is executed somewhere, or stands below with the reason why not, and a check."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import pytest
from sharing_stores import extracted

from layeratlas import running
from layeratlas.cli import cli
from layeratlas.queries.core.scope import Asked
from layeratlas.queries.questions import QUESTIONS
from layeratlas.store.store import Store
from layeratlas.store.study import ResultsSpec
from zoo.__main__ import main as zoo_main

ROOT = Path(__file__).resolve().parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), ROOT / "zoo" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@dataclass(frozen=True)
class Block:
    """A block of code: its page, the comment above it, its language, its text."""

    page: str
    comment: str
    language: str
    text: str

    @property
    def first(self) -> str:
        return self.text.partition("\n")[0]


def blocks() -> list[Block]:
    fence = re.compile(r"(?:<!-- ([^\n]*) -->\n)?^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
    return [
        Block(str(path.relative_to(ROOT)), found[1] or "", found[2], found[3])
        for path in PAGES for found in fence.finditer(path.read_text(encoding="utf-8"))
        if path.name != "commands.md"  # help, written by cog
    ]  # fmt: skip


#: Executed by test_docs.py, beside those with a comment that says so: page, and how blocks begin.
IN_TEST_DOCS = {
    "README.md": ("import layeratlas as la",), "docs/models.md": ("[[models]]",),
    "docs/python.md": ("import layeratlas as la", "pairs =", "import polars", "layer =", "import numpy", "store.export",
                       "try:"),
}  # fmt: skip
#: Executed here.
HERE = {"README.md": ("$ layeratlas run",), "docs/index.md": ("$ layeratlas run",), "docs/catalog.md": ("citation",),
        "docs/uncertainty.md": ("layeratlas measure", "layeratlas query compare-pairs",
                               "layeratlas query power"),
        "docs/models.md": ("layeratlas import-activations", "layeratlas.add_activations"),
        "zoo/README.md": ("from transformers", "from pathlib")}  # fmt: skip
#: Not executed: why, and what is checked instead.
EXCEPTIONS = {
    ("README.md", "layeratlas extract bert-base-uncased"): "a model of the hub and a folder of the user's; is parsed",
    (
        "README.md",
        "layeratlas export demo.atlas.zip",
    ): "a bucket of the user's; is parsed; docs/sharing.md's is run",
    ("docs/scale.md", "layeratlas run study.toml"): "starts workers, as tests/test_executors.py does; is parsed",
    ("docs/scale.md", "pip install"): "a cluster; is parsed",
    ("docs/scale.md", "#!/bin/bash"): "a batch job of a cluster; is parsed",
    ("docs/scale.md", "from layeratlas.executors"): "a cluster; its call is bound to the signature",
    ("zoo/README.md", "$ python -m zoo train"): "trains for hours; is parsed",
    ("CONTRIBUTING.md", "@measure"): "an outline; each of its lines stands in ckasim.py",
    ("CONTRIBUTING.md", "[project.entry-points"): "stands in the example packages that tests install",
}


def is_named(block: Block, named: dict[str, tuple[str, ...]]) -> bool:
    return block.first.startswith(named.get(block.page, ())) if block.page in named else False


def test_every_block_is_executed_or_is_an_exception() -> None:
    found = blocks()
    assert len(found) > 20
    for block in found:
        known = "run by tests/test_docs.py" in block.comment or is_named(block, IN_TEST_DOCS) or is_named(block, HERE)
        excepted = [
            why for (page, first), why in EXCEPTIONS.items() if page == block.page and block.first.startswith(first)
        ]
        assert known or excepted, f"{block.page}: nobody executes the block that begins {block.first!r}"


def block_of(page: str, begins: str) -> str:
    return next(each.text for each in blocks() if each.page == page and each.first.startswith(begins))


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("blocks") / "published"
    running.run("wu2020-published", store=Store(root))
    return root


@pytest.mark.parametrize(("page", "columns"), [("README.md", "119"), ("docs/index.md", "80")])
def test_what_a_page_shows_is_what_is_printed(published: Path, page: str, columns: str) -> None:
    _, command, *shown = block_of(page, "$ layeratlas run").rstrip("\n").split("\n")
    arguments = [*shlex.split(command.removeprefix("$ layeratlas "))[:-2], "--store", str(published)]
    done = subprocess.run([sys.executable, "cli.py", *arguments], cwd=ROOT, capture_output=True, text=True, check=True,
                          env={**os.environ, "COLUMNS": columns})  # fmt: skip
    assert done.stdout.rstrip("\n").split("\n") == shown


def test_results_of_elsewhere_are_described_as_the_page_says(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(block_of("docs/catalog.md", "citation"))
    lines = "ewt,procrustes,bert_base_cased,0,bert_base_cased,1,1.5\n"
    (tmp_path / "r.csv").write_text("corpus,measure,model_a,layer_a,model_b,layer_b,value\n" + lines)
    store = Store(tmp_path / "s")
    running.import_results(store, ResultsSpec(tmp_path / "r.csv", "theirs", None))
    with store.catalog() as catalog:
        answer = QUESTIONS["top-pairs"].ask(catalog, Asked(source="theirs"))
    assert answer.scope is not None and answer.scope.are_distances and answer.scope.configuration == "published"
    assert answer.column("value")[0] == 1.5


def test_activations_of_elsewhere_come_in_as_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import h5py

    import layeratlas

    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    words = [f"word{n}" for n in range(40)]
    for layer in (0, 1):
        np.save(f"layer_{layer}.npy", rng.standard_normal((40, 6)).astype(np.float32))
    Path("my.txt").write_text("\n".join(" ".join(words[at : at + 8]) for at in range(0, 40, 8)) + "\n")
    Path("images.txt").write_text("\n".join(words) + "\n")
    np.savez("vision.npz", **{f"layer_{n}": rng.standard_normal((40, 5)).astype(np.float32) for n in range(2)})
    rows = [f"{n % 8 + 1}\t{word}" + 8 * "\t_" + "\n" * (1 + (n % 8 == 7)) for n, word in enumerate(words)]
    Path("ewt.conllu").write_text("".join(rows))
    with h5py.File("elmo.hdf5", "w") as file:
        for sentence in range(5):
            file[str(sentence)] = rng.standard_normal((3, 8, 4)).astype(np.float32)
        said = {" ".join(words[at * 8 : at * 8 + 8]): str(at) for at in range(5)}
        file["sentence_to_index"] = [str(said).replace("'", '"')]
    for command in block_of("docs/models.md", "layeratlas import-activations").strip().split("\n"):
        cli.main(shlex.split(command)[1:], standalone_mode=False)
    array = rng.standard_normal((40, 6)).astype(np.float32)
    names = {"layeratlas": layeratlas, "array": array, "blocks": iter([array[:20], array[20:]]), "ids": words}
    exec(block_of("docs/models.md", "layeratlas.add_activations"), names)
    there = {(row.model, row.layer) for row in Store(Path("layeratlas-data")).artifacts()}
    assert {("mine", 0), ("mine", 1), ("mine", 3), ("elmo", 2), ("vit", 1), ("cells", 0)} <= there


def test_intervals_are_measured_and_pairs_compared_as_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    extracted(tmp_path, "bert-tiny", "gpt2-tiny", "xlnet-tiny", attention=False)
    monkeypatch.setenv("LAYERATLAS_STORE", str(tmp_path))
    lines = [line for begins in HERE["docs/uncertainty.md"]
             for line in block_of("docs/uncertainty.md", begins).strip().splitlines()]  # fmt: skip
    assert len(lines) == 4
    for line in lines:
        cli.main(shlex.split(line, comments=True)[1:], standalone_mode=False)
    assert "=> " in capsys.readouterr().out


def test_a_cluster_is_called_as_the_page_says() -> None:
    import inspect

    from layeratlas.executors.on_ray import OnRay

    called = block_of("docs/scale.md", "from layeratlas.executors").rpartition("executor=OnRay")[2]
    eval(f"inspect.signature(OnRay).bind{called.strip()[:-1]}", {"inspect": inspect, "OnRay": OnRay})


@pytest.mark.slow
def test_the_zoos_models_load_as_its_page_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    shapes = {"from transformers": (5, 128), "from pathlib": (3, 256)}
    for begins, (layers, width) in shapes.items():
        names: dict[str, object] = {}
        exec(block_of("zoo/README.md", begins), names)
        found = names["layers"]
        assert isinstance(found, tuple | list) and len(found) == layers
        assert all(each.shape[-1] == width for each in found)


@pytest.mark.parametrize(("page", "begins"), [key for key in EXCEPTIONS if "pars" in EXCEPTIONS[key]])
def test_what_is_not_executed_is_at_least_understood(page: str, begins: str, tmp_path: Path,
                                                     monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    for name in ("my.conllu", "demo.atlas.zip"):
        Path(name).touch()
    for line in block_of(page, begins).splitlines():
        words = shlex.split(line.removeprefix("$ "), comments=True)
        if words[:1] == ["layeratlas"]:
            parsed(cli, words[1:])
        elif words[:3] == ["python", "-m", "zoo"]:
            with pytest.raises(SystemExit) as ended:
                monkeypatch.setattr(sys, "argv", ["zoo", words[3], "--help"])
                zoo_main()
            assert ended.value.code == 0


def parsed(group: click.Group, words: list[str]) -> None:
    """Parse a command with its options and arguments, and do nothing. Raises click.UsageError."""
    with click.Context(group) as context:
        _, command, rest = group.resolve_command(context, words)
        assert command is not None
        if isinstance(command, click.Group):
            parsed(command, rest)
        else:
            command.make_context(words[0], rest, parent=context).close()


def test_outlines_are_taken_from_what_there_is() -> None:
    outline = block_of("CONTRIBUTING.md", "@measure")
    ckasim = (ROOT / "measures" / "kernels" / "ckasim.py").read_text(encoding="utf-8")
    for line in outline.splitlines():
        code = line.partition("  #")[0].strip()
        if code and not code.startswith(("class ", "def ", '"""')):
            assert code.split(" = ")[0] in ckasim, code
    packages = [tomllib.loads((ROOT / "tests" / name / "pyproject.toml").read_text(encoding="utf-8"))
                for name in ("extra_measure", "extra_encoder")]  # fmt: skip
    said = [tomllib.loads(each.text) for each in blocks() if each.first.startswith("[project.entry-points")]
    for theirs, ours in zip(packages, said, strict=True):
        assert ours["project"]["entry-points"].items() <= theirs["project"]["entry-points"].items()
