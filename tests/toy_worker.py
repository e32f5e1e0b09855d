"""A worker whose jobs are numbers and mishaps; it writes to a folder, as real ones write to the store."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from layeratlas.store.errors import BadRequest, LayeratlasError
from layeratlas.store.progress import Progress


@dataclass(frozen=True)
class Job:
    """A number, and what is to go wrong with it: "" nothing, refuse, bug, die (once), die again."""

    number: int
    mishap: str = ""

    @property
    def title(self) -> str:
        """How messages name it."""
        return f"job {self.number}"


class Worker:
    """Squares numbers."""

    def __init__(self, folder: Path, place: int) -> None:
        self._folder, self._place = folder, place
        (folder / f"opened-{place}-{os.getpid()}").touch()

    def do(self, job: Job, progress: Progress) -> tuple[int, int]:
        """Return the process and the square."""
        print("what a library prints disturbs nobody")
        progress.note(f"begun {job.number}")
        with progress.task(f"squaring {job.number}", 2) as advance:
            advance(1)
            self._meet(job)
            advance(1)
        (self._folder / f"done-{job.number}-{os.getpid()}").touch()
        return os.getpid(), job.number**2

    def _meet(self, job: Job) -> None:
        if job.mishap == "refuse":
            raise BadRequest(f"{job.number} cannot be squared")
        if job.mishap == "bug":
            raise ZeroDivisionError("a bug of ours")
        marker = self._folder / f"died-{job.number}"
        if job.mishap == "die again" or (job.mishap == "die" and not marker.exists()):
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.05)


@dataclass
class Jobs:
    """Jobs in order; `waiting` says how often there is none for now, while somebody else is at what is left."""

    left: list[Job]
    waiting: int = 0
    title: str = "squaring"
    results: dict[int, int] = field(default_factory=dict)
    processes: set[int] = field(default_factory=set)
    out: int = 0  # jobs that were given and are not done
    most_out: int = 0
    losses: Counter[int] = field(default_factory=Counter)

    def take(self, last: Job | None) -> Job | None:
        """Give the next."""
        if not self.left:
            return None
        self.out += 1
        self.most_out = max(self.most_out, self.out)
        return self.left.pop(0)

    def done(self, job: Job, result: tuple[int, int]) -> None:
        """Keep the square."""
        assert job.number not in self.results
        self.out -= 1
        self.processes.add(result[0])
        self.results[job.number] = result[1]

    def lost(self, job: Job, why: str) -> None:
        """Take it back."""
        self.losses[job.number] += 1
        self.out -= 1
        if self.losses[job.number] == 3:
            raise LayeratlasError(f"workers end amid {job.title} ({why})")
        self.left.append(job)

    def is_over(self) -> bool:
        """Tell whether nothing will come."""
        self.waiting -= 1
        return not self.left and self.waiting < 0
