"""Leases at a shared place: seen by all, lapsed with their process whatever its clock says, nothing done twice."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from sharing_stores import ROOT, bucket, extracted, layeratlas, s3_server, said, values

from layeratlas import running
from layeratlas.store.errors import BadRequest, StoreBusy
from layeratlas.store.sharing.leases import FOLDER, Leases
from layeratlas.store.sharing.places import Folder, open_place
from layeratlas.store.store import Store, store_at

__all__ = ["bucket", "s3_server"]
SHARE = """
import sys, time
from contextlib import ExitStack
from pathlib import Path
from layeratlas.store.errors import StoreBusy
from layeratlas.store.sharing.leases import Leases
from layeratlas.store.sharing.places import Folder
root, count = Path(sys.argv[1]), int(sys.argv[2])
leases = Leases(Folder(root), lasts=3)
with leases.at_work():
    while True:
        with ExitStack() as mine:
            with leases.planning():
                taken = {work["tile"] for work in leases.taken()}
                done = {int(path.name.split("-")[1]) for path in root.glob("done-*")}
                left = [tile for tile in range(count) if tile not in done]
                free = [tile for tile in left if tile not in taken]
                if not left:
                    break
                try:
                    if free:
                        mine.enter_context(leases.claim({"tile": free[0]}))
                except StoreBusy:
                    continue
            time.sleep(0.01)
            if free:
                (root / f"done-{free[0]}-{sys.argv[3]}").touch()
