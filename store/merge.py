"""Merging: what is new in the log goes into the catalog, in one transaction, under a lock.

Small tables are a fold over all their segments: of each key the newest statement of every column. Scores are many, so
only new segments are read. Either way the order in which segments arrive does not matter, and `rebuild` takes the same
steps with everything.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import duckdb

from layeratlas.store import former
from layeratlas.store.catalog import FILE, migrations, raise_version, writing
from layeratlas.store.errors import CatalogDamaged
from layeratlas.store.files import together, whole_file
from layeratlas.store.log import COLUMNS, Log, Segment

_SMALL = tuple(table for table in COLUMNS if table != "scores")
BESIDE = ("intervals", "nulls")  # what may stand beside each score
_AT_ONCE = 2**28  # bytes of segments with scores that are taken together
_FORMER_RANGES = "0008_former_ranges.sql"
_TELL_CORPORA_APART = "0011_corpora.sql"
_NOISE = 1e-5  # how far two computations of one score may differ: float32 products, other machines

#: What makes two rows of a table the same.
KEYS = {
    "sources": ("source",),
    "runs": ("run",),
    "models": ("weights",),
    "corpora": ("corpus",),
    "artifacts": ("artifact",),
    "configurations": ("configuration",),
    "failures": ("model", "corpus"),
}
_NUMBERED = ("models", "corpora", "artifacts", "configurations")  # their rows carry an id that scores refer to


def merge(root: Path, log: Log, *, store: str) -> tuple[int, list[Path]]:
    """Take in what is new; return how many segments, and which were set aside because they are damaged."""
    with writing(root) as connection:
        if former.needs_log(connection):
            note_taken(connection, former.write_log(connection, log, store=store))
        aside = _restore(connection, log, store)
        taken, more = _take(connection, log)
    return taken, aside + more


def rebuild(root: Path, log: Log) -> tuple[int, list[Path]]:
    """Make the catalog anew from the log, beside the old one, and put it in its place when it is whole.

    Raises CatalogDamaged when there is no log to make it of.
    """
    if (root / FILE).exists() and not log.segments():
        raise CatalogDamaged(
            f"{root / FILE} cannot be read, and {log.folder}, of which it could be made anew, is empty"
        )
    with whole_file(root / FILE) as fresh:
        try:
            with writing(root, fresh) as connection:
                taken = _take(connection, log)
        finally:
            fresh.with_name(f"{fresh.name}.wal").unlink(missing_ok=True)  # of one that could not be finished
        (root / f"{FILE}.wal").unlink(missing_ok=True)  # of the old one, which DuckDB would apply to the new
    return taken


def not_taken(connection: duckdb.DuckDBPyConnection, log: Log) -> list[Segment]:
    """Return the segments that the catalog has not taken in: all of them, where it is older than the log."""
    try:
        known = {segment for (segment,) in connection.execute("SELECT segment FROM base.segments").fetchall()}
    except duckdb.CatalogException:
        return log.segments()
    return [segment for segment in log.segments() if segment.name not in known]


def note_taken(connection: duckdb.DuckDBPyConnection, segments: Sequence[Segment]) -> None:
    """Take note of segments whose rows the catalog has already."""
    for segment in segments:
        connection.execute("INSERT INTO base.segments VALUES (?, 0)", [segment.name])


def note_compacted(connection: duckdb.DuckDBPyConnection, replaced: Mapping[str, Sequence[str]]) -> None:
    """Take note of segments that were made of others, which are gone."""
    connection.execute("BEGIN")
    for segment, gone in replaced.items():
        connection.execute(
            "INSERT INTO base.segments SELECT ?, sum(unresolved) FROM base.segments "
            "WHERE list_contains(?, segment)", [segment, list(gone)],
        )  # fmt: skip
        connection.execute("DELETE FROM base.segments WHERE list_contains(?, segment)", [list(gone)])
    connection.execute("COMMIT")


def _restore(connection: duckdb.DuckDBPyConnection, log: Log, store: str) -> list[Path]:
    """Set aside damaged segments of small tables that were taken; what they held is written anew from the catalog.

    Small tables are made anew from their segments at every merge, so that each of these is checked every time.
    """
    new = {segment.name for segment in not_taken(connection, log)}
    damaged = [one for one in log.segments(_SMALL) if one.name not in new and not one.is_whole()]
    if damaged:
        tables = {segment.table for segment in damaged}
        note_taken(connection, former.write_log(connection, log, store=store, tables=tables))
    return [log.set_aside(segment) for segment in damaged]


def _take(connection: duckdb.DuckDBPyConnection, log: Log) -> tuple[int, list[Path]]:
    new, aside = [], []
    for segment in not_taken(connection, log):
        if segment.is_whole():
            new.append(segment)
        else:
            aside.append(log.set_aside(segment))
    if not new:
        return 0, aside
    connection.execute("BEGIN")
    _fold(connection, log, {segment.table for segment in new})
    connection.execute(_RETAKE)
    fresh = {segment.name for segment in new}
    again = [segment for segment in not_taken(connection, log) if segment.name not in fresh and segment.is_whole()]
    note_taken(connection, [segment for segment in new if segment.table != "scores"])
    scores = [segment for segment in (*new, *again) if segment.table == "scores"]
    for some in together(scores, lambda segment: segment.path.stat().st_size, _AT_ONCE):
        _take_scores(connection, some)
    _fill_ranges(connection)
    connection.execute("COMMIT")
    return len(new), aside


# --- small tables -----------------------------------------------------------------------------------------------------


def _fold(connection: duckdb.DuckDBPyConnection, log: Log, new: Collection[str]) -> None:
    """Make every small table anew from all its segments. A row keeps its id.

    new: tables of which there are new rows. What stands beside scores, where it may be many, is made anew for these
    and where artifacts or what is forgotten may have changed it.
    """
    beside = [table for table in BESIDE if {table, "artifacts", "configurations", "forgotten", "origins"} & set(new)]
    for table in (*(one for one in _SMALL if one not in BESIDE), *beside):
        files = [str(segment.path) for segment in log.segments([table])]
        rows = "UNION ALL BY NAME FROM read_parquet(?, union_by_name = true)" if files else ""  # of older releases too
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE said_{table} AS SELECT {', '.join(COLUMNS[table])} "
            f"FROM ((SELECT {_nothing(table)} LIMIT 0) {rows})", [files] if files else [],
        )  # fmt: skip
    connection.execute(_ORIGINS)
    connection.execute(_FORGOTTEN)
    connection.execute(_REBUILT)
    connection.execute(_DROP_SCORES)  # while the artifacts that they refer to still have their ids
    for table, keys in KEYS.items():
        _fold_one(connection, table, keys)
    connection.execute(dict(migrations())[_TELL_CORPORA_APART])
    connection.execute(_DAMAGED)
    connection.execute(_FAILURES)
    connection.execute(_FIGURES)
    for table in beside:
        connection.execute(_FOLD_BESIDE.format(table=table, heeded=_HEEDED, outdated=_OUTDATED))
    newest = (
        "SELECT measure, max(version) FROM base.configurations WHERE version IS NOT NULL GROUP BY 1 "
        "UNION ALL SELECT 'figure:' || figure, max(version) FROM base.figures GROUP BY 1"
    )
    for measure, version in connection.execute(newest).fetchall():
        raise_version(connection, measure, version)


def _nothing(table: str) -> str:
    types = {"string": "VARCHAR", "int32": "INTEGER", "int64": "BIGINT", "double": "DOUBLE", "bool": "BOOLEAN",
             "timestamp": "TIMESTAMP", "strings": "VARCHAR[]", "floats": "FLOAT[]", "doubles": "DOUBLE[]",
             "ints": "INTEGER[]"}  # fmt: skip
    return ", ".join(f"NULL::{types[kind]} AS {name}" for name, kind in COLUMNS[table].items())


def _fold_one(connection: duckdb.DuckDBPyConnection, table: str, keys: Sequence[str]) -> None:
    same = ", ".join(keys)
    rest = [name for name in COLUMNS[table] if name not in (*keys, "written")]
    said = ", ".join(f"{_newest(table, name)} AS {name}" for name in rest)
    forgotten = _FORGETTABLE.get(table)
    heeded = f"WHERE NOT EXISTS (SELECT 1 FROM {forgotten} AND t.written <= f.before)" if forgotten else ""
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE folded AS SELECT {same}, {said}, min(written) AS first "
        f"FROM said_{table} t {heeded} GROUP BY {same}"
    )
    columns = [*keys, *rest]
    if table == "artifacts":
        connection.execute("ALTER TABLE folded ADD COLUMN registered TIMESTAMP")
        connection.execute("UPDATE folded SET registered = first")
        columns.append("registered")
    if table in _NUMBERED:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE ids AS SELECT {same}, id FROM base.{table}")
        if connection.execute(f"SELECT 1 FROM ids ANTI JOIN folded USING ({same}) LIMIT 1").fetchall():
            _drop_scores_of(connection, table, f"SELECT id FROM ids ANTI JOIN folded USING ({same})")
        connection.execute(f"DELETE FROM base.{table}")
        connection.execute(
            f"INSERT INTO base.{table} (id, {', '.join(columns)}) "
            f"SELECT coalesce(ids.id, (SELECT coalesce(max(id), 0) FROM ids)::INTEGER + row_number() OVER "
            f"(PARTITION BY ids.id IS NULL ORDER BY first, {', '.join('folded.' + key for key in keys)})), "
            f"{', '.join('folded.' + column for column in columns)} FROM folded LEFT JOIN ids USING ({same})"
        )
    else:
        connection.execute(f"DELETE FROM base.{table}")
        connection.execute(
            f"INSERT INTO base.{table} ({', '.join(columns)}) SELECT {', '.join(columns)} FROM folded ORDER BY {same}"
        )


def _drop_scores_of(connection: duckdb.DuckDBPyConnection, table: str, gone: str) -> None:
    """Drop the scores of rows that are no more, whose ids may be given again; their segments are read again."""
    refers = {"artifacts": ("artifact_a", "artifact_b"), "configurations": ("configuration",)}.get(table, ())
    for column in refers:
        for scored in ("scores", "details", "disagreements"):
            connection.execute(f"DELETE FROM base.{scored} WHERE {column} IN ({gone})")
    if refers:
        connection.execute("UPDATE base.segments SET unresolved = 1 WHERE segment LIKE 'scores/%'")


def _newest(table: str, column: str) -> str:
    """Return the newest statement of a column: as a rule NULL says nothing."""
    if table == "sources":  # results that are imported anew replace all that was said of them
        return f"arg_max_null({column}, written)"
    if column in ("low", "high"):  # NULL says that there is no bound, where a direction is said at all
        return f"arg_max_null({column}, written) FILTER (WHERE direction IS NOT NULL)"
    return f"arg_max({column}, written)"


#: The stores whose scores came from elsewhere, numbered in the order in which they came.
_ORIGINS = """
CREATE OR REPLACE TEMP TABLE arrived AS
SELECT store, arg_max(origin, written) AS origin, min(written) AS arrived FROM said_origins GROUP BY store;
INSERT INTO base.origins
SELECT (SELECT coalesce(max(id), 0) FROM base.origins)::INTEGER + row_number() OVER (ORDER BY arrived, store),
       store, origin, arrived
