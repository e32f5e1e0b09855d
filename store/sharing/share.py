"""What a user asks for: pull from a place, push to it, export a bundle, import one."""

from __future__ import annotations

import getpass
import re
import tempfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib import metadata
from pathlib import Path

from layeratlas.store.artifacts.base import recode
from layeratlas.store.errors import BadRequest, NothingYet, unknown
from layeratlas.store.files import readable_size, remove_orphans, whole_file
from layeratlas.store.log import COLUMNS, Log
from layeratlas.store.places import shown_path
from layeratlas.store.progress import Progress, Silent
from layeratlas.store.provenance import now
from layeratlas.store.sharing import signature
from layeratlas.store.sharing.bundle import ENDING, FORMAT, Bundle, BundleWriter
from layeratlas.store.sharing.card import card
from layeratlas.store.sharing.names import renames_of
from layeratlas.store.sharing.places import Folder, Place, is_elsewhere, open_place
from layeratlas.store.sharing.selection import Selection
from layeratlas.store.sharing.side import Side, cache_folder
from layeratlas.store.sharing.transfer import Options, Plan, Transfer
from layeratlas.store.store import Store

_SECRET = re.compile(r"(?i)(secret|password|token)[^=&]*=")


@dataclass(frozen=True, repr=False)
class Shared:
    """What came of sharing, in lines."""

    said: tuple[str, ...]
    exit_code: int = 0

    def lines(self) -> list[str]:
        """What to tell the user."""
        return list(self.said)

    def __repr__(self) -> str:
        return "\n".join(self.said)


@dataclass(frozen=True)
class How:
    """How to share: what to call otherwise (`old=new`), whether only to say what would be done, and who watches."""

    renames: Sequence[str] = ()
    dry_run: bool = False
    progress: Progress = field(default_factory=Silent)


def pull(store: Store, address: str, selection: Selection, how: How | None = None) -> Shared:
    """Copy from a place what the store lacks, and merge it. address: a remote's name, a folder, a bundle, or a URL.

    Raises LayeratlasError: BadRequest, NamesDisagree, ArrivalRefused, NothingYet where nothing is.
    """
    how = how or How()
    label, place = named_place(store, address)
    if isinstance(place, Bundle):
        return import_bundle(store, place.path, selection, how)
    if isinstance(place, Folder) and not place.root.is_dir():
        raise BadRequest(f"there is no remote called '{address}', and no such folder; `layeratlas remote list`")
    source = Side.of_place(place, cache_folder(place.address))
    if not source.listed:
        raise NothingYet(f"{place.title} holds nothing that can be pulled")
    return _take(store, source, label, selection, how)


def import_bundle(
    store: Store, file: Path, selection: Selection, how: How | None = None, *, require_signature: bool = False,
    allowed_signers: Path | None = None, largest: int | None = None,
) -> Shared:  # fmt: skip
    """Check a bundle, then take from it what the store lacks. largest: bytes that it may take, on disk and in memory.

    Raises LayeratlasError; then nothing of it was taken.
    """
    how = how or How()
    if not file.is_file():
        raise BadRequest(f"there is no file {file}")
    bundle = Bundle(file)
    files = bundle.manifest["files"].values()
    takes = sum(max(said["bytes"], said["decoded"]) for said in files)
    if largest is not None and takes > largest:
        raise BadRequest(f"{file.name} takes {takes:,} bytes, more than the {largest:,} that it may: --largest")
    said = []
    if require_signature:
        said.append(f"signed by {signature.verify(bundle.manifest_bytes, bundle.signature, allowed_signers)}")
    with how.progress.task(f"checking {file.name}", sum(each["bytes"] for each in files), is_bytes=True) as advance:
        bundle.check(advance)
    with tempfile.TemporaryDirectory() as folder:
        taken = _take(store, Side.of_place(bundle, Path(folder)), file.name, selection, how)
    return Shared((*said, *taken.said), taken.exit_code)


