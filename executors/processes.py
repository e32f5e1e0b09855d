"""Processes of this machine as workers: one killed is replaced, and all of them end with the process that has them."""

from __future__ import annotations

import os
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import IO, Any

from layeratlas.executors.base import Jobs, Message, Opening, Said, dispatch, do
from layeratlas.store.errors import BadRequest
from layeratlas.store.progress import Progress

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class Processes:
    """Workers that are processes of this machine, which share its cores."""

    workers: int
    is_here = False

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise BadRequest(f"there must be at least one worker, got {self.workers}")

    def run(self, opening: Opening, jobs: Jobs, progress: Progress) -> None:
        """Do jobs in processes."""
        dispatch(_Crew(opening, self.workers), self.workers, jobs, progress)


class _Crew:
    """Processes that read jobs from their standard input, and write what they say to their standard output."""

    def __init__(self, opening: Opening, workers: int) -> None:
        self.title = f"{workers} workers" if workers > 1 else "a worker"
        threads = str(max(1, _cores() // workers))
        self._environment = {**os.environ, **dict.fromkeys(_THREADS, threads)}
        self._opening = pickle.dumps(opening)
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._said: queue.SimpleQueue[Said] = queue.SimpleQueue()

    def start(self, place: int) -> None:
        command = [sys.executable, "-m", __name__, str(place)]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=self._environment, start_new_session=True
        )
        self._processes[place] = process
        self._write(process, self._opening)
        threading.Thread(target=self._read, args=(place, process), daemon=True).start()

    def give(self, place: int, job: Any) -> None:
        self._write(self._processes[place], pickle.dumps(job))

    def hear(self, seconds: float) -> Sequence[Said]:
        try:
            first = self._said.get(timeout=seconds)
        except queue.Empty:
            return ()
        return [first, *(self._said.get() for _ in range(self._said.qsize()))]

    def close(self) -> None:
        for process in self._processes.values():
            process.kill()
        for process in self._processes.values():
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    _close(pipe)

    def _write(self, process: subprocess.Popen[bytes], content: bytes) -> None:
        assert process.stdin is not None
        try:
            _put(process.stdin, content)
        except OSError:  # it has ended, which whoever reads from it finds out
            return

    def _read(self, place: int, process: subprocess.Popen[bytes]) -> None:
        """Pass on what a process says, until it ends."""
        assert process.stdout is not None
        try:
            while (content := _get(process.stdout)) is not None:
                self._said.put(Said(place, pickle.loads(content)))
        except (OSError, ValueError):  # closed, or killed amid a message
            pass
        if self._processes.get(place) is process:
            self._said.put(Said(place, ("lost", _ending(process.wait()))))


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _ending(code: int) -> str:
    return f"killed by signal {-code}" if code < 0 else f"exit code {code}"


def _put(pipe: IO[bytes], content: bytes) -> None:
    pipe.write(len(content).to_bytes(8, "little") + content)
    pipe.flush()


def _get(pipe: IO[bytes]) -> bytes | None:
    head = pipe.read(8)
    return pipe.read(int.from_bytes(head, "little")) if len(head) == 8 else None


def _close(pipe: IO[bytes]) -> None:
    try:
        pipe.close()
    except OSError:  # what waited in it goes nowhere
        return


def main(place: int) -> None:
    """Be the worker of a place: what is printed goes to standard error, so that messages stay alone."""
    jobs, out = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    given: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(jobs, given), daemon=True).start()
    turn = threading.Lock()

    def say(message: Message) -> None:
        with turn:
            _put(out, pickle.dumps(message))

    worker = pickle.loads(given.get())(place)
    say(("ready",))
    while True:
        do(worker, pickle.loads(given.get()), say)


def _listen(jobs: IO[bytes], given: queue.SimpleQueue[bytes]) -> None:
    """Read jobs; end this process, also amid one, when the process that gives them has ended."""
    for content in iter(partial(_get, jobs), None):
        given.put(content)
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