FROM arrived WHERE store NOT IN (SELECT store FROM base.origins);
UPDATE base.origins o SET origin = a.origin FROM arrived a WHERE a.store = o.store;
"""

#: What is forgotten, and of when: a model by its weights, a corpus by its content, a measure and a source by name.
_FORGOTTEN = """
CREATE OR REPLACE TEMP TABLE forgotten AS
SELECT what, key, arg_max(before, written) AS before FROM said_forgotten
GROUP BY ALL HAVING NOT arg_max(coalesce(lifted, false), written);
CREATE OR REPLACE TEMP TABLE forgotten_models AS
SELECT weights, max(before) AS before FROM (
    SELECT key AS weights, before FROM forgotten WHERE what = 'model'
    UNION ALL SELECT m.weights, f.before FROM said_models m JOIN forgotten f ON f.what = 'source' AND f.key = m.source)
GROUP BY ALL;
CREATE OR REPLACE TEMP TABLE forgotten_artifacts AS
SELECT artifact, max(before) AS before FROM (
    SELECT a.artifact, f.before FROM said_artifacts a JOIN forgotten_models f USING (weights)
    UNION ALL
    SELECT a.artifact, f.before FROM said_artifacts a JOIN forgotten f ON f.what = 'corpus' AND f.key = a.corpus)