def push(store: Store, address: str, selection: Selection, how: How | None = None) -> Shared:
    """Copy to a place what it lacks. Names that the place has otherwise are refused, unless that was settled before."""
    how = how or How()
    _, place = named_place(store, address)
    if isinstance(place, Bundle):
        raise BadRequest(f"{place.path} is finished: `layeratlas export` writes another")
    target = Side.of_place(place, cache_folder(place.address))
    agreed = store.settings.settled
    settled = {key: name for key, name in target.holdings.names.items() if key in agreed}
    label = f"{shown_path(store.root.resolve())} of {getpass.getuser()}"
    options = Options(label, how.progress, renames_of(how.renames), settled)
    transfer = Transfer(Side.of_store(store), target, selection, options)
    plan = transfer.plan()
    if how.dry_run:
        return Shared((f"would push {_described(plan)} to {place.title}",))
    copied = transfer.carry_out(plan)
    if isinstance(place, Folder):
        Store(place.root).merge()
    return Shared((f"pushed {_described(plan)} to {place.title}", *_absent(copied.absent)), int(bool(copied.absent)))


def export(
    store: Store, file: Path, selection: Selection, *, text: bool = True, key: Path | None = None,
    by: str | None = None, force: bool = False, progress: Progress | None = None,
) -> Shared:  # fmt: skip
    """Write a bundle. text: whether the corpus's words go along. key: of SSH, to sign it with. by: who made it.

    Raises BadRequest, NothingYet.
    """
    if not file.name.endswith(ENDING):
        raise BadRequest(f"a bundle is called …{ENDING}: {file.name}{'' if file.suffix else ENDING}")
    if file.exists() and not force:
        raise BadRequest(f"{file} is there already: name another file, or say --force")
    source = Side.of_store(store)
    if not source.holdings.models:
        raise NothingYet(f"{store.root} holds nothing that can be exported")
    sign: Callable[[bytes], bytes] | None = partial(signature.sign, key=key) if key else None
    options = Options(f"{by or getpass.getuser()}", progress or Silent(), recode=partial(recode, text=text))
    remove_orphans(file.parent, file.name)
    with whole_file(file) as temporary, tempfile.TemporaryDirectory() as folder:
        writer = BundleWriter(temporary)
        transfer = Transfer(source, Side(writer, Store(Path(folder)), Log(Path(folder))), selection, options)
        plan = transfer.plan()
        copied = transfer.carry_out(plan)
        manifest = {
            "format": FORMAT, "layeratlas": metadata.version("layeratlas"), "made": f"{now():%Y-%m-%dT%H:%M:%SZ}",
            "by": by or getpass.getuser(), "store": store.settings.store, "text": text,
            "selection": asdict(selection), "models": _described_rows(store, "models", "weights", plan.chosen.weights),
            "corpora": _described_rows(store, "corpora", "corpus", plan.chosen.corpora),
        }  # fmt: skip
        writer.finish(manifest, card(manifest, _configurations(plan)), sign)
    done = f"exported {_described(plan)} to {file} ({readable_size(file.stat().st_size)})"
    return Shared((done, *_absent(copied.absent)), int(bool(copied.absent)))


def named_place(store: Store, address: str) -> tuple[str, Place]:
    """Return how what comes from an address is labelled, and the place. It may be a remote's name."""
    known = store.settings.remotes.get(address, address)
    if not is_elsewhere(known) and Path(known).expanduser().is_file():
        bundle = Bundle(Path(known).expanduser())
        return bundle.title, bundle
    place = open_place(known)
    return (address if address in store.settings.remotes else shown_path(place.title)), place


