"""Claims between real processes: seen by all, gone with their process, and no lock file left behind."""

from __future__ import annotations

import platform
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from layeratlas.store.errors import StoreBusy
from layeratlas.store.store import Store

ROOT = Path(__file__).resolve().parent.parent
HOLD = """
import sys, time
from pathlib import Path
from layeratlas.store.store import Store
claims = Store(Path(sys.argv[1])).claims
with claims.at_work(), claims.claim({"tile": int(sys.argv[2]), "pairs": [["a", "b"]]}):
    print("ready", flush=True)
    sys.stdin.readline()
"""
SHARE = """
import sys, time
from contextlib import ExitStack
from pathlib import Path
from layeratlas.store.store import Store
root, count = Path(sys.argv[1]), int(sys.argv[2])
claims = Store(root).claims
with claims.at_work():
    while True:
        with ExitStack() as mine:
            with claims.planning():
                taken = {work["tile"] for work in claims.taken()}
                done = {int(line) for line in (root / "done").read_text().split()}
                left = [tile for tile in range(count) if tile not in taken | done]
                if not left:
                    break
                mine.enter_context(claims.claim({"tile": left[0]}))
            time.sleep(0.002)
            with (root / "done").open("a") as file:
                file.write(f"{left[0]}\\n")
"""


@contextmanager
def holder(root: Path, tile: int = 1) -> Iterator[subprocess.Popen[str]]:
    """A process that claims a tile, until a line or its end."""
    command = [sys.executable, "-c", HOLD, str(root), str(tile)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def files(root: Path) -> list[str]:
    return sorted(path.name for folder in ("claims", "locks") for path in (root / folder).glob("*"))


def test_workers_of_another_host_share_the_work_but_not_the_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = Store(tmp_path).claims
    with ours.at_work():
        assert ours.workers() == ours.workers(here=True) == 1
        monkeypatch.setattr(platform, "node", lambda: "elsewhere")
        assert (ours.workers(), ours.workers(here=True)) == (1, 0)
        monkeypatch.undo()


def test_a_claim_is_seen_by_all_and_ends_with_its_block(tmp_path: Path) -> None:
    ours = Store(tmp_path).claims
    assert ours.taken() == [] and ours.workers() == 0
    with holder(tmp_path) as process, ours.claim({"tile": 2}):
        other = {"tile": 1, "pairs": [["a", "b"]]}
        assert sorted(ours.taken(), key=str) == sorted([other, {"tile": 2}], key=str)
        with pytest.raises(StoreBusy, match=r'claimed this work already: \{"pairs": \[\["a", "b"\]\], "tile": 1\}'):
            ours.claim(other).__enter__()
        process.communicate("\n", timeout=60)
        assert process.returncode == 0 and ours.taken() == [{"tile": 2}]
    assert ours.taken() == [] and files(tmp_path) == ["planning.lock"]


def test_a_killed_process_claims_nothing_from_that_moment(tmp_path: Path) -> None:
    ours = Store(tmp_path).claims
    with holder(tmp_path) as process:
        assert len(ours.taken()) == ours.workers() == 1 and len(files(tmp_path)) == 4
        process.send_signal(signal.SIGKILL)
        process.wait()
        with ours.claim({"tile": 1, "pairs": [["a", "b"]]}):  # over what the dead has left
            assert ours.taken() == [{"tile": 1, "pairs": [["a", "b"]]}]
    assert ours.taken() == [] and ours.workers() == 0
    assert files(tmp_path) == ["planning.lock"]


def test_who_fails_or_cannot_describe_its_work_claims_nothing(tmp_path: Path) -> None:
    ours = Store(tmp_path).claims
    with pytest.raises(RuntimeError), ours.claim({"tile": 1}):
        raise RuntimeError
    with pytest.raises(TypeError), ours.claim({"tile": object()}):
        pass
    (tmp_path / "claims").rmdir()
    (tmp_path / "claims").write_text("in the way")
    with pytest.raises(OSError), ours.claim({"tile": 1}):
        pass
    (tmp_path / "claims").unlink()
    assert ours.taken() == [] and files(tmp_path) == ["planning.lock"]


def test_processes_at_work_are_counted_once_each(tmp_path: Path) -> None:
    ours, again = Store(tmp_path).claims, Store(tmp_path).claims
    with ours.at_work(), ours.at_work(), again.at_work(), holder(tmp_path, 1), holder(tmp_path, 2):
        assert ours.workers() == again.workers() == 3
    assert ours.workers() == 0
    with ours.at_work():
        assert ours.workers() == 1


def test_planning_is_one_at_a_time_and_a_claim_cannot_end_meanwhile(tmp_path: Path) -> None:
    ours, order = Store(tmp_path).claims, []

    def work() -> None:
        with ours.claim({"tile": 1}):
            begun.set()
        order.append("ended")

    begun = threading.Event()
    with ours.planning(), ours.planning():  # by who holds it already
        thread = threading.Thread(target=work)
        thread.start()
        assert not begun.wait(0.2)
    assert begun.wait(30)
    thread.join()
    begun.clear()
    with holder(tmp_path) as process:
        with ours.planning():
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
            time.sleep(0.5)
            assert len(ours.taken()) == 1 and process.poll() is None
        process.wait(timeout=60)
    assert order == ["ended"]


def test_processes_that_share_the_work_do_all_of_it_once(tmp_path: Path) -> None:
    (tmp_path / "done").touch()
    command = [sys.executable, "-c", SHARE, str(tmp_path), "60"]
    processes = [subprocess.Popen(command, cwd=ROOT) for _ in range(3)]
    time.sleep(1.0)
    processes[0].kill()
    assert [process.wait(timeout=120) for process in processes[1:]] == [0, 0]
    processes[0].wait()
    done = (tmp_path / "done").read_text().split()
    assert sorted(map(int, done)) == list(range(60))
    assert Store(tmp_path).claims.taken() == [] and Store(tmp_path).claims.workers() == 0
    assert files(tmp_path) == ["planning.lock"]