GROUP BY ALL;
CREATE OR REPLACE TEMP TABLE forgotten_configurations AS
SELECT DISTINCT c.configuration, f.before
FROM said_configurations c JOIN forgotten f ON f.what = 'measure' AND f.key = c.measure;
"""
_FORGETTABLE = {
    "sources": "forgotten f WHERE f.what = 'source' AND f.key = t.source",
    "models": "forgotten_models f WHERE f.weights = t.weights",
    "corpora": "forgotten f WHERE f.what = 'corpus' AND f.key = t.corpus",
    "artifacts": "forgotten_artifacts f WHERE f.artifact = t.artifact",
    "configurations": "forgotten_configurations f WHERE f.configuration = t.configuration",
    "failures": "forgotten_models f JOIN said_models m USING (weights) WHERE m.name = t.model",
}

#: Artifacts that were written twice, with other bytes: what an older file was refused for may no longer hold.
_REBUILT = """
CREATE OR REPLACE TEMP TABLE rebuilt AS
SELECT artifact, max(written) AS before FROM said_artifacts WHERE path IS NOT NULL
GROUP BY artifact HAVING count(DISTINCT sha256) > 1;
"""

_DROP_SCORES = "".join(
    f"""
DELETE FROM base.{table} t USING base.artifacts a, forgotten_artifacts f{refers}
WHERE a.artifact = f.artifact AND t.{end} = a.id AND {measured} <= f.before{joined};
"""
    for end in ("artifact_a", "artifact_b")
    for table, refers, measured, joined in (
        ("details", ", base.scores s", "s.measured", " AND s.configuration = t.configuration "
         "AND s.artifact_a = t.artifact_a AND s.artifact_b = t.artifact_b"),
        ("scores", "", "t.measured", ""),
    )
) + """
DELETE FROM base.scores t USING base.artifacts a, rebuilt r
WHERE a.artifact = r.artifact AND a.id IN (t.artifact_a, t.artifact_b) AND t.refused IS NOT NULL
AND t.measured <= r.before;
DELETE FROM base.scores t USING base.configurations k, forgotten_configurations f
WHERE k.configuration = f.configuration AND t.configuration = k.id AND t.measured <= f.before;
DELETE FROM base.details d USING base.configurations k, forgotten_configurations f
WHERE k.configuration = f.configuration AND d.configuration = k.id AND NOT EXISTS (
    SELECT 1 FROM base.scores s WHERE s.configuration = d.configuration
    AND s.artifact_a = d.artifact_a AND s.artifact_b = d.artifact_b);
