"""Results from elsewhere: a table of similarities, and a TOML file that says of which models, into the catalog.

The table is Parquet or CSV with the columns corpus, measure, model_a, layer_a, model_b, layer_b, value ("of a towards
b"). The TOML file stands beside it under the same name:

citation = "Wu et al. 2020"       # all of these are optional
licence = "CC BY 4.0"
tolerance = 0.002                 # how exact the values are
configuration = "published"       # what stands where our own scores have `default`
pooling = "last"                  # how sub-words became words

[[models]]                        # one for each model of the table
name = "bert_base_cased"
family = "bert"
layers = 12                       # blocks: layers run from 0, the embeddings, to 12
neurons = 768                     # from here on optional
objective = "masked language model"
architecture = "transformer"
parameters = 108310272
finetuned_from = "other-name"

[[corpora]]                       # optional
name = "ewt"
words = 25147

[[measures]]                      # optional: what the values of a measure mean
name = "procrustes"
direction = "distance"            # "similarity" unless it is said
low = 0.0                         # else 0, or none where values lie below it
high = 2.0                        # else 1, or none where values lie above it
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb

from layeratlas.store.errors import BadRequest, unknown
from layeratlas.store.identity import canonical_json, fingerprint
from layeratlas.store.provenance import now
from layeratlas.store.store import Store
from layeratlas.store.study import ResultsSpec
from layeratlas.store.toml import INTEGERS, parse_toml, shown

COLUMNS = {
    "corpus": "VARCHAR", "measure": "VARCHAR", "model_a": "VARCHAR", "layer_a": "INTEGER", "model_b": "VARCHAR",
    "layer_b": "INTEGER", "value": "DOUBLE",
}  # fmt: skip
OWN = "own"
DIRECTIONS = ("similarity", "distance")  # larger is closer, smaller is closer
_PAIR = "corpus, measure, model_a, layer_a, model_b, layer_b"
_TEXTS = ("citation", "licence", "configuration", "pooling")
_MODEL: dict[str, type] = {
    "name": str, "family": str, "layers": int, "neurons": int, "objective": str, "architecture": str,
    "parameters": int, "finetuned_from": str, "origin": str,
}  # fmt: skip
_CORPUS: dict[str, type] = {"name": str, "words": int, "sentences": int}
_MEASURE: dict[str, type] = {"name": str, "direction": str, "low": float, "high": float}
_MOST = {"layers": 2**31 - 1, "neurons": 2**31 - 1}  # what the catalog's columns hold
_KINDS = {str: ("a text", (str,)), int: ("a whole number", (int,)), float: ("a number", (int, float))}

Row = tuple[str, str, str, int, str, int, float]  # as COLUMNS


@dataclass(frozen=True)
class Results:
    """A checked table of similarities with what is known about it."""

    rows: list[Row]
    symmetric: dict[str, bool]  # by measure
    ranges: dict[str, dict[str, Any]]  # by measure: direction, low, high
    models: dict[str, dict[str, Any]]
    corpora: dict[str, dict[str, Any]]
    about: dict[str, Any]
    digest: str  # of both files
    origin: str


def read_results(file: Path, models: Path | None = None, *, symmetric: Mapping[str, bool] | None = None) -> Results:
    """Read and check results. `symmetric` declares known measures; others are symmetric when their values are.

    Of a symmetric measure one direction is enough; the diagonal is left out. Raises BadRequest in one line.
    """
    described = models or file.with_suffix(".toml")
    text = _read(described, file)
    try:
        about = parse_toml(text.decode("utf-8"), described)
    except UnicodeDecodeError as error:
        raise BadRequest(f"{described}: {error}") from None
    known = _entries(about, "models", _MODEL, ("name", "family", "layers"), described)
    corpora = _entries(about, "corpora", _CORPUS, ("name",), described)
    stated = _entries(about, "measures", _MEASURE, ("name",), described)
    _check_about(about, described)
    with duckdb.connect().cursor() as connection:  # a cursor draws no bar at a prompt
        _load(connection, file)
        _check(connection, file)
        _check_models(connection, known, file, described)
        both_ways = _mirror(connection, symmetric or {}, about.get("tolerance", 0.0))
        ranges = _ranges(connection, stated, about.get("tolerance", 0.0), described)
        rows = connection.execute(f"SELECT {', '.join(COLUMNS)} FROM results ORDER BY ALL").fetchall()
    digest = hashlib.sha256(file.read_bytes() + b"\0" + text).hexdigest()
    return Results(rows, both_ways, ranges, known, corpora, about, digest, file.name)


def import_results(store: Store, results: Results, name: str, *, run: str) -> None:
    """Log results under the name of their source, and merge; they replace what that source had."""
    about = results.about
    begun = now()
    weights = {model: fingerprint({"source": name, "model": model}) for model in results.models}
    corpora = {
        corpus: fingerprint({"source": name, "corpus": corpus}) for corpus in sorted({r[0] for r in results.rows})
    }
    setting = {"label": about.get("configuration", "published"), "presets": []}
    measures = {
        measure: fingerprint({"source": name, "measure": measure, "label": setting["label"]})
        for measure in results.symmetric
    }
    layers = sorted({(r[0], *end) for r in results.rows for end in (r[2:4], r[4:6])})
    artifacts = {key: fingerprint({"source": name, "layer": list(key)}) for key in layers}
    store.write("models", [{**_model_row(about), "weights": weights[model], "source": name}
                           for model, about in results.models.items()])  # fmt: skip
    store.write("corpora", [{**results.corpora.get(corpus, {"name": corpus}), "corpus": key, "origin": results.origin}
                            for corpus, key in corpora.items()])  # fmt: skip
    store.write("artifacts", [
        {"artifact": key, "weights": weights[model], "corpus": corpora[corpus], "kind": "activations", "layer": layer,
         "words_from_tokens": about.get("pooling", "unknown"), "words": results.corpora.get(corpus, {}).get("words"),
         "units": results.models[model].get("neurons"), "run": run}
        for (corpus, model, layer), key in artifacts.items()])  # fmt: skip
    store.write("configurations", [
        {**setting, **results.ranges[measure], "configuration": key, "measure": measure,
         "parameters": canonical_json({}), "is_symmetric": results.symmetric[measure]}
        for measure, key in measures.items()])  # fmt: skip
    store.write("scores", [
        {"configuration": measures[measure], "artifact_a": artifacts[corpus, model_a, layer_a],
         "artifact_b": artifacts[corpus, model_b, layer_b], "value": value,
         "words": results.corpora.get(corpus, {}).get("words"), "run": run}
        for corpus, measure, model_a, layer_a, model_b, layer_b, value in results.rows])  # fmt: skip
    source = {key: about.get(key) for key in ("citation", "licence", "tolerance")}  # logged last: now all is there
    store.write("forgotten", [{"what": "source", "key": name, "before": begun - timedelta(microseconds=1)}])
    store.write("sources", [{**source, "source": name, "digest": results.digest, "origin": results.origin, "run": run}])
    store.merge()


def ensure_results(store: Store, spec: ResultsSpec, *, symmetric: Mapping[str, bool], replace: bool = False) -> str:
    """Import what the store does not have yet, and return what was done as a line.

    Raises BadRequest for bad input, and when the name stands for other results and `replace` is not asked for.
    """
    if not spec.name or spec.name == OWN:
        raise BadRequest(f"'{spec.name}' cannot name a source from elsewhere: choose another --name")
    results = read_results(spec.file, spec.models, symmetric=symmetric)
    known = store.rows("SELECT digest FROM base.sources WHERE source = ?", spec.name)
    counted = f"{len(results.rows):,} scores of {len(results.models)} models from {spec.file.name} as {spec.name}"
    if known == [(results.digest,)]:
        return f"nothing to do: {counted} are imported"
    if known and not replace:
        raise BadRequest(
            f"{spec.name} was imported from other files: choose another --name, or "
            f"`layeratlas import-results {spec.file} --name {spec.name} --replace`"
        )
    with store.run(device="none", threads=1) as run:
        import_results(store, results, spec.name, run=run)
    return f"imported {counted}"


def _model_row(about: Mapping[str, Any]) -> dict[str, Any]:
    return {key: about.get(key) for key in _MODEL}


def _read(described: Path, file: Path) -> bytes:
    if not file.is_file():
        raise BadRequest(f"there is no file {file}")
    try:
        return described.read_bytes()
    except OSError:
        raise BadRequest(
            f"{file} needs a file that describes its models: there is no {described} (format: docs/catalog.md)"
        ) from None


def _entries(
    about: dict[str, Any], table: str, types: dict[str, type], needed: tuple[str, ...], file: Path
) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    entries = about.get(table, [])
    if not isinstance(entries, list):
        raise BadRequest(f"{file}: write each of the {table} as [[{table}]]")
    for entry in entries:
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str) or name in found:
            raise BadRequest(f"{file}: each [[{table}]] needs a name of its own, got {shown(name)}")
        for key in needed:
            if key not in entry:
                raise BadRequest(f"{file}: {table[:-1]} '{name}' needs {key} = …")
        for key, value in entry.items():
            if key not in types:
                raise BadRequest(f"{file}: {table} '{name}': {unknown('key', key, types)}")
            wanted, allowed = _KINDS[types[key]]
            if type(value) not in allowed or (isinstance(value, float) and not math.isfinite(value)):
                raise BadRequest(f"{file}: {table} '{name}': {key} must be {wanted}, got {shown(value)}")
            if type(value) is int and not (0 if types[key] is int else INTEGERS[0]) <= value <= _MOST.get(
                key, INTEGERS[1]
            ):
                raise BadRequest(f"{file}: {table} '{name}': {key} is out of range, got {shown(value)}")
        found[name] = entry
    return found


def _check_about(about: dict[str, Any], file: Path) -> None:
    allowed = (*_TEXTS, "tolerance", "models", "corpora", "measures")
    for key, value in about.items():
        if key not in allowed:
            raise BadRequest(f"{file}: {unknown('key', key, allowed)}")
        if key in _TEXTS and (not isinstance(value, str) or not value):
            raise BadRequest(f"{file}: {key} must be a text, got {shown(value)}")
        if key == "tolerance" and (type(value) is not float or not 0 <= value < 1):
            raise BadRequest(f"{file}: tolerance must be a number from 0 to 1, such as 0.002, got {shown(value)}")


def _load(connection: duckdb.DuckDBPyConnection, file: Path) -> None:
    """Make the tables `given`, as the file has it, and `results`, of the right types; what does not fit is NULL."""
    ending = file.name.lower().removesuffix(".gz").rsplit(".", 1)[-1]
    readers = {"parquet": "read_parquet(?)", "csv": "read_csv(?, header = true, all_varchar = true)"}
    if ending not in readers:
        raise BadRequest(f"cannot tell the format of {file.name}: results are .parquet or .csv")
    try:
        connection.execute(
            f"CREATE TABLE given AS SELECT *, row_number() OVER () AS number FROM {readers[ending]}",
            [str(file)],
        )
        columns = {row[0] for row in connection.execute("DESCRIBE given").fetchall()}
        if missing := [name for name in COLUMNS if name not in columns]:
            raise BadRequest(
                f"{file.name} lacks the columns {', '.join(missing)}; it has {', '.join(sorted(columns - {'number'}))}"
            )
        typed = ", ".join(f"TRY_CAST({name} AS {kind}) AS {name}" for name, kind in COLUMNS.items())
        connection.execute(f"CREATE TABLE results AS SELECT {typed}, number FROM given")
    except duckdb.Error as error:
        raise BadRequest(f"{file.name} cannot be read: {str(error).splitlines()[0]}") from None


def _check(connection: duckdb.DuckDBPyConnection, file: Path) -> None:
    def first(sql: str) -> tuple[Any, ...] | None:
        return connection.execute(sql).fetchone()

    if first("SELECT 1 FROM results") is None:
        raise BadRequest(f"{file.name} has no rows")
    for name, kind in COLUMNS.items():
        bad = f"r.{name} IS NULL" + (f" OR NOT isfinite(r.{name})" if kind == "DOUBLE" else "")
        bad += f" OR r.{name} < 0" if kind == "INTEGER" else ""
        wrong = first(f"SELECT number, g.{name} FROM results r JOIN given g USING (number) WHERE {bad} ORDER BY 1")
        if wrong:
            kinds = {"VARCHAR": "a name", "INTEGER": "a layer, counted from 0", "DOUBLE": "a number"}
            raise BadRequest(f"{file.name}, row {wrong[0]}: {name} must be {kinds[kind]}, got {wrong[1]!r}")
    twice = first(f"SELECT {_PAIR}, count(*) FROM results GROUP BY ALL HAVING count(*) > 1 ORDER BY ALL")
    if twice:
        said = f"{twice[1]} of {twice[2]} layer {twice[3]} towards {twice[4]} layer {twice[5]} on {twice[0]}"
        raise BadRequest(f"{file.name} has {said} {twice[6]} times: each pair may stand once")


def _check_models(
    connection: duckdb.DuckDBPyConnection, known: Mapping[str, Mapping[str, Any]], file: Path, described: Path
) -> None:
    sql = (
        "SELECT model, max(layer) FROM (SELECT model_a AS model, layer_a AS layer FROM results "
        "UNION ALL SELECT model_b, layer_b FROM results) GROUP BY 1 ORDER BY 1"
    )
    last = dict(connection.execute(sql).fetchall())
    for model, layer in last.items():
        if model not in known:
            raise BadRequest(f"{file.name} has a model that {described.name} does not describe: '{model}'")
        if layer > known[model]["layers"]:
            raise BadRequest(
                f"{file.name} has layer {layer} of '{model}', but {described.name} gives it only "
                f"{known[model]['layers']} layers"
            )
    for model in known:
        if model not in last:
            raise BadRequest(f"{described.name}: {unknown('model', model, last)}")


def _ranges(
    connection: duckdb.DuckDBPyConnection, stated: Mapping[str, Mapping[str, Any]], tolerance: float, described: Path
) -> dict[str, dict[str, Any]]:
    """Return each measure's direction and bounds. Raises BadRequest."""
    sql = "SELECT measure, min(value), max(value) FROM results GROUP BY 1 ORDER BY 1"
    extremes = {measure: (least, most) for measure, least, most in connection.execute(sql).fetchall()}
    for measure in stated:
        if measure not in extremes:
            raise BadRequest(f"{described}: {unknown('measure', measure, extremes)}")
    try:
        return {name: _range(stated.get(name, {}), *ends, tolerance) for name, ends in extremes.items()}
    except BadRequest as error:
        raise BadRequest(f"{described}: {error}") from None


