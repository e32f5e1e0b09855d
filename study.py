"""A study written in Python: what its TOML file says, as arguments."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from layeratlas.store import study as studies

Address = str | os.PathLike[str]


class Study(studies.Study):
    """What to extract, measure and import: what a study's TOML file says, in Python.

    models: ids or folders, or what [[models]] holds: {"id": "./mine", "name": "tuned", "finetuned_from": "base"}.
    corpora: files, or {"path": …, "name": …}. measures: "ckasim", "gulp:lambda=0.01", or {"name": …, "preset": …}; the
    usual where none is named. figures: of each layer alone. results: similarities from elsewhere, {"file", "name"}.
    uncertainty, null: what stands under [uncertainty] and [null].
    extraction: what [extraction] holds: pooling, layers, kinds, storage, window …
    Raises BadRequest for what no study can say.
    """

    def __init__(
        self, models: Sequence[Address | Mapping[str, Any]] = (), corpora: Sequence[Address | Mapping[str, Any]] = (),
        measures: Sequence[str | Mapping[str, Any]] = (), *, figures: str | Sequence[str] = (),
        results: Sequence[Mapping[str, Any]] = (), uncertainty: Mapping[str, Any] | None = None,
        null: Mapping[str, Any] | None = None, **extraction: Any,
    ) -> None:  # fmt: skip
        found = studies.study_from({
            "models": [_entry("id", model) for model in models],
            "corpora": [_entry("path", corpus) for corpus in corpora],
            "measures": [_measure(measure) for measure in measures],
            "results": [_entry("file", result) for result in results],
            "uncertainty": dict(uncertainty or {}), "null": dict(null or {}),
            "figures": figures if isinstance(figures, str) else list(figures),
            "extraction": {key: list(value) if isinstance(value, tuple | range) else value
                           for key, value in extraction.items()},
        })  # fmt: skip
        super().__init__(**{field.name: getattr(found, field.name) for field in fields(found)})


def _entry(key: str, given: Address | Mapping[str, Any]) -> dict[str, Any]:
    entry = dict(given) if isinstance(given, Mapping) else {key: given}
    return {name: os.fspath(value) if isinstance(value, os.PathLike) else value for name, value in entry.items()}


def _measure(given: str | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(given, Mapping):
        return dict(given)
    from layeratlas.measures.registry import asked

    name, parameters = asked(given)
    return {"name": name, **parameters}
