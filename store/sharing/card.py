"""The README of a bundle: what is in it and how it is read without layeratlas, for people and for dataset hubs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

_HOW = """
## How to read it

A folder of Parquet files: unpack it, or publish it as it is on a dataset hub.

```python
import datasets, duckdb, polars
datasets.load_dataset("FOLDER", "{first}")
polars.read_parquet("FOLDER/{pattern}")
duckdb.sql("SELECT * FROM 'FOLDER/results/models/*.parquet'")
```

`layeratlas import FILE` takes it into a store, where it can be asked, compared and added to. Similarities stand in
`results/scores`, an ordered pair of artifacts a row; `results/artifacts`, `results/models`, `results/corpora` and
`results/configurations` say what their fingerprints mean:

```sql
SELECT ma.name, a.layer, mb.name, b.layer, k.measure, s.value
FROM 'FOLDER/results/scores/*.parquet' s
JOIN 'FOLDER/results/artifacts/*.parquet' a ON a.artifact = s.artifact_a
JOIN 'FOLDER/results/artifacts/*.parquet' b ON b.artifact = s.artifact_b
JOIN 'FOLDER/results/models/*.parquet' ma ON ma.weights = a.weights
JOIN 'FOLDER/results/models/*.parquet' mb ON mb.weights = b.weights
JOIN 'FOLDER/results/configurations/*.parquet' k USING (configuration)
```
"""


def card(manifest: Mapping[str, Any], folders: Mapping[str, str]) -> str:
    """Return the README of a bundle. folders: patterns of files by the name of the configuration that reads them."""
    licences = sorted({each["licence"] for what in ("models", "corpora") for each in manifest[what] if each["licence"]})
    head = ["---", "pretty_name: A layeratlas bundle"]
    head += ["license: other", f"license_name: {json.dumps('; '.join(licences))}"] if licences else []
    head += ["configs:", *(line for name, files in folders.items() for line in _config(name, files)), "---", ""]
    first, pattern = next(iter(folders.items()), ("scores", "results/scores/*.parquet"))
    text = "with the corpus's words" if manifest["text"] else "without the corpus's words: rows have numbers alone"
    body = [
        "# A bundle of layeratlas", "",
        f"Made {manifest['made']} by {_plain(manifest['by'])} with layeratlas {manifest['layeratlas']}, {text}.", "",
        "## Models", "", *_listed(manifest["models"]), "",
        "## Corpora", "", *_listed(manifest["corpora"]),
    ]  # fmt: skip
    return "\n".join([*head, *body]) + "\n" + _HOW.replace("{first}", first).replace("{pattern}", pattern)


def _config(name: str, files: str) -> list[str]:
    return [f"- config_name: {json.dumps(name)}", f"  data_files: {json.dumps(files)}"]


def _listed(things: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = []
    for each in things:
        more = [each["origin"], each["licence"] and f"licence: {each['licence']}", each["citation"]]
        lines.append("- " + ", ".join([f"**{_plain(each['name'])}**", *(_plain(one) for one in more if one)]))
    return lines or ["none"]


def _plain(text: str) -> str:
    """Return a text as one line in which Markdown and HTML mean nothing."""
    return "".join(f"\\{letter}" if letter in r"\`*_{}[]<>#|" else letter for letter in " ".join(str(text).split()))
