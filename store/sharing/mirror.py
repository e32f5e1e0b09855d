"""What a place's log says, known here: its segments are copied into a folder of this machine's cache, and merged there.

Only what is new is fetched. Losing the cache costs time.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from layeratlas.store.errors import LayeratlasError
from layeratlas.store.files import sha256_file, whole_file
from layeratlas.store.log import COLUMNS, FOLDER, Log, Segment, covers, is_name
from layeratlas.store.sharing.arrivals import Expected, inspect
from layeratlas.store.sharing.places import Place

SMALL = tuple(table for table in COLUMNS if table != "scores")
AT_ONCE = 8  # transfers
_TOGETHER = 2**28  # bytes of segments that are checked together


def cache_folder(address: str) -> Path:
    """Return where this machine keeps what it knows of a place: below $XDG_CACHE_HOME, or ~/.cache."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return caches / "layeratlas" / hashlib.sha256(address.encode()).hexdigest()[:32]


def listed(place: Place, tables: Iterable[str] = tuple(COLUMNS)) -> dict[str, int]:
    """Return the segments of a place's log, as `<table>/<file>`, with their bytes; scores before small tables.

    Whoever adds to a log writes the small tables first: what scores refer to is then never older than they are.
    """
    wanted = set(tables)
    found = place.sizes(f"{FOLDER}/scores") if "scores" in wanted else {}
    if wanted - {"scores"}:
        found |= place.sizes(FOLDER)
    names = {name.removeprefix(f"{FOLDER}/"): size for name, size in found.items()}
    return {name: size for name, size in names.items() if name.split("/")[0] in wanted and is_name(*_parts(name))}


def fetch_segments(
    place: Place, sizes: Mapping[str, int], log: Log, advance: Callable[[int], None] = lambda size: None
) -> list[Segment]:
    """Copy segments of a place into a log, once their bytes are what their names promise and their rows can be read.

    sizes: bytes by name. Raises LayeratlasError for one that is damaged there, ArrivalRefused for what is no segment.
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [one for some in _groups(sizes) for one in _fetch(place, some, log, pool, advance)]


def _groups(sizes: Mapping[str, int]) -> Iterator[dict[str, int]]:
    """Cut what is to be fetched into parts, each of which is checked as one, and then stays."""
    group: dict[str, int] = {}
    for name, size in sizes.items():
        if group and sum(group.values()) + size > _TOGETHER:
            yield group
            group = {}
        group[name] = size
    if group:
        yield group


def _fetch(
    place: Place, sizes: Mapping[str, int], log: Log, pool: Executor, advance: Callable[[int], None]
) -> list[Segment]:
    segments = {name: Segment(_parts(name)[0], log.folder / name) for name in sizes}
    with ExitStack() as stack:
        temporary = {name: stack.enter_context(whole_file(one.path)) for name, one in segments.items()}

        def fetch(name: str) -> None:
            place.fetch(f"{FOLDER}/{name}", temporary[name])
            if sha256_file(temporary[name]) != segments[name].path.stem.rpartition("-")[2]:
                raise LayeratlasError(
                    f"{place.title}: {FOLDER}/{name} has changed since it was written, and is not taken. Whoever keeps "
                    "it there mends it with `layeratlas verify`"
                )
            advance(sizes[name])

        list(pool.map(fetch, sizes))
        inspect([
            Expected(f"{place.title}: {FOLDER}/{name}", str(temporary[name]), table=one.table)
            for name, one in segments.items()
        ])  # fmt: skip
    return list(segments.values())


def covered(place: Place, name: str) -> frozenset[str]:
    """Return the segments whose rows a place's segment holds, from its footer alone."""
    import pyarrow.parquet as pq

    with place.open(f"{FOLDER}/{name}") as file:
        return covers(pq.read_metadata(file), name)


def _parts(name: str) -> tuple[str, str]:
    table, _, file = name.partition("/")
    return table, file