"""  # fmt: skip

_DAMAGED = """
UPDATE base.artifacts a SET damaged = d.reason
FROM (SELECT artifact, arg_max(reason, written) AS reason, max(written) AS found FROM said_damaged GROUP BY 1) d
WHERE a.artifact = d.artifact AND NOT EXISTS (
    SELECT 1 FROM said_artifacts s WHERE s.artifact = d.artifact AND s.path IS NOT NULL AND s.written > d.found);
"""

#: An artifact that arrives ends its model's failure.
_FAILURES = """
DELETE FROM base.failures f USING base.models m, said_artifacts a, said_failures s
WHERE m.name = f.model AND a.weights = m.weights AND a.corpus = f.corpus AND a.path IS NOT NULL
AND s.model = f.model AND s.corpus = f.corpus AND a.written > (
    SELECT max(written) FROM said_failures o WHERE o.model = f.model AND o.corpus = f.corpus);
"""

#: Of several for a layer ours stands, the newest of ours; else that of the store that came first. A refusal does not
#: outlive the file that it is of.
_FIGURES = """
DELETE FROM base.figures;
INSERT INTO base.figures
SELECT * EXCLUDE (place) FROM (
    SELECT s.*, row_number() OVER (
        PARTITION BY s.artifact, s.figure, s.version, s.parameters ORDER BY o.id NULLS FIRST, s.written DESC) AS place
    FROM said_figures s LEFT JOIN base.origins o ON o.store = s.store
    WHERE NOT EXISTS (SELECT 1 FROM forgotten_artifacts f WHERE f.artifact = s.artifact AND s.written <= f.before)
    AND NOT EXISTS (SELECT 1 FROM forgotten f WHERE f.what = 'figure' AND f.key = s.figure AND s.written <= f.before)
    AND NOT (s.refused IS NOT NULL AND EXISTS (
        SELECT 1 FROM rebuilt r WHERE r.artifact = s.artifact AND s.written <= r.before)))
