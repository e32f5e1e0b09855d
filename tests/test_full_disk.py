"""A disk without room, a real one: one line is said, nothing is lost, and with room it goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import catalogs
import pytest
from extract_tiny import SENTENCES, save_model

from layeratlas import cli
from layeratlas.store.errors import LayeratlasError
from layeratlas.store.store import Store

ROOT = Path(__file__).resolve().parent.parent
ROWS = 3000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 20 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=20m", "none", place], capture_output=True, text=True, check=False
    ) if os.geteuid() == 0 else None  # fmt: skip
    if made is None or made.returncode:
        pytest.skip("nobody but root makes a small disk")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def fill(disk: Path, left: int) -> Path:
    """Leave so many bytes free."""
    found, filler = os.statvfs(disk), disk / "filler"
    filler.write_bytes(b"x" * max(0, found.f_bavail * found.f_frsize - left))
    return filler


@pytest.mark.parametrize("left", [0, 64 * 1024, 400 * 1024])  # COMMIT has no room
def test_a_catalog_without_room_is_one_line_and_what_is_staged_waits(
    disk: Path, left: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(catalogs.build(disk / "s"))
    rows = [{"corpus": f"c{i}", "name": os.urandom(60).hex(), "sentences": i, "words": i} for i in range(ROWS)]
    store.write("corpora", rows)
    filler = fill(disk, left)
    with pytest.raises(LayeratlasError, match=r"catalog\.duckdb is full: .*No space left on device"):
        store.merge()
    monkeypatch.setattr(sys, "argv", ["layeratlas", "verify", "--store", str(disk / "s")])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("layeratlas: ")]
    assert ended.value.code == 1 and "is full: " in line and "Nothing that was finished is lost" in line
    assert store.waiting() == 1 and store.rows("SELECT count(*) FROM models") == [(len(catalogs.MODELS),)]
    filler.unlink()
    assert store.merge() == 1 and store.rows("SELECT count(*) FROM corpora") == [(ROWS + 1,)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "left", [100 * 1024, *(pytest.param(left, marks=pytest.mark.proof) for left in (8 * 1024, 700 * 1024))]
)  # a segment, a lock, an artifact or the catalog has none
def test_a_run_without_room_is_one_line_and_goes_on(disk: Path, tmp_path: Path, left: int) -> None:
    save_model("bert", tmp_path / "bert")
    (tmp_path / "c.txt").write_text("\n".join(" ".join(words) for words in SENTENCES * 300))
    filler = fill(disk, left)

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "cli.py", "extract", tmp_path / "bert", "--corpus", tmp_path / "c.txt", "--store",
             disk / "s", "--long-sentences", "split"],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip

    done = run()
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert (
        last.startswith("layeratlas: the disk") and " is full: " in last and "Nothing that was finished is lost" in last
    )
    assert not list(disk.rglob(".tmp-*"))
    filler.unlink()
    assert run().returncode == 0 and len(Store(disk / "s").artifacts()) == 3


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_an_answer_that_nobody_has_room_for_is_one_line(tmp_path: Path, form: str) -> None:
    store = catalogs.build(tmp_path / "s", measures={"ckasim": True})
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "cli.py", "query", "top-pairs", "--limit", "9999", "--format", form, "--store", store],
            cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("layeratlas: the disk is full: No space left on device")


def test_what_the_disk_has_no_room_for_is_an_error_and_not_a_shorter_file(tmp_path: Path) -> None:
    """A write may take a part, and say so by a number alone: here the last one, in a process with a limit."""
    code = (
        "import io, resource, signal, sys; from pathlib import Path; from layeratlas.store.files import receive\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n"
        "receive(io.BytesIO(bytes(20_000)), Path(sys.argv[1]))"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "file"], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "File too large" in done.stderr
