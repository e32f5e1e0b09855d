"""What cog puts into the documentation: tables and references read from the code itself."""

from __future__ import annotations

import csv
import inspect
import re
import shlex
import tempfile
import textwrap
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from layeratlas import cli
from layeratlas.measures import MEASURES, listing
from layeratlas.measures.declaration import Measure, parameters_of
from layeratlas.measures.figure import FIGURES
from layeratlas.queries.commands.options import SHARED
from layeratlas.queries.core.registry import Argument, Option, Question
from layeratlas.queries.questions import QUESTIONS
from layeratlas.store import catalog

MODEL_LAYER = "MODEL:LAYER"
_KEPT = "\x00"  # a blank at which no line ends

#: What the columns of the views mean; a view column that is missing here fails the generation.
COLUMNS = {
    "measure": "name of the measure",
    "configuration": "`default`, `wu2020`, or the parameters that differ from the default",
    "pooling": "how sub-words became words: last, first, mean; of attention drop, keep-mass",
    "corpus": "name of the corpus; of several that were called alike with `@` and the beginning of its `content`",
    "kind": "`activations` or `attention`",
    "value": "of a towards b", "words": "words compared", "is_symmetric": "b towards a is the same",
    "is_mirrored": "true in one of the two directions of each pair",
    "version": "of the measure", "presets": "names of parameter sets that this one equals",
    "parameters": "of the measure, as JSON (of a model: how many)",
    "diagnostics": "rank, components, dead neurons, as JSON",
    "source": "`own` for our own", "run": "identifies the run that wrote it", "measured": "when, UTC",
    "model": "name of the model", "family": "bert, gpt2, …", "layer": "0 is the embedding layer",
    "neurons": "width; of attention, heads",
    "heads": "of a block; 0 without attention, empty while nobody asked for it",
    "mean_value": "over layer pairs", "max_value": "over layer pairs",
    "min_value": "over layer pairs", "layer_pairs": "how many", "neuron": "of layer a, from 0",
    "head": "of layer a, from 0",
    "matched_by": "the neuron or head of layer b that matches it best",
    "bytes": "size of the file", "path": "below the store", "sha256": "of the file", "damaged": "why, when it is",
    "settings": "of the extraction, as JSON", "word_set": "equal when two artifacts hold the same words",
    "artifact": "fingerprint of its identity", "registered": "when, UTC", "architecture": "class of the model",
    "layers": "blocks, so that layers run from 0 to it", "finetuned_from": "name of the model it was tuned from",
    "untrained_seed": "of a control", "origin": "hub id, folder or file", "revision": "commit of a hub model",
    "weights": "fingerprint", "command": "what was run", "started": "UTC", "finished": "UTC",
    "outcome": "finished, failed, interrupted, running (or killed)",
    "host": "machine", "device": "cpu, cuda, …", "threads": "of torch", "versions": "of Python and packages, as JSON",
    "sentences": "how many", "content": "fingerprint", "reason": "why there is no score",
    "objective": "what it was trained to do", "citation": "of imported results", "licence": "or terms of use",
    "direction": "`similarity`, or `distance`: smaller is closer",
    "low": "no value is below it; empty: there is no bound",
    "high": "no value is above it; empty: there is no bound",
    "closeness": "larger is closer: `value`, of a distance its negative",
    "figure": "name of the layer's figure", "refused": "why there is no value, when there is none",
    "tolerance": "how exact a value is", "digest": "of the imported files",
    "error": "standard error, over text", "corrected": "the score less its bias", "method": "jackknife or bootstrap",
    "blocks": "of the corpus", "seed": "of what is drawn", "replicates": "without each block, or of each draw",
    "mean": "of what chance gives", "deviation": "standard deviation of it", "median": "of it",
    "calibrated": "0 at chance, 1 of a layer towards itself", "p": "how often chance is as close; never 0",
    "permuted": "what was shuffled: sentences or words", "permutations": "how often, or how many draws",
    "sizes": "of the blocks, in words",
    "other": "what another store measured; empty: one of the two was refused", "difference": "between the two",
}  # fmt: skip
#: What they mean in one view, where that is something else.
COLUMNS_OF = {
    **{f"{view}.origin": "who measured it: `this store`, or the bundle or remote that it came by"
       for view in ("layer_pairs", "neurons", "heads", "refusals", "provenance", "runs")},
    "disagreements.origin": "who measured the other value", "disagreements.run": "that measured the other value",
    "disagreements.measured": "when the other value was, UTC",
    "disagreements.value": "which stands: ours, where there is one",
    "intervals.low": "end of the 95 % interval; empty: the measure has none",
    "intervals.high": "the other end",
    "intervals.refused": "why there is no interval, when there is none",
    "intervals.curve_words": "words of parts of the text", "intervals.curve": "mean of the score over such parts",
    "nulls.method": "`permuted`, `drawn`, `rotated` or `untrained`; the newest of each is here",
    "nulls.permuted": "what was shuffled, turned or exchanged", "nulls.permutations": "how often, or how many copies",
    "nulls.low": "2.5 % of what chance gives is below", "nulls.high": "2.5 % is above",
    "nulls.refused": "why it is not known", "nulls.value": "the score", "nulls.origin": "who measured it, as of scores",
    "intervals.value": "the score", "intervals.origin": "who measured it, as of scores",
    "models.licence": "as stated, or as the model card says", "models.citation": "as stated",
    "corpora.licence": "as stated", "corpora.citation": "as stated",
}  # fmt: skip
VIEWS = (
    "layer_pairs",
    "layer_statistics",
    "model_pairs",
    "neurons",
    "heads",
    "refusals",
    "models",
    "artifacts",
    "corpora",
    "sources",
    "runs",
    "provenance",
    "disagreements",
    "intervals",
    "nulls",
)