WHERE place = 1 ORDER BY artifact, figure, version;
"""

#: The same of what stands beside scores, of each that was asked for.
_FOLD_BESIDE = """
DELETE FROM base.{table};
INSERT INTO base.{table} BY NAME
SELECT * EXCLUDE (place) FROM (
    SELECT s.*, row_number() OVER (
        PARTITION BY s.configuration, s.artifact_a, s.artifact_b, s.settings
        ORDER BY o.id NULLS FIRST, s.written DESC) AS place
    FROM said_{table} s LEFT JOIN base.origins o ON o.store = s.store
    WHERE {heeded} AND NOT (s.refused IS NOT NULL AND ({outdated})))
WHERE place = 1 ORDER BY configuration, artifact_a, artifact_b, settings;
"""

#: Segments with scores that are taken again: some rows could not be placed, or are no longer forgotten.
_RETAKE = """
DELETE FROM base.segments WHERE segment LIKE 'scores/%' AND (
    unresolved > 0 OR EXISTS (SELECT what, key FROM base.forgotten EXCEPT SELECT what, key FROM forgotten));
DELETE FROM base.forgotten;
INSERT INTO base.forgotten SELECT what, key, before FROM forgotten;
"""


# --- scores -----------------------------------------------------------------------------------------------------------


def _take_scores(connection: duckdb.DuckDBPyConnection, segments: Sequence[Segment]) -> None:
    """Take scores in. Of several for a pair ours stands, the newest of ours; else that of the store that came first."""
    files = [str(segment.path) for segment in segments]
    connection.execute(_ARRIVING, [files])
    if connection.execute(_TWICE).fetchone():
        connection.execute(_ONCE)
    if connection.execute(_KNOWN).fetchone():
        connection.execute(_AGAINST_KNOWN)
    connection.execute(_INSERT)
    unresolved = dict(connection.execute(_UNRESOLVED, [files]).fetchall())
    for segment in segments:
        taken = [segment.name, unresolved.get(str(segment.path), 0)]
        connection.execute("INSERT INTO base.segments VALUES (?, ?)", taken)


_HEEDED = " AND ".join(
    f"NOT EXISTS (SELECT 1 FROM forgotten_artifacts f WHERE f.artifact = s.{end} AND s.written <= f.before)"
    for end in ("artifact_a", "artifact_b")
) + (
    " AND NOT EXISTS (SELECT 1 FROM forgotten_configurations f "
    "WHERE f.configuration = s.configuration AND s.written <= f.before)"
)  # fmt: skip
_OUTDATED = " OR ".join(
    f"EXISTS (SELECT 1 FROM rebuilt r WHERE r.artifact = s.{end} AND s.written <= r.before)"
    for end in ("artifact_a", "artifact_b")
)

_ARRIVING = f"""
CREATE OR REPLACE TEMP TABLE arriving AS
SELECT k.id AS configuration, a.id AS artifact_a, b.id AS artifact_b, s.value, s.words, s.refused, s.diagnostics, s.run,
       s.units, s.matches, s.written AS measured, o.id AS origin
