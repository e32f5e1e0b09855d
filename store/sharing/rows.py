"""Rows of one log that another lacks: of small tables row by row, of scores where only some are meant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from layeratlas.store.log import COLUMNS, Log, Segment, schema
from layeratlas.store.sharing.selection import Chosen, Holdings

if TYPE_CHECKING:
    import pyarrow as pa

Row = dict[str, Any]
_SCORE = ("configuration", "artifact_a", "artifact_b", "store", "written")  # what tells one row of scores from another


def _is_pair(row: Row, chosen: Chosen) -> bool:
    ends = [chosen.artifacts.get(row[end]) for end in ("artifact_a", "artifact_b")]
    return (
        all(since is not None and row["written"] > since for since in ends)
        and row["configuration"] in chosen.configurations
        and row["written"] > chosen.configurations[row["configuration"]]
    )


#: Which rows of a table are meant: those of the keys that were chosen, written since these were last forgotten.
#: What is not here is said by one store of itself, and does not travel.
_MEANT: dict[str, Callable[[Row, Chosen], bool]] = {
    "sources": lambda row, chosen: row["source"] in chosen.sources and chosen.counts(row, "source"),
    "models": lambda row, chosen: row["weights"] in chosen.weights and chosen.counts(row, "weights", "source"),
    "corpora": lambda row, chosen: row["corpus"] in chosen.corpora and chosen.counts(row, "corpus"),
    "artifacts": lambda row, chosen: (
        row["artifact"] in chosen.artifacts and row["written"] > chosen.artifacts[row["artifact"]]
    ),
    "configurations": lambda row, chosen: (
        row["configuration"] in chosen.configurations and chosen.counts(row, "measure")
    ),
    "figures": lambda row, chosen: (
        row["artifact"] in chosen.artifacts and row["written"] > chosen.artifacts[row["artifact"]]
    ),
    "intervals": _is_pair,
    "nulls": _is_pair,
    "runs": lambda row, chosen: True,
}


def meant(log: Log, chosen: Chosen) -> dict[str, list[Row]]:
    """Return the rows of a log's small tables that are meant."""
    return {
        table: [row for row in _read(log, table) if is_meant(row, chosen)] for table, is_meant in _MEANT.items()
    }  # fmt: skip


def without(log: Log, table: str, rows: Sequence[Row]) -> list[Row]:
    """Return the rows that a log does not hold."""
    known = {_hashable(row) for row in _read(log, table)}
    return [row for row in rows if _hashable(row) not in known]


def rename(rows: dict[str, list[Row]], names: Mapping[str, str], holdings: Holdings) -> dict[str, list[Row]]:
    """Return rows with other names of models and corpora, by key; `holdings` has the former ones."""
    models = {holdings.models[key][0]: name for key, name in names.items() if key in holdings.models}
    for row in rows["models"]:
        row["name"] = names.get(row["weights"], row["name"])
        row["finetuned_from"] = models.get(row["finetuned_from"], row["finetuned_from"])
    for row in rows["corpora"]:
        row["name"] = names.get(row["corpus"], row["name"])
    return rows


def only_used(rows: dict[str, list[Row]], scores: pa.Table) -> dict[str, list[Row]]:
    """Leave out runs and configurations that nothing refers to that travels."""
    runs = distinct(scores, "run") | {
        row["run"] for table in ("artifacts", "figures", "sources", "intervals", "nulls") for row in rows[table]
    }
    used = distinct(scores, "configuration") | {
        row["configuration"] for table in ("intervals", "nulls") for row in rows[table]
    }
    return rows | {
        "runs": [row for row in rows["runs"] if row["run"] in runs],
        "configurations": [row for row in rows["configurations"] if row["configuration"] in used],
    }


def distinct(rows: pa.Table, column: str) -> set[Any]:
    """Return the values of a column."""
    import pyarrow.compute as pc

    return set(pc.unique(rows[column]).to_pylist())


def stores_in(segments: Iterable[Segment]) -> set[str]:
    """Return the ids of the stores that measured the scores of segments."""
    import pyarrow.parquet as pq

    found: set[str] = set()
    for segment in segments:
        found |= distinct(pq.read_table(segment.path, columns=["store"], partitioning=None), "store")
    return found - {None}


def chosen_scores(source: Sequence[Segment], known: Sequence[Segment], chosen: Chosen) -> pa.Table:
    """Return the scores of chosen artifacts under chosen configurations that no known segment holds."""
    import duckdb
    import pyarrow as pa

    if not (source and chosen.artifacts and chosen.configurations):
        return schema("scores").empty_table()
    with duckdb.connect().cursor() as connection:  # a cursor draws no bar at a prompt
        for name, since in (("artifacts", chosen.artifacts), ("configurations", chosen.configurations)):
            keys = pa.table({"key": list(since), "since": pa.array(since.values(), pa.timestamp("us"))})
            connection.register(name, keys)
        sql = """
            SELECT s.* FROM read_parquet($1, union_by_name = true) s
            JOIN configurations k ON k.key = s.configuration AND s.written > k.since
            JOIN artifacts a ON a.key = s.artifact_a AND s.written > a.since
            JOIN artifacts b ON b.key = s.artifact_b AND s.written > b.since"""
        files = [[str(one.path) for one in source]]
        if known:
            same = " AND ".join(f"o.{name} = s.{name}" for name in _SCORE)
            sql += f" WHERE NOT EXISTS (SELECT 1 FROM read_parquet($2, union_by_name = true) o WHERE {same})"  # noqa: S608
            files.append([str(one.path) for one in known])
        order = "s.configuration, s.artifact_a, s.artifact_b"
        found: pa.Table = connection.sql(f"{sql} ORDER BY {order}", params=files).to_arrow_table()
    return found.select([name for name in COLUMNS["scores"] if name in found.column_names])


def _read(log: Log, table: str) -> list[Row]:
    segments = log.segments([table])
    return log.read(segments).to_pylist() if segments else []


def _hashable(row: Row) -> tuple[Any, ...]:
    return tuple(tuple(value) if isinstance(value, list) else value for value in row.values())
