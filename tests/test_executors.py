"""One contract for all executors: in this process, in others of this machine, on Ray."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pytest
from sharing_stores import ROOT, extracted, values
from toy_worker import Job, Jobs, Worker

from layeratlas import running
from layeratlas.executors.base import Executor, InProcess
from layeratlas.executors.on_ray import OnRay
from layeratlas.executors.processes import Processes
from layeratlas.store.errors import BadRequest, LayeratlasError
from layeratlas.store.progress import Silent
from layeratlas.store.store import Store

RAY = pytest.mark.skipif(find_spec("ray") is None, reason="needs ray")
ELSEWHERE = [
    pytest.param(Processes(2), id="processes"),
    pytest.param(OnRay(most=2), id="ray", marks=[pytest.mark.proof, RAY]),
]
ALL = [pytest.param(InProcess(), id="here"), *ELSEWHERE]


@pytest.fixture(autouse=True)
def _path(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let workers find the toy."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    yield
    if "ray" in sys.modules:
        sys.modules["ray"].shutdown()


def run(executor: Executor, folder: Path, *jobs: Job, waiting: int = 0) -> tuple[Jobs, Silent]:
    given, progress = Jobs(list(jobs), waiting), Silent()
    executor.run(partial(Worker, folder), given, progress)
    return given, progress


def named(folder: Path, what: str) -> list[str]:
    return sorted(path.name for path in folder.glob(f"{what}-*"))


@pytest.mark.parametrize("executor", ALL)
def test_every_job_is_done_once_by_workers_that_are_opened_once(executor: Executor, tmp_path: Path) -> None:
    jobs, progress = run(executor, tmp_path, *map(Job, range(12)), waiting=3)
    assert jobs.results == {number: number**2 for number in range(12)}
    assert len(named(tmp_path, "done")) == 12 and len(named(tmp_path, "opened")) == executor.workers
    assert executor.is_here == (jobs.processes == {os.getpid()}) and len(jobs.processes) <= executor.workers
    assert sorted(progress.notes) == sorted(f"begun {number}" for number in range(12))
    assert jobs.out == 0 and (jobs.most_out == 1 if executor.is_here else 2 < jobs.most_out <= 4)  # two are ahead
    again, _ = run(executor, tmp_path, Job(20))
    assert again.results == {20: 400}


@pytest.mark.parametrize("executor", ALL)
def test_what_a_job_raises_is_raised_and_workers_end(executor: Executor, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="3 cannot be squared"):
        run(executor, tmp_path, Job(3, "refuse"))
    with pytest.raises((ZeroDivisionError, RuntimeError), match="a bug of ours"):
        run(executor, tmp_path, Job(1), Job(2, "bug"))
    if not executor.is_here:
        require_ended(tmp_path)


@pytest.mark.parametrize("executor", ELSEWHERE)
def test_a_killed_worker_is_replaced_and_its_job_done(executor: Executor, tmp_path: Path) -> None:
    jobs, progress = run(executor, tmp_path, Job(1), Job(2, "die"), Job(3), Job(4))
    assert jobs.results == {1: 1, 2: 4, 3: 9, 4: 16} and jobs.losses == {2: 1}
    assert any(note.startswith("a worker ended amid job 2 (") for note in progress.notes)
    assert len(named(tmp_path, "done")) == 4


@pytest.mark.parametrize("executor", ELSEWHERE)
def test_a_job_that_kills_every_worker_is_given_up(executor: Executor, tmp_path: Path) -> None:
    with pytest.raises(LayeratlasError, match="workers end amid job 2"):
        run(executor, tmp_path, Job(2, "die again"))
    require_ended(tmp_path)


def test_workers_that_cannot_begin_are_given_up(tmp_path: Path) -> None:
    with pytest.raises(LayeratlasError, match="end before they begin"):
        Processes(1).run(partial(Worker, tmp_path / "nowhere"), Jobs([Job(1)]), Silent())
    with pytest.raises(BadRequest, match="at least one worker, got 0"):
        Processes(0)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A store with the layers of two models, and the same with all scores."""
    one, two = (tmp_path_factory.mktemp(name) for name in ("extracted", "measured"))
    extracted(one, "ant", "bee", attention=False)
    shutil.copytree(one, two, dirs_exist_ok=True)
    running.measure(Store(two), running.Means("cpu"))
    return one, two


@pytest.mark.parametrize("executor", ELSEWHERE)
def test_a_study_comes_out_the_same(executor: Executor, measured: tuple[Path, Path], tmp_path: Path) -> None:
    store = Store(shutil.copytree(measured[0], tmp_path / "store"))
    done = running.measure(store, running.Means("cpu", executor=executor))
    found, expected = values(store), values(measured[1])
    assert done.exit_code == 0 and found.keys() == expected.keys() and len(found) > 100
    assert found == pytest.approx(expected, abs=1e-6, nan_ok=True)
    [(rows,)] = store.rows("SELECT count(*) FROM base.scores")
    logged = sum(len(store.log.read([one])) for one in store.log.segments(["scores"]))
    assert logged == rows and not list((store.root / "claims").iterdir())  # nothing twice


def test_workers_end_with_the_process_that_has_them_and_the_next_goes_on(tmp_path: Path) -> None:
    code = (
        "import sys; from functools import partial; from pathlib import Path; from toy_worker import *;"
        "from layeratlas.executors.processes import Processes; from layeratlas.store.progress import Silent;"
        "Processes(2).run(partial(Worker, Path(sys.argv[1])), Jobs([Job(n) for n in range(2000)]), Silent())"
    )
    driver = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT)
    until(lambda: len(named(tmp_path, "opened")) == 2 and named(tmp_path, "done"))
    driver.kill()
    driver.wait()
    require_ended(tmp_path)


def require_ended(folder: Path) -> None:
    """Wait for all workers that were ever opened to have ended."""
    processes = {int(name.rsplit("-", 1)[1]) for name in named(folder, "opened")}
    until(lambda: not any(lives(process) for process in processes - {os.getpid()}))


def lives(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def until(true: object) -> None:
    deadline = time.monotonic() + 60
    while not true():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.05)