def _range(said: Mapping[str, Any], least: float, most: float, tolerance: float) -> dict[str, Any]:
    """Return what is said of a measure whose values run from least to most, else a similarity from 0 to 1.

    A bound that is not stated, and which values leave by more than the tolerance, does not exist. Raises BadRequest.
    """
    direction = said.get("direction", DIRECTIONS[0])
    low = said.get("low", 0.0 if least >= -tolerance else None)
    high = said.get("high", 1.0 if most <= 1 + tolerance else None)
    if direction not in DIRECTIONS:
        raise BadRequest(f"direction must be {' or '.join(DIRECTIONS)}, got '{direction}'")
    for bound, outside in ((low, low is not None and least < low - tolerance),
                           (high, high is not None and most > high + tolerance)):  # fmt: skip
        if outside:
            raise BadRequest(
                f"measure '{said['name']}' is bounded by {bound}, but its values run from {least} to {most}"
            )
    return {"direction": direction, "low": low, "high": high}


def _mirror(connection: duckdb.DuckDBPyConnection, declared: Mapping[str, bool], tolerance: float) -> dict[str, bool]:
    """Find which measures are symmetric, give these both directions, and leave out the diagonal."""
    connection.execute("DELETE FROM results WHERE model_a = model_b AND layer_a = layer_b")
    mirror = "corpus, measure, model_b AS model_a, layer_b AS layer_a, model_a AS model_b, layer_a AS layer_b"
    differ = dict(
        connection.execute(
            f"SELECT measure, coalesce(max(abs(r.value - m.value)), 'inf'::DOUBLE) FROM results r LEFT JOIN "
            f"(SELECT {mirror}, value FROM results) m USING ({_PAIR}) GROUP BY 1 ORDER BY 1"
        ).fetchall()
    )
    symmetric = {measure: declared.get(measure, widest <= 2 * tolerance) for measure, widest in differ.items()}
    connection.execute(
        f"INSERT INTO results SELECT {mirror}, value, NULL FROM results r WHERE list_contains(?, measure) "
        f"AND NOT EXISTS (SELECT 1 FROM results o WHERE o.corpus = r.corpus AND o.measure = r.measure "
        "AND o.model_a = r.model_b AND o.layer_a = r.layer_b AND o.model_b = r.model_a AND o.layer_b = r.layer_a)",
        [[measure for measure, is_symmetric in symmetric.items() if is_symmetric]],
    )
    return symmetric