def measures_table(of: str = "activations") -> str:
    """One row a measure of a kind of artifact: what it asks, and what it declares."""
    columns = ("measure", "what it is", "range", "direction", "symmetric", "blind to", "parameters", "presets change")
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for name, declared in ((name, declared) for name, declared in MEASURES.items() if declared.kind == of):
        measure = declared()
        cells = (
            f"`{name}`", listing.summary(declared), listing.range_text(measure.bounds), measure.sense,
            "yes" if measure.symmetric else "no", listing.blind_text(measure),
            _assigned(parameters_of(measure)) or "none", _presets(declared),
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def figures_table() -> str:
    """One row a figure of layers."""
    columns = ("figure", "what it is", "range", "of", "computed unasked", "parameters")
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for name, figure in FIGURES.items():
        of = {"CrossMoments": "moments", "Lengths": "lengths of rows", "Sample": "a sample of words"}
        cells = (
            f"`{name}`", listing.summary(type(figure)), listing.range_text(figure.range),
            of[type(figure.statistic).__name__], "yes" if figure.usual else "no", _assigned(asdict(figure)) or "none",
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def architectures() -> str:
    """What the bench found of every architecture: those that are extracted, then why others are refused."""
    with (Path(__file__).parent / "architectures.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    ran = [row for row in rows if row["outcome"] == "extracted"]
    refused = [row for row in rows if row["outcome"] == "refused"]
    columns = ("architecture", "difference", "together", "attention", "sites")
    lines = [f"## {len(ran)} are extracted", "", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for row in ran:
        attention = row["attention"].replace("not whole", "left out")
        together = f"{row['batches']}, {row['batch_difference']}"
        lines.append(f"| {row['architecture']} | {row['difference']} | {together} | {attention} | {row['sites']} |")
    lines += ["", f"## {len(refused)} are refused, each in one line", ""]
    lines += ["| architecture | what is said |", "|---|---|"]
    return "\n".join([*lines, *(f"| {row['architecture']} | {_in_cell(row['said'])} |" for row in refused)])


def _in_cell(said: str) -> str:
    return said.split(") ", 1)[-1].replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")[:160]


def _assigned(parameters: Mapping[str, Any]) -> str:
    return ", ".join(f"`{name.rstrip('_')} = {value!r}`" for name, value in parameters.items())


def _presets(declared: type[Measure]) -> str:
    """What each preset changes; those that change nothing stand together."""
    same = ", ".join(f"`{preset}`" for preset, changes in declared.presets.items() if not changes)
    others = [f"`{preset}`: {_assigned(changes)}" for preset, changes in declared.presets.items() if changes]
    return "; ".join([*([f"{same}: nothing"] if same else []), *others]) or "there are none"


def views() -> str:
    """The views of the catalog with their columns, as an empty catalog has them."""
    with tempfile.TemporaryDirectory() as folder, catalog.writing(Path(folder)) as connection:
        parts = []
        for view in VIEWS:
            described = connection.execute(f"DESCRIBE {view}").fetchall()
            rows = [f"| `{name}` | {kind} | {_meaning(view, name)} |" for name, kind, *_ in described]
            parts.append("\n".join([f"### `{view}`", "", "| column | type | meaning |", "|---|---|---|", *rows]))
    return "\n\n".join(parts)


def _meaning(view: str, column: str) -> str:
    if f"{view}.{column}" in COLUMNS_OF:
        return COLUMNS_OF[f"{view}.{column}"]
    if column in COLUMNS:
        return COLUMNS[column]
    return f"{COLUMNS[column[:-2]]} ({column[-1]})"


def commands() -> str:
    """The help of every command."""
    return "\n\n".join(_helps(cli.cli, "layeratlas"))


def _helps(command: click.Command, name: str) -> list[str]:
    with click.Context(command, info_name=name, max_content_width=100, terminal_width=100) as context:
        found = [f"## `{name}`\n\n```\n{command.get_help(context)}\n```"]
        if isinstance(command, click.Group):
            for child in command.list_commands(context):
                found += _helps(command.commands[child], f"{name} {child}")
    return found


def methods() -> str:
    """Every question of the registry as a method of a class, with its types and its help."""
    return "\n\n".join(_method(QUESTIONS[name], command) for name, command in _query_commands().items())


def _query_commands() -> dict[str, click.Command]:
    group = cli.cli.commands["query"]
    assert isinstance(group, click.Group)
    return {name: group.commands[name] for name in QUESTIONS}


def _method(question: Question, command: click.Command) -> str:
    signature = inspect.signature(question.ask).parameters
    own, given, helps = [], [], []
    for argument in question.arguments:
        of_layer = argument.metavar == MODEL_LAYER
        own += ["of: str, layer: int | None = None"] if of_layer else [_parameter(argument, signature[argument.name])]
        given.append(f"{argument.name}={'model_layer(of, layer)' if of_layer else argument.name}")
        helps += ["of, layer: the model and its layer; or MODEL:LAYER, alone."] if of_layer else []
    own += [] if any(argument.is_many for argument in question.arguments) else ["*"]
    for option in question.options:
        own.append(f"{option.name}: {_type(option)} = {repr(option.default).replace(chr(39), chr(34))}")
        given.append(f"{option.name}={option.name}")
        helps.append(f"{option.name}: {_lowered(option.help)}")
    asked = []
    for name, field, shared in _shared():
        own.append(f"{name}: {shared} = None")
        asked.append(f"{field}={f'names({name})' if shared == 'Names' else name}")
    own.append(f"limit: int | None = {question.limit}")
    kind = "Heatmap" if question.is_drawn else "Answer"
    lines = [f"    def {question.ask.__name__}(", *_wrapped("self, " + ", ".join(own) + ",", 8), f"    ) -> {kind}:"]
    lines += _docstring(question, command, helps)
    lines += ["        asked = Asked(", *_wrapped(", ".join([*asked, "limit=limit"]) + ",", 12), "        )"]
    call = ", ".join([f'"{question.name}"', "asked", *given])
    lines += _wrapped(f"return self._{kind.lower()}({call})", 8, "    ")
    return "\n".join(lines)


def _parameter(argument: Argument, taken: inspect.Parameter) -> str:
    if argument.is_many:
        return f"*{argument.name}: str"
    return f"{argument.name}: str" + ("" if taken.default is inspect.Parameter.empty else " | None = None")


def _type(option: Option) -> str:
    if isinstance(option.kind, tuple):
        kind = f"Literal[{', '.join(f'{chr(34)}{name}{chr(34)}' for name in option.kind)}]"
    else:
        kind = option.kind.__name__
    return f"{kind} | None" if option.default is None else kind


def _shared() -> list[tuple[str, str, str]]:
    """Of the options that all questions share: the name of one, the field of Asked, its type."""
    found = []
    for parameter in (option for option in _bare(*SHARED).params if isinstance(option, click.Option)):
        name = parameter.opts[0].removeprefix("--")
        kind = "Names" if parameter.multiple else "str | None"
        if isinstance(parameter.type, click.Choice):
            kind = f"Literal[{', '.join(f'{chr(34)}{one}{chr(34)}' for one in parameter.type.choices)}] | None"
        found.append((name, str(parameter.name), kind))
    return found


def _shared_helps() -> list[str]:
    options = [option for option in _bare(*SHARED).params if isinstance(option, click.Option)]
    said = [f"{option.opts[0].removeprefix('--')}: {_lowered(option.help or '')}" for option in options]
    said = [line.replace("; repeatable.", ", or these.").replace(" Repeatable where it helps.", "") for line in said]
    return [*said, "limit: rows, at most; None for all."]


def _bare(*options: Any) -> click.Command:
    wrapped: Any = lambda **given: None  # noqa: E731
    for option in reversed(options):
        wrapped = option(wrapped)
    return click.command("bare")(wrapped)


def _docstring(question: Question, command: click.Command, helps: list[str]) -> list[str]:
    said, _, example = question.help.partition("Example: ")
    body = said.strip().splitlines()
    lines = [f'        """{body[0]}', *(f"        {line}".rstrip() for line in body[1:]), ""]
    lines += [line for text in (*helps, *_shared_helps()) for line in _wrapped(text, 8, "  ")]
    lines += ["        Raises LayeratlasError, by name: BadRequest, NothingYet.", ""]
    lines += _wrapped(f"Example: {_in_python(question, command, example)}", 8, "  ")
    return [*(re.sub(r"--([a-z]+)", r"\1", line) for line in lines), '        """']


def _in_python(question: Question, command: click.Command, example: str) -> str:
    """The example of a command as a call of the method."""
    words = shlex.split(example.strip())[3:]
    with command.make_context(question.name, words) as context:
        named = {p.name: context.params[str(p.name)] for p in command.params
                 if context.get_parameter_source(str(p.name)) == click.core.ParameterSource.COMMANDLINE}  # fmt: skip
        spelled = {p.name: p.opts[0].removeprefix("--").replace("-", "_") for p in command.params}
    given = []
    for argument in question.arguments:
        value = named.pop(argument.name, ())
        if argument.metavar == MODEL_LAYER:
            model, _, layer = str(value).rpartition(":")
            given.append(f'"{model}", {layer}')
        else:
            given += [f'"{one}"' for one in (value if isinstance(value, tuple) else (value,))]
    for name, value in named.items():
        plain = value[0] if isinstance(value, tuple) and len(value) == 1 else value
        given.append(f"{spelled[name]}={plain!r}".replace("'", '"'))
    return f"store.{question.ask.__name__}({', '.join(given)})"


def _lowered(text: str) -> str:
    return text[0].lower() + text[1:] if not text[1:2].isupper() else text


def _wrapped(text: str, indent: int, more: str = "") -> list[str]:
    """Break a text into lines, but no parameter's type."""
    kept = re.sub(r"(?<=\w): (?=\w)|(?<=\]|\w) \| (?=\w)|(?<=\w|\]) = (?=\w)|(?<=\"), (?=\"\w+\"\])",
                  lambda found: found[0].replace(" ", _KEPT), text)  # fmt: skip
    lines = textwrap.wrap(kept, 112, initial_indent=" " * indent, subsequent_indent=" " * indent + more,
                          break_long_words=False, break_on_hyphens=False)  # fmt: skip
    return [line.replace(_KEPT, " ") for line in lines]