def add_remote(store: Store, name: str, address: str) -> None:
    """Keep a name for a place, in the store's own settings. Raises BadRequest for one that holds a credential."""
    if not re.fullmatch(r"[\w.-]+", name):
        raise BadRequest(f"a remote is called by letters, digits, '.', '_' and '-', got '{name}'")
    if "@" in address.partition("://")[2].partition("/")[0] or _SECRET.search(address):
        raise BadRequest("an address is kept in a file: leave credentials to the environment or the profile")
    local = not is_elsewhere(address)
    store.settings.set_remotes({**store.settings.remotes, name: str(Path(address).resolve()) if local else address})


def remove_remote(store: Store, name: str) -> None:
    """Forget a name. Raises BadRequest."""
    remotes = store.settings.remotes
    if name not in remotes:
        raise BadRequest(unknown("remote", name, remotes))
    store.settings.set_remotes({known: url for known, url in remotes.items() if known != name})


def _take(store: Store, source: Side, label: str, selection: Selection, how: How) -> Shared:
    """Copy from one side into the store here, merge, and say what is new."""
    target = Side.of_store(store)
    options = Options(label, how.progress, renames_of(how.renames), store.settings.settled)
    transfer = Transfer(source, target, selection, options)
    plan = transfer.plan()
    forgotten = [f"left out, for this store has forgotten it: {name}" for name in plan.left_out]
    if how.dry_run:
        return Shared((f"would take {_described(plan)} from {label}", *forgotten))
    before = _counts(store)
    store.settings.settle(plan.names)
    copied = transfer.carry_out(plan)
    store.merge()
    scores, differing = (new - old for new, old in zip(_counts(store), before, strict=True))
    taken = f"{copied.artifacts:,} artifacts ({readable_size(copied.bytes)}) and {scores:,} scores"
    said = [f"took {taken} from {label}" if scores or copied.artifacts else f"{label} holds nothing that is not here"]
    said += forgotten
    if differing > 0:
        said.append(f"{differing:,} of its scores differ from those here, which stay: `layeratlas query disagreements`")
    if waiting := store.waiting():
        said.append(f"{waiting} files of the log wait for the next run: the catalog is in use")
    return Shared((*said, *_absent(copied.absent)), int(bool(copied.absent)))


def _counts(store: Store) -> tuple[int, int]:
    sql = "SELECT (SELECT count(*) FROM base.scores), (SELECT count(*) FROM base.disagreements)"
    rows = store.rows(sql)
    return (rows[0][0], rows[0][1]) if rows else (0, 0)


def _described(plan: Plan) -> str:
    files = f"{len(plan.files):,} artifacts ({readable_size(sum(layer.bytes for layer in plan.files.values()))})"
    if plan.is_empty:
        return "nothing"
    if plan.scores is not None:
        return f"{files} and {len(plan.scores):,} scores"
    return f"{files} and {readable_size(sum(plan.segments.values()))} of scores"


def _absent(paths: Sequence[str]) -> list[str]:
    return [f"not there, although it is listed: {path}" for path in paths]


def _described_rows(store: Store, table: str, key: str, keys: Collection[str]) -> list[dict[str, str | None]]:
    """What a manifest says of models or corpora."""
    columns = ("name", key, "origin", "licence", "citation")
    here = [column for column in columns if column in COLUMNS[table]]
    rows = store.rows(f"SELECT {', '.join(here)} FROM base.{table} ORDER BY id")  # noqa: S608
    found = [dict.fromkeys(columns) | dict(zip(here, row, strict=True)) for row in rows]
    return [row for row in found if row[key] in keys]


def _configurations(plan: Plan) -> dict[str, str]:
    """Patterns of the files of a bundle, by the names under which a dataset hub offers them."""
    found = {}
    for layer in plan.files.values():
        folder = "/".join(str(layer.path).split("/")[:2])
        found[f"{folder.partition('model=')[2]}.{layer.kind}"] = f"{folder}/*/*.parquet"
    if plan.segments or (plan.scores is not None and len(plan.scores)):
        found["scores"] = "results/scores/*.parquet"
    return found
