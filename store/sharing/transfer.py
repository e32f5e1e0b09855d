"""Copying from one side to another what the other lacks: artifacts, then what is known of them, then their scores.

In that order, so that whoever reads meanwhile, and whoever goes on after an interruption, never meets a number that
refers to nothing. What is there already does not travel.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from layeratlas.store.errors import ArtifactDamaged, LayeratlasError
from layeratlas.store.files import make_room, sha256_file, together, whole_file
from layeratlas.store.identity import is_place, place_of
from layeratlas.store.kinds import KINDS
from layeratlas.store.log import FOLDER, Log, as_table
from layeratlas.store.progress import Progress, Silent
from layeratlas.store.provenance import now
from layeratlas.store.sharing.arrivals import ArrivalRefused, Expected, inspect
from layeratlas.store.sharing.names import agree
from layeratlas.store.sharing.places import Place
from layeratlas.store.sharing.rows import Row, chosen_scores, distinct, meant, only_used, rename, stores_in, without
from layeratlas.store.sharing.selection import Chosen, Holdings, Layer, Selection, choose
from layeratlas.store.sharing.side import AT_ONCE, SMALL, Side, fetch_segments

if TYPE_CHECKING:
    import pyarrow as pa

_TOGETHER = 2**29  # bytes of artifacts that are checked together


@dataclass(frozen=True)
class Options:
    """How to copy. label: how what arrives is said to have come.

    renames: of models and corpora, old name to new; settled: names that were agreed on before, by key.
    recode: how an artifact is written anew on its way, for a bundle.
    """

    label: str
    progress: Progress = field(default_factory=Silent)
    renames: Mapping[str, str] = field(default_factory=dict)
    settled: Mapping[str, str] = field(default_factory=dict)
    recode: Callable[[Path, Path], None] | None = None


@dataclass(frozen=True)
class Plan:
    """What is to be copied: artifacts by fingerprint; scores, as whole segments with their bytes, or as rows.

    names: under which models and corpora arrive that are called otherwise where they come from, by key.
    """

    chosen: Chosen
    names: dict[str, str]
    files: dict[str, Layer]
    segments: dict[str, int]
    scores: pa.Table | None
    left_out: list[str] = field(default_factory=list)  # names of what the target has forgotten

    @property
    def is_empty(self) -> bool:
        """Whether the target has all files and scores."""
        return not (self.files or self.segments or (self.scores is not None and len(self.scores)))

    @property
    def bytes(self) -> int:
        """Of the files that travel as they are."""
        return sum(layer.bytes for layer in self.files.values()) + sum(self.segments.values())


@dataclass
class Summary:
    """What was copied: files, bytes, and scores, as far as these are counted. absent: what the source had lost."""

    artifacts: int = 0
    bytes: int = 0
    absent: list[str] = field(default_factory=list)


class Transfer:
    """One copy from one side to another."""

    def __init__(self, source: Side, target: Side, selection: Selection, options: Options) -> None:
        self.source, self.target, self.selection, self.options = source, target, selection, options

    def plan(self) -> Plan:
        """Say what is to be copied. Raises BadRequest for unknown names, NamesDisagree."""
        source, target, selection = self.source.holdings, self.target.holdings, self.selection
        chosen = choose(source, selection)
        chosen, left_out = self._without_forgotten(chosen)
        names = agree(source, target, chosen, renames=self.options.renames, settled=self.options.settled)
        files = {
            key: layer for key, layer in source.artifacts.items()
            if key in chosen.artifacts and layer.path and not _has_file(target, key)
        }  # fmt: skip
        segments, scores = {}, None
        if chosen.is_partial and not selection.artifacts_only:
            progress = self.options.progress
            scores = chosen_scores(self.source.segments(progress), self.target.segments(progress), chosen)
        elif not selection.artifacts_only:
            segments = self._missing_segments()
        return Plan(chosen, names, {} if selection.scores_only else files, segments, scores, left_out)

    def _without_forgotten(self, chosen: Chosen) -> tuple[Chosen, list[str]]:
        """Leave out what the target has forgotten, unless it is asked for by name; return the names of that."""
        here, named = self.target.holdings, {*self.selection.models, *self.selection.corpora}
        known = here.keys
        names = self.source.holdings.names | {source: source for source in chosen.sources}
        gone = {key for _, key in here.forgotten if key in names and key not in known and names[key] not in named}
        models = {key for key, (_, source) in self.source.holdings.models.items() if key in gone or source in gone}
        return chosen.without(models | gone, self.source.holdings), sorted({names[key] for key in gone & chosen.keys})

    def _missing_segments(self) -> dict[str, int]:
        """The source's segments that hold rows which the target's do not."""
        new = [name for name in self.source.scores if name not in self.target.scores]
        if not new:
            return {}
        known = frozenset[str]().union(*self.target.covers(self.target.scores).values())
        covers = self.source.covers([name for name in new if name not in known])
        return {name: self.source.scores[name] for name, covered in covers.items() if not covered <= known}

    def carry_out(self, plan: Plan) -> Summary:
        """Copy it. Interrupted, it can be called again, and goes on."""
        summary = Summary()
        with self.options.progress.task("copying", plan.bytes, is_bytes=True) as advance:
            arrived = self._copy_files(plan, summary, advance)
            self._write_small(plan, arrived)
            self._copy_scores(plan, advance)
        return summary

    # --- artifacts ----------------------------------------------------------------------------------------------------

    def _copy_files(self, plan: Plan, summary: Summary, advance: Callable[[int], None]) -> dict[str, Row]:
        """Copy artifacts; return what their rows say of the files that are now in the target."""
        arrived: dict[str, Row] = {}
        copy = self._bring if self.target.is_here else self._send
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for keys in together(plan.files, lambda key: plan.files[key].bytes, _TOGETHER):
                some = {key: plan.files[key] for key in keys}
                found = copy(plan, some, pool, advance)
                arrived |= {key: row for key, row in found.items() if row}
                summary.absent += [str(some[key].path) for key, row in found.items() if not row]
        summary.artifacts, summary.bytes = len(arrived), sum(row["bytes"] for row in arrived.values())
        return arrived

    def _bring(
        self, plan: Plan, files: Mapping[str, Layer], pool: Executor, advance: Callable[[int], None]
    ) -> dict[str, Row | None]:
        """Copy artifacts into the store here: they appear together, once all were checked."""
        root, paths = self.target.store.root, {key: self._path(plan, key) for key in files}
        there = _sizes(self.source.place, [Path(_sound(layer)) for layer in files.values()], pool)
        with ExitStack() as stack:
            waiting: dict[str, Path] = {}
            for key, path in paths.items():
                if files[key].path in there and not _is_whole(root / path, files[key]):
                    make_room(root / path, root)
                    waiting[key] = stack.enter_context(whole_file(root / path))

            def fetch(key: str) -> None:
                layer = files[key]
                at, size = str(layer.path), there[str(layer.path)]
                if size != layer.bytes or self.source.place.fetch(at, waiting[key]) != layer.sha256:
                    raise LayeratlasError(
                        f"{self.source.place.title}: {layer.path} has changed since it was written, and is not taken; "
                        "`layeratlas verify` there marks it, and the next run rebuilds it"
                    )
                advance(layer.bytes)

            list(pool.map(fetch, waiting))
            if not self.source.place.is_checked:
                inspect([_expected(self.source, key, files[key], waiting[key]) for key in waiting])
        return {key: _row(paths[key], layer) if layer.path in there else None for key, layer in files.items()}

    def _send(
        self, plan: Plan, files: Mapping[str, Layer], pool: Executor, advance: Callable[[int], None]
    ) -> dict[str, Row | None]:
        """Copy artifacts of the store here to another place."""
        there = _sizes(self.target.place, [self._path(plan, key) for key in files], pool)

        def send(key: str) -> Row | None:
            layer, path = files[key], self._path(plan, key)
            file = self.source.store.root / _sound(layer)
            if not file.is_file():
                return None
            row = _row(path, layer)
            with ExitStack() as stack:
                if self.options.recode:
                    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                    self.options.recode(file, folder / "recoded")
                    file = folder / "recoded"
                    row |= {"bytes": file.stat().st_size, "sha256": sha256_file(file)}
                elif not _is_whole(file, layer):
                    raise ArtifactDamaged(f"{layer.path} has changed since it was written: `layeratlas verify`")
                if there.get(path.as_posix()) != row["bytes"]:
                    self.target.place.put(file, path.as_posix())
            advance(layer.bytes)
            return row

        return dict(zip(files, pool.map(send, files), strict=True))

    def _path(self, plan: Plan, key: str) -> Path:
        layer = plan.files[key]
        name = plan.names.get(layer.weights, self.source.holdings.models[layer.weights][0])
        return place_of(key, layer.kind, layer.layer, name)

    # --- what is known of them ----------------------------------------------------------------------------------------

    def _write_small(self, plan: Plan, arrived: Mapping[str, Row]) -> None:
        """Write to the target's log what it lacks of small tables. Of artifacts it knows only those with a new file."""
        source, target = self.source.store.log, self.target.store.log
        rows = rename(meant(source, plan.chosen), plan.names, self.source.holdings)
        rows["artifacts"] = self._artifact_rows(rows["artifacts"], arrived)
        if plan.scores is not None:
            rows = only_used(rows, plan.scores)
        rows = {table: without(target, table, some) for table, some in rows.items()}
        stores = {row["store"] for row in rows["runs"]} | (
            set() if plan.scores is None else distinct(plan.scores, "store")
        )
        rows["origins"] = self._origins(stores)
        rows["forgotten"] = self._lifted(plan.chosen)
        for table in SMALL:  # in their order, origins first
            if rows.get(table):
                self._write(table, as_table(table, rows[table]))

    def _artifact_rows(self, rows: Sequence[Row], arrived: Mapping[str, Row]) -> list[Row]:
        newest = {row["artifact"]: row for row in sorted(rows, key=lambda row: row["written"])}
        at, nothing = now(), {"path": None, "bytes": None, "sha256": None}
        return [
            {**row, **arrived[key], "written": at} if key in arrived else {**row, **nothing}
            for key, row in newest.items() if key in arrived or key not in self.target.holdings.artifacts
        ]  # fmt: skip

    def _lifted(self, chosen: Chosen) -> list[Row]:
        """Say of what the target has forgotten, and is now asked for, that it counts again."""
        forgotten = self.target.holdings.forgotten
        return [
            {"what": what, "key": key, "before": before, "lifted": True}
            for (what, key), before in forgotten.items() if key in chosen.keys - self.target.holdings.keys
        ]  # fmt: skip

    def _origins(self, stores: Iterable[str | None]) -> list[Row]:
        """Say of stores that the target does not know how what they measured came."""
        own = self.target.store.settings.store if self.target.is_here else None
        known = self.source.holdings.origins if self.source.is_here else {}
        new = sorted(one for one in stores if one and one != own and one not in self.target.holdings.origins)
        return [{"store": one, "origin": known.get(one, self.options.label)} for one in new]

    # --- scores -------------------------------------------------------------------------------------------------------

    def _copy_scores(self, plan: Plan, advance: Callable[[int], None]) -> None:
        if plan.scores is not None:
            if len(plan.scores):
                self._write("scores", plan.scores)
        elif self.target.is_here:
            log = self.target.store.log
            arrived = fetch_segments(self.source.place, plan.segments, log, advance)
            if unknown := self._origins(stores_in(arrived)):
                self._write("origins", as_table("origins", unknown))
        else:
            for name, size in plan.segments.items():
                self.target.place.put(self.source.store.log.folder / name, f"{FOLDER}/{name}")
                advance(size)

    def _write(self, table: str, rows: pa.Table) -> None:
        """Write rows to the target's log."""
        own = self.source.store if self.source.is_here else self.target.store
        if self.target.is_here:
            own.log.write_table(table, rows, store=self.target.store.settings.store)
            return
        with tempfile.TemporaryDirectory() as folder:
            segment = Log(Path(folder)).write_table(table, rows, store=own.settings.store)
            self.target.place.put(segment.path, f"{FOLDER}/{segment.name}")


