"""Completion in a shell, by a real bash; and help that is worth reading, of every command."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import toy
from click.shell_completion import ShellComplete
from click.testing import CliRunner
from sharing_stores import measured

from layeratlas.cli import cli
from layeratlas.measures import MEASURES
from layeratlas.queries.commands import completing


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return measured(tmp_path_factory.mktemp("completion") / "s", "m1", "m2").root


def completed(root: Path, *words: str) -> list[str]:
    """What is offered for the last of these words, behind `layeratlas`."""
    *before, last = words
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAYERATLAS_STORE", str(root))
        offered = ShellComplete(cli, {}, "layeratlas", completing.VARIABLE).get_completions(before, last)
    return [item.value for item in offered if item.type == "plain"]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("query nearest b", [f"bee:{layer}" for layer in range(5)]),
        ("query top-pairs --model c", ["cat"]),
        ("query top-pairs --family ", ["a-family", "b-family", "c-family"]),
        ("query top-pairs --measure n", ["neuronsim"]),
        ("query top-pairs --corpus ", ["toy"]),
        ("query top-pairs --origin o", ["own"]),
        ("query heatmap ant b", ["bee"]),
        ("query correspondence a", ["ant", "asp"]),
        ("query layers e", ["effective_rank"]),
        ("query clusters --linkage s", ["single"]),
        ("plot map --configuration d", ["default"]),
        ("export --model a", ["ant", "asp"]),
    ],
)
def test_names_come_from_the_store(stores: dict[str, Path], words: str, offered: list[str]) -> None:
    assert completed(stores["own"], *words.split(" ")) == offered


def test_the_store_that_is_named_is_asked(stores: dict[str, Path]) -> None:
    offered = ShellComplete(cli, {}, "layeratlas", completing.VARIABLE).get_completions(
        ["query", "top-pairs", "--store", str(stores["own"]), "--model"], "c"
    )
    assert [item.value for item in offered] == ["cat"]


def test_every_question_completes_what_it_names(stores: dict[str, Path]) -> None:
    query = cli.commands["query"]
    assert isinstance(query, click.Group)
    for name, command in query.commands.items():
        for parameter in command.params:
            if isinstance(parameter, click.Argument):
                context = click.Context(command)
                context.params["root"] = str(stores["own"])
                there = [item.value for item in parameter.shell_complete(context, "")]
                assert any(value.startswith(("ant", "anisotropy")) for value in there), (name, parameter.name)


def test_heads_and_measures_that_can_be_computed(root: Path) -> None:
    assert completed(root, "plot", "attention", "m1:2:") == ["m1:2:0", "m1:2:1"]
    assert completed(root, "measure", "--measure", "cka") == sorted(name for name in MEASURES if name.startswith("cka"))


def test_without_a_store_nothing_is_offered_and_nothing_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert completed(tmp_path / "none", "query", "nearest", "") == []
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "catalog.duckdb").write_bytes(b"no database")
    assert completed(tmp_path / "broken", "query", "nearest", "") == []
    assert capsys.readouterr() == ("", "")


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_bash_completes_a_layer_as_one_word(stores: dict[str, Path], tmp_path: Path) -> None:
    called = tmp_path / "layeratlas"
    code = "import sys; sys.argv[0] = 'layeratlas'; from layeratlas.cli import main; main()"
    called.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{code}" "$@"\n')
    called.chmod(0o755)
    script = """eval "$(layeratlas completion bash)"; COMP_WORDS=(layeratlas query nearest bee:); COMP_CWORD=3
    _layeratlas_completion layeratlas; echo "${COMPREPLY[@]}"; [[ $COMP_WORDBREAKS != *:* ]] && echo whole"""
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "LAYERATLAS_STORE": str(stores["own"])}
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=environment, check=False)
    layers = " ".join(f"bee:{layer}" for layer in range(toy.MODELS["bee"][1] + 1))
    assert done.stdout.splitlines() == [layers, "whole"], done.stderr


@pytest.mark.parametrize("shell", completing.SHELLS)
def test_each_shell_gets_its_script(shell: str) -> None:
    done = CliRunner().invoke(cli, ["completion", shell])
    assert done.exit_code == 0 and f"{completing.VARIABLE}={shell}_complete" in done.stdout


def commands(group: click.Group, name: str = "layeratlas") -> Iterator[tuple[str, click.Command]]:
    for child, command in group.commands.items():
        yield f"{name} {child}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} {child}")


@pytest.mark.parametrize(
    ("name", "command"), list(commands(cli)), ids=lambda each: each if isinstance(each, str) else ""
)
def test_help_says_what_a_command_does_with_an_example_that_it_understands(name: str, command: click.Command) -> None:
    text = command.help or ""
    assert text.split("\n")[0].strip().endswith((".", ":", "?", "…")), "the first line is a sentence"
    assert f"Example: {name}" in text or f"$({name}" in text, "an example of itself"
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert (parameter.help or "").endswith((".", "…", "file.", ")")), f"{parameter.name} says what it is"