FROM read_parquet(?) s
JOIN base.configurations k ON k.configuration = s.configuration
JOIN base.artifacts a ON a.artifact = s.artifact_a
JOIN base.artifacts b ON b.artifact = s.artifact_b
LEFT JOIN base.origins o ON o.store = s.store
WHERE {_HEEDED} AND NOT (s.refused IS NOT NULL AND ({_OUTDATED}))
"""

_UNRESOLVED = f"""
SELECT s.filename, count(*) FROM read_parquet(?, filename = true) s
LEFT JOIN base.configurations k ON k.configuration = s.configuration
LEFT JOIN base.artifacts a ON a.artifact = s.artifact_a
LEFT JOIN base.artifacts b ON b.artifact = s.artifact_b
WHERE (k.id IS NULL OR a.id IS NULL OR b.id IS NULL) AND {_HEEDED}
GROUP BY 1
"""

_TWICE = "SELECT 1 FROM arriving GROUP BY configuration, artifact_a, artifact_b HAVING count(*) > 1 LIMIT 1"
_KNOWN = "SELECT 1 FROM arriving JOIN base.scores USING (configuration, artifact_a, artifact_b) LIMIT 1"


def _differ(one: str, other: str) -> str:
    """Return the condition that two numbers differ by more than noise, or that one of them was refused."""
    return f"(({one} IS NULL) <> ({other} IS NULL) OR abs({one} - {other}) > {_NOISE} * greatest(1, abs({one})))"


_ONCE = f"""
CREATE OR REPLACE TEMP TABLE ranked AS
SELECT rowid AS number, configuration, artifact_a, artifact_b, value, origin, run, measured, row_number() OVER (
    PARTITION BY configuration, artifact_a, artifact_b ORDER BY origin NULLS FIRST, measured DESC) AS place
FROM arriving;
INSERT INTO base.disagreements
SELECT configuration, artifact_a, artifact_b, best.value, other.value, other.origin, other.run, other.measured
FROM ranked best JOIN ranked other USING (configuration, artifact_a, artifact_b)
WHERE best.place = 1 AND other.origin IS DISTINCT FROM best.origin AND {_differ("best.value", "other.value")};
DELETE FROM arriving USING ranked WHERE arriving.rowid = ranked.number AND place > 1;
"""

_AGAINST_KNOWN = f"""
CREATE OR REPLACE TEMP TABLE met AS
SELECT n.rowid AS number, configuration, artifact_a, artifact_b, o.value AS old, n.value AS new,
       o.origin AS old_origin, n.origin AS new_origin, o.run AS old_run, n.run AS new_run,
       o.measured AS old_measured, n.measured AS new_measured,
       CASE WHEN o.origin IS NOT DISTINCT FROM n.origin THEN n.measured > o.measured
            ELSE coalesce(n.origin, 0) < coalesce(o.origin, 0) END AS replaces
FROM arriving n JOIN base.scores o USING (configuration, artifact_a, artifact_b);
DELETE FROM base.disagreements d USING met WHERE d.configuration = met.configuration
    AND d.artifact_a = met.artifact_a AND d.artifact_b = met.artifact_b
    AND (met.replaces OR d.origin IS NOT DISTINCT FROM met.new_origin);
INSERT INTO base.disagreements
SELECT configuration, artifact_a, artifact_b,
       if(replaces, new, old), if(replaces, old, new), if(replaces, old_origin, new_origin),
       if(replaces, old_run, new_run), if(replaces, old_measured, new_measured)
FROM met WHERE old_origin IS DISTINCT FROM new_origin AND {_differ("old", "new")};
DELETE FROM base.scores t USING met WHERE met.replaces AND t.configuration = met.configuration
    AND t.artifact_a = met.artifact_a AND t.artifact_b = met.artifact_b;
DELETE FROM base.details t USING met WHERE met.replaces AND t.configuration = met.configuration
    AND t.artifact_a = met.artifact_a AND t.artifact_b = met.artifact_b;
DELETE FROM arriving USING met WHERE arriving.rowid = met.number AND NOT met.replaces;
"""

_INSERT = """
INSERT INTO base.scores
SELECT configuration, artifact_a, artifact_b, value, words, refused, diagnostics, run, measured, origin
FROM arriving ORDER BY configuration, artifact_a, artifact_b;
INSERT INTO base.details
SELECT configuration, artifact_a, artifact_b, units, matches FROM arriving WHERE units IS NOT NULL
"""


def _fill_ranges(connection: duckdb.DuckDBPyConnection) -> None:
    """Give configurations that the version before has written the range that its own migration gives them."""
    if connection.execute("SELECT 1 FROM base.configurations WHERE direction IS NULL").fetchone():
        connection.execute(dict(migrations())[_FORMER_RANGES])