def _sizes(place: Place, files: Sequence[Path], pool: Executor) -> dict[str, int]:
    """Return the bytes of what a place has in the folders of these files."""
    folders = sorted({file.parent.as_posix() for file in files})
    return {name: size for sizes in pool.map(place.sizes, folders) for name, size in sizes.items()}


def _sound(layer: Layer) -> str:
    """Return where a file stands, if it is where artifacts stand: what others write may name any place."""
    if layer.kind not in KINDS or not is_place(layer.path or ""):
        raise ArrivalRefused(
            f"an artifact is said to stand at '{layer.path}', where none can be; nothing of it was taken"
        )
    return str(layer.path)


def _has_file(holdings: Holdings, key: str) -> bool:
    return key in holdings.artifacts and holdings.artifacts[key].path is not None


def _is_whole(file: Path, layer: Layer) -> bool:
    return file.is_file() and file.stat().st_size == layer.bytes and sha256_file(file) == layer.sha256


def _row(path: Path, layer: Layer) -> Row:
    return {"path": path.as_posix(), "bytes": layer.bytes, "sha256": layer.sha256}


def _expected(side: Side, key: str, layer: Layer, file: Path) -> Expected:
    title = f"{side.place.title}: {layer.path}"
    return Expected(title, str(file), artifact=key, kind=layer.kind, words=layer.words, units=layer.units)
