"""Two hundred bundles that nobody should send: each is refused in one line, and leaves the store as it was."""

from __future__ import annotations

import json
import random
import struct
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sharing_stores import extracted, files, layeratlas, measured, said

from layeratlas.store.errors import LayeratlasError
from layeratlas.store.log import Log
from layeratlas.store.sharing import share
from layeratlas.store.sharing.selection import Selection
from layeratlas.store.store import Store

Content = dict[str, bytes]
FLIPS = 150


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of one model that nothing is wrong with."""
    file = tmp_path_factory.mktemp("sound") / "x.atlas.zip"
    share.export(measured(tmp_path_factory.mktemp("store"), "m1", attention=False), file, Selection())
    return file


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The store that is to stay as it is."""
    return extracted(tmp_path_factory.mktemp("store"), "m2")


def packed(content: Content, file: Path, *, change: Callable[[zipfile.ZipInfo], None] = lambda info: None) -> Path:
    """Write a zip whose manifest lists what is there, unless it was changed on purpose."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, each in content.items():
            info = zipfile.ZipInfo(name)
            change(info)
            archive.writestr(info, each)
    return file


def listed(content: Content, **more: dict[str, Any]) -> Content:
    """The same with a manifest that is true of every file, but for what is said otherwise."""
    manifest = json.loads(content["manifest.json"])
    for name, each in content.items():
        if name not in ("manifest.json", "README.md"):
            said = {"bytes": len(each), "sha256": sha256(each).hexdigest(), "decoded": 10**7}
            manifest["files"][name] = said | more.get(name, {})
    manifest["files"] = {name: said for name, said in manifest["files"].items() if name in content}
    return content | {"manifest.json": json.dumps(manifest).encode()}


def parquet(table: pa.Table, folder: Path, **options: Any) -> bytes:
    pq.write_table(table, folder / "t.parquet", **options)
    return (folder / "t.parquet").read_bytes()


def segment(table: str, content: bytes) -> str:
    """The name that these bytes have in a log."""
    return f"results/{table}/20260101T000000000000Z-{sha256(content).hexdigest()}.parquet"


def refused(store: Store, file: Path) -> str:
    """Import a bundle that must be refused; return what is said."""
    before = files(store.root)
    with pytest.raises(LayeratlasError) as error:
        share.import_bundle(store, file, Selection())
    assert files(store.root) == before
    line = str(error.value)
    assert line.startswith(file.name) and "\n" not in line and line.isprintable(), line
    return line


ZEROS = "0" * 64
NAMES = (
    "/etc/passwd", "../up.parquet", "results/../../up", "results/scores/../../x.parquet", "C:\\windows", "C:/windows",
    "results\\scores\\x.parquet", "CON", "results/scores/NUL", "catalog.duckdb", "store.json", "locks/merge.lock",
    "__init__.py", "readme.md", "MANIFEST.JSON", "", "results/scores/x\x00.parquet", "results/\u202escores/x.parquet",
    f"activations/model=../layer=1/v1-{ZEROS}.parquet", f"activations/model=m1/layer=1/../../../v1-{ZEROS}.parquet",
    "activations/model=m1/layer=1/evil.py", f"results/evil/20260101T000000000000Z-{ZEROS}.parquet",
    f"results/scores/20260101T000000000000Z-{ZEROS[1:]}.parquet", f"evil/model=m1/layer=1/v1-{ZEROS}.parquet",
    f"activations/model=m1/layer=01e1/v1-{ZEROS}.parquet",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_no_store_has(name: str, sound: Path, store: Store, tmp_path: Path) -> None:
    content = unpacked(sound) | {name: b"x"}
    refused(store, packed(listed(content), tmp_path / "x.atlas.zip"))


def unpacked(file: Path) -> Content:
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


SAYINGS = (
    ("bytes", -1), ("bytes", 2**80), ("bytes", "1"), ("bytes", None), ("bytes", 1.5), ("bytes", 7), ("decoded", -1),
    ("decoded", True), ("sha256", 5), ("sha256", ZEROS),
)  # fmt: skip
MANIFESTS: dict[str, Callable[[dict[str, Any]], object]] = {
    "no object": lambda m: [m], "text": lambda m: "x", "no files": lambda m: m | {"files": None},
    "files a list": lambda m: m | {"files": list(m["files"])}, "another format": lambda m: m | {"format": 2},
    "format a list": lambda m: m | {"format": [[1]]}, "an empty list of files": lambda m: m | {"files": {}},
    "one file more": lambda m: m | {"files": m["files"] | {"results/runs/x": next(iter(m["files"].values()))}},
    **{
        f"{key} {value}": lambda m, key=key, value=value: (  # type: ignore[misc]
            m | {"files": {name: said | {key: value} for name, said in m["files"].items()}}
        )
        for key, value in SAYINGS
    },
}  # fmt: skip


@pytest.mark.parametrize("case", MANIFESTS)
def test_a_manifest_that_says_something_else(case: str, sound: Path, store: Store, tmp_path: Path) -> None:
    content = unpacked(sound)
    changed = MANIFESTS[case](json.loads(content["manifest.json"]))
    refused(store, packed(content | {"manifest.json": json.dumps(changed).encode()}, tmp_path / "x.atlas.zip"))


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"files": {}}' * 2, b"null", b"NaN"])
def test_a_manifest_that_is_none(raw: bytes, sound: Path, store: Store, tmp_path: Path) -> None:
    refused(store, packed(unpacked(sound) | {"manifest.json": raw}, tmp_path / "x.atlas.zip"))


def test_a_zip_that_is_no_plain_one(sound: Path, store: Store, tmp_path: Path) -> None:
    content, file = unpacked(sound), tmp_path / "x.atlas.zip"

    def linked(info: zipfile.ZipInfo) -> None:
        info.external_attr = 0o120777 << 16

    def device(info: zipfile.ZipInfo) -> None:
        info.external_attr = 0o060666 << 16

    def deflated(info: zipfile.ZipInfo) -> None:
        info.compress_type = zipfile.ZIP_DEFLATED

    for change in (linked, device, deflated):
        refused(store, packed(content, file, change=change))
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(file, "w") as archive:
        for name, each in [*content.items(), *content.items()]:
            archive.writestr(name, each)
    assert "twice" in refused(store, file)
    file.write_bytes(overlapping(sound.read_bytes(), list(content)[1]))
    refused(store, file)
    for size in (0, 10, 1000, sound.stat().st_size - 1):
        file.write_bytes(sound.read_bytes()[:size])
        refused(store, file)
    file.write_bytes(sound.read_bytes() + b"more")
    refused(store, file)
    file.write_bytes(b"no zip at all" * 1000)
    assert "no bundle" in refused(store, file)


def overlapping(content: bytes, name: str) -> bytes:
    """A zip in whose list one member is said to lie where the first one does."""
    at = content.index(b"PK\x01\x02")
    while content[at + 46 : at + 46 + len(name)] != name.encode():
        at = content.index(b"PK\x01\x02", at + 4)
    return content[: at + 42] + struct.pack("<L", 0) + content[at + 46 :]


def test_segments_that_no_layeratlas_writes(sound: Path, store: Store, tmp_path: Path) -> None:
    log = Log(tmp_path / "log")
    models = {"weights": ["v1:x"], "name": ["x"], "source": ["own"]}
    tables = {
        "a column more": ("models", parquet(pa.table(models | {"evil": [1]}), tmp_path)),
        "another type": ("models", parquet(pa.table(models | {"layers": ["many"]}), tmp_path)),
        "control characters": ("models", parquet(pa.table(models | {"name": ["\x1b]0;x\x07"]}), tmp_path)),
        "a newline": ("models", parquet(pa.table(models | {"family": ["a\nb"]}), tmp_path)),
        "a long name": ("models", parquet(pa.table(models | {"name": ["x" * 2000]}), tmp_path)),
        "no Parquet": ("models", b"PAR1" + b"\x00" * 100 + b"PAR1"),
        "text": ("scores", b"print('hello')"),
    }
    for case, (table, content) in tables.items():
        line = refused(
            store, packed(listed(unpacked(sound) | {segment(table, content): content}), tmp_path / "x.atlas.zip")
        )
        assert f"results/{table}/" in line, case
    changed = log.write("models", [{"weights": "v1:y", "name": "y", "source": "own"}], store="x")
    assert changed is not None
    other = "1" if changed.path.stem.endswith("0") else "0"  # than the last digit of its hash
    content = unpacked(sound) | {f"results/{changed.name}"[:-9] + f"{other}.parquet": changed.path.read_bytes()}
    assert f"{other}.parquet" in refused(store, packed(listed(content), tmp_path / "x.atlas.zip"))


@pytest.mark.parametrize("decoded", [10_000, 2**45])
def test_ten_gigabytes_in_ten_kilobytes(decoded: int, sound: Path, store: Store, tmp_path: Path) -> None:
    long = pa.DictionaryArray.from_arrays(pa.array([0] * 1_000_000, pa.int32()), ["x" * 10_000])
    bomb = parquet(pa.table({"what": long}), tmp_path, store_schema=False)
    assert len(bomb) < 100_000
    name = segment("forgotten", bomb)
    content = listed(unpacked(sound) | {name: bomb}, **{name: {"decoded": decoded}})
    assert "bytes of memory" in refused(store, packed(content, tmp_path / "x.atlas.zip"))


def test_artifacts_that_are_not_what_they_are_called(sound: Path, store: Store, tmp_path: Path) -> None:
    content = unpacked(sound)
    one, two = sorted(name for name in content if name.startswith("activations/"))[:2]
    table = pq.read_table(pa.BufferReader(content[one]))
    meta = table.schema.metadata
    cases = {
        "another layer": content[two],
        "no description": parquet(table.replace_schema_metadata(None), tmp_path),
        "fewer rows": parquet(table.slice(0, 5).replace_schema_metadata(meta), tmp_path),
        "other columns": parquet(table.drop_columns(["token"]).replace_schema_metadata(meta), tmp_path),
        "deep nesting": parquet(table.replace_schema_metadata({b"layeratlas": b"[" * 100_000}), tmp_path),
        "no Parquet": b"\x00" * 1000,
    }
    for case, each in cases.items():
        line = refused(store, packed(listed(content | {one: each}), tmp_path / "x.atlas.zip"))
        assert one.split("/")[-1] in line, case


@pytest.mark.parametrize("seed", range(3))
def test_any_flipped_byte(seed: int, sound: Path, store: Store, tmp_path: Path) -> None:
    content, file, rng = sound.read_bytes(), tmp_path / "x.atlas.zip", random.Random(seed)
    edge = [*range(60), *range(len(content) - 200, len(content))]
    for _ in range(FLIPS // 3):
        at = rng.choice(edge) if rng.random() < 0.2 else rng.randrange(len(content))
        changed = bytearray(content)
        changed[at] ^= 1 << rng.randrange(8)
        file.write_bytes(changed)
        refused(store, file)


def test_the_command_line_says_it_in_one_line(sound: Path, store: Store, tmp_path: Path) -> None:
    file = packed(listed(unpacked(sound) | {"../up\x1b[31m": b"x"}), tmp_path / "x.atlas.zip")
    line = said(layeratlas("import", file, "--store", store.root), 4)
    assert line.startswith("layeratlas: x.atlas.zip is refused") and line.count("\n") == 1 and "\x1b" not in line
