"""The tables of zoo/README.md, made from what each model's folder records."""

import json
from pathlib import Path
from typing import Any

from zoo.specs import BASES, FINETUNED, folder_of

_BEGIN, _END = "<!-- models -->", "<!-- end of models -->"


def table() -> str:
    """Both tables, base models and fine-tuned copies, in Markdown."""
    return "\n\n".join([_bases(), _copies(), _total()])


def update(readme: Path) -> None:
    """Replaces what stands between the marks of a README by today's tables."""
    before, _, rest = readme.read_text(encoding="utf-8").partition(_BEGIN)
    _, _, after = rest.partition(_END)
    readme.write_text(f"{before}{_BEGIN}\n{table()}\n{_END}{after}", encoding="utf-8")


def record_of(name: str) -> dict[str, Any]:
    """What a finished model's `zoo.json` says."""
    found: dict[str, Any] = json.loads((folder_of(name) / "zoo.json").read_text(encoding="utf-8"))
    return found


def finished(names: dict[str, Any]) -> list[str]:
    """Those of the names whose folders are complete."""
    return [name for name in names if (folder_of(name) / "zoo.json").exists()]


def write_card(folder: Path, record: dict[str, Any]) -> None:
    """Writes a model's card, whose head says under which licence the model is."""
    origin = record["finetuned_from"]
    base = f"base_model: ../{origin}\n" if origin else ""
    said = (
        f"---\nlicense: mit\n{base}---\n\n# {record['name']}\n\nOf the [zoo](../../README.md) of small models. "
        f"Objective: {record['objective']}; trained on {record['trained_on']}.\n"
    )
    (folder / "README.md").write_text(said, encoding="utf-8")


def megabytes(name: str) -> float:
    """Size of a model's whole folder in MB (10⁶ bytes)."""
    return sum(file.stat().st_size for file in folder_of(name).iterdir()) / 1e6


def _bases() -> str:
    head = (
        "model | objective | blocks × width | seed | steps (best) | minutes | validation loss "
        "| perplexity | unigram | ratio | per word | parameters | MB"
    )
    return _markdown(head, [_base_row(name) for name in finished(BASES)])


def _base_row(name: str) -> list[str]:
    record = record_of(name)
    blocks, width = _shape(name)
    return [
        f"`{name}`",
        record["objective"],
        f"{blocks} × {width}",
        str(record["seed"]),
        f"{record['steps']:,} ({record['kept_step']:,})",
        str(record["minutes"]),
        f"{record['validation_loss']:.2f}",
        f"{record['perplexity']:.1f} a {record['unit']}",
        f"{record['unigram_perplexity']:.0f}",
        f"{record['unigram_perplexity'] / record['perplexity']:.1f}",
        f"{record['word_perplexity']:,.0f}" if "word_perplexity" in record else "–",
        f"{record['parameters']:,}",
        f"{megabytes(name):.1f}",
    ]


def _copies() -> str:
    head = "copy | of | task | trained on | steps | minutes | test accuracy | majority class | MB"
    return _markdown(head, [_copy_row(name) for name in finished(FINETUNED)])


def _copy_row(name: str) -> list[str]:
    record = record_of(name)
    return [
        f"`{name}`",
        f"`{record['finetuned_from']}`",
        record["objective"],
        record["trained_on"],
        f"{record['steps']:,}",
        str(record["minutes"]),
        f"{100 * record['accuracy']:.1f} %",
        f"{100 * record['majority_accuracy']:.1f} %",
        f"{megabytes(name):.1f}",
    ]


def _shape(name: str) -> tuple[int, int]:
    config = json.loads((folder_of(name) / "config.json").read_text(encoding="utf-8"))
    blocks = next((config[key] for key in ("num_hidden_layers", "n_layer") if key in config), 2)
    width = next(config[key] for key in ("hidden_size", "n_embd", "d_model", "width") if key in config)
    return blocks, width if config["model_type"] != "simcat-elmo" else 2 * width


def _total() -> str:
    names = [*finished(BASES), *finished(FINETUNED)]
    total = f"{len(names)} models, {sum(map(megabytes, names)):.1f} MB in all."
    missing = [f"`{name}`" for name in (*BASES, *FINETUNED) if name not in names]
    return f"{total} Specified but not trained yet: {', '.join(missing)}." if missing else total


def _markdown(head: str, rows: list[list[str]]) -> str:
    rule = " | ".join("---" for _ in head.split(" | "))
    return "\n".join(f"| {line} |" for line in (head, rule, *(" | ".join(row) for row in rows)))