"""


class Clock:
    """A clock that is moved by hand."""

    def __init__(self, start: float) -> None:
        self.now = start

    def __call__(self) -> float:
        return self.now


def test_what_one_claims_all_see_until_it_ends(tmp_path: Path) -> None:
    ours, theirs = Leases(Folder(tmp_path)), Leases(Folder(tmp_path))
    with ours.at_work(), ours.claim({"tile": 1, "pairs": [(0, 1)]}):
        assert theirs.taken() == ours.taken() == [{"tile": 1, "pairs": [[0, 1]]}] and theirs.workers() == 1
        assert theirs.workers(here=True) == 1
        with pytest.raises(StoreBusy, match="claimed already"):
            theirs.claim({"tile": 1, "pairs": [[0, 1]]}).__enter__()
        with theirs.claim({"tile": 2}), theirs.at_work():
            assert {"tile": 2} in ours.taken()
    assert ours.taken() == theirs.taken() == [] and not list((tmp_path / FOLDER).iterdir())


def test_a_lease_lapses_by_the_readers_own_clock_and_no_clocks_are_compared(tmp_path: Path) -> None:
    slow, fast = Clock(-1e9), Clock(1e9)
    ours, theirs = (Leases(Folder(tmp_path), lasts=60, clock=clock) for clock in (slow, fast))
    with ExitStack() as dead:
        dead.enter_context(theirs.claim({"tile": 1}))
        assert ours.taken() == [{"tile": 1}]
        slow.now += 59
        assert ours.taken() == [{"tile": 1}]
        theirs._tell()  # it lives
        assert ours.taken() == [{"tile": 1}]
        slow.now += 59
        assert ours.taken() == [{"tile": 1}]
        slow.now += 2
        assert ours.taken() == [] and not list((tmp_path / FOLDER).iterdir())
        with ours.claim({"tile": 1}):
            theirs._tell()  # it was cut off, and comes back: both are at one tile, which does no harm
            assert ours.taken() == [{"tile": 1}, {"tile": 1}]


def test_a_claim_made_at_the_same_moment_is_withdrawn(tmp_path: Path) -> None:
    ours, theirs = Leases(Folder(tmp_path), lasts=0.4), Leases(Folder(tmp_path), lasts=0.4)
    assert ours.taken() == theirs.taken() == []
    with ours.claim({"tile": 1}):
        with pytest.raises(StoreBusy, match="at the same moment"):  # whatever it is: it may be part of it
            theirs.claim({"tile": 2}).__enter__()
        assert ours.taken() == theirs.taken() == [{"tile": 1}]
        with theirs.claim({"tile": 2}):
            pass


def test_who_plans_knows_no_more_than_it_first_saw(tmp_path: Path) -> None:
    ours, theirs = Leases(Folder(tmp_path)), Leases(Folder(tmp_path))
    with ours.planning():
        assert ours.taken() == []
        with theirs.claim({"tile": 1}):
            assert ours.taken() == []
            with pytest.raises(StoreBusy, match="at the same moment"):
                ours.claim({"tile": 1}).__enter__()


def test_what_cannot_be_read_claims_nothing(tmp_path: Path) -> None:
    clock = Clock(0)
    ours = Leases(Folder(tmp_path), clock=clock)
    (tmp_path / FOLDER).mkdir()
    for number, content in enumerate((b"", b"{", b"[1]", b'{"beat": 1, "claims": 3, "works": 1, "lasts": "x"}')):
        (tmp_path / FOLDER / f"{number}.json").write_bytes(content)
    assert ours.taken() == [] and ours.workers() == 0
    clock.now += 100
    assert ours.taken() == [] and not list((tmp_path / FOLDER).iterdir())


def test_seconds_of_a_lease_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for given in ("soon", "0", "-1", "1e9", "nan"):
        monkeypatch.setenv("LAYERATLAS_LEASE", given)
        with pytest.raises(BadRequest, match="LAYERATLAS_LEASE must be seconds"):
            Leases(Folder(tmp_path))


def test_four_processes_share_all_work_and_do_nothing_twice(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SHARE, str(tmp_path), "40"]
    processes = [subprocess.Popen([*command, str(number)], cwd=ROOT) for number in range(4)]
    assert [process.wait(timeout=300) for process in processes] == [0] * 4
    done = [int(path.name.split("-")[1]) for path in tmp_path.glob("done-*")]
    assert sorted(done) == list(range(40))
    assert not list((tmp_path / FOLDER).iterdir())


def test_leases_in_a_bucket(bucket: str) -> None:
    ours, theirs = Leases(open_place(f"{bucket}/lab")), Leases(open_place(f"{bucket}/lab"))
    with ours.at_work(), ours.claim({"tile": 1}):
        assert theirs.taken() == [{"tile": 1}] and theirs.workers() == 1
        with ours.exclusive("a", wait=True) as held, theirs.exclusive("a", wait=False) as other:
            assert held and not other
    assert theirs.taken() == [] and open_place(f"{bucket}/lab").sizes(FOLDER) == {}


@pytest.mark.proof
def test_four_machines_share_a_folder_without_any_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has its own cache. One is killed amid its work; nothing that was finished is done again."""
    extracted(tmp_path / "lab", "ant", "bee", attention=False)
    extracted(tmp_path / "alone", "ant", "bee", attention=False)
    address, caches = f"file://{tmp_path / 'lab'}", [tmp_path / f"machine-{number}" for number in range(5)]
    start: Callable[[int], subprocess.Popen[str]] = lambda number: layeratlas(  # noqa: E731
        "measure", "--store", address, "--memory", "1kB", XDG_CACHE_HOME=str(caches[number]), LAYERATLAS_LEASE="30"
    )
    machines = [start(number) for number in range(4)]
    until(lambda: list((tmp_path / "lab" / "results" / "scores").glob("*.parquet")))
    machines[0].send_signal(signal.SIGKILL)
    machines[0].wait()
    for machine in machines[1:]:
        said(machine)
    assert "nothing to do" in said(start(4))
    copied = [path for cache in caches for path in cache.rglob("activations/**/*.parquet") if not path.is_symlink()]
    assert not copied
    monkeypatch.setenv("XDG_CACHE_HOME", str(caches[4]))
    running.measure(Store(tmp_path / "alone"), running.Means("cpu"))
    store = store_at(address)
    assert values(store) == pytest.approx(values(tmp_path / "alone"), abs=1e-6, nan_ok=True)
    [(rows,)] = store.rows("SELECT count(*) FROM base.scores")
    log = Store(tmp_path / "lab").log
    assert sum(len(log.read([one])) for one in log.segments(["scores"])) == rows  # nothing twice


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_what_is_busy_within_a_lease_is_said_and_the_lease_is_given_back(tmp_path: Path) -> None:
    leases = Leases(Folder(tmp_path), lasts=60)
    with pytest.raises(StoreBusy, match="the catalog"), leases.exclusive("extract-x", wait=True) as held:
        assert held
        raise StoreBusy("the catalog is in use")
    assert leases.taken() == []
