"""What an executor is, what it does work for, and the loop that those with several workers share."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from queue import SimpleQueue
from typing import Any, Literal, Protocol

from layeratlas.store.errors import LayeratlasError
from layeratlas.store.progress import Progress

_LOOK = 0.2  # seconds between looks at what others have finished
_AGAIN = 2.0  # seconds until it is asked again whether others have left something
_EVERY = 0.3  # seconds between messages of one task
_ATTEMPTS = 3  # to have a worker at all

#: What a worker says: ("note", text), ("begin", task, description, total, is_bytes), ("advance", task, steps),
#: ("end", task), and at last ("done", result), ("refused", LayeratlasError), or ("broken", traceback).
Message = tuple[Any, ...]


class Worker(Protocol):
    """What does jobs, one after the other, and keeps what it loaded for one to use for the next."""

    def do(self, job: Any, progress: Progress) -> Any:
        """Do one job; return what is to be told of it. Raises LayeratlasError."""


#: Makes the worker of a place, 0 to workers - 1, there. It travels, so that it must be picklable.
Opening = Callable[[int], Worker]


class Jobs(Protocol):
    """Where jobs come from. Only the process that runs the executor asks."""

    title: str  # of all of them together

    def take(self, last: Any) -> Any:
        """Return the next job, for a worker that did `last` before (None: nothing); None where there is none now."""

    def done(self, job: Any, result: Any) -> None:
        """Hear what came of a job."""

    def lost(self, job: Any, why: str) -> None:
        """Hear that a job's worker has ended: what of it is not in the store is to be given out again, or has failed.

        Raises LayeratlasError where it has ended workers again and again, and nothing else can be done.
        """

    def is_over(self) -> bool:
        """Tell, after `take` gave nothing and nothing is under way, whether nothing will come any more."""


class Executor(Protocol):
    """What does jobs somewhere."""

    @property
    def workers(self) -> int:
        """How many jobs it does at once, as far as is known before it has begun."""

    @property
    def is_here(self) -> bool:
        """Whether its one worker is this process, and may use what this process has open."""

    def run(self, opening: Opening, jobs: Jobs, progress: Progress) -> None:
        """Do jobs until they are over. Raises what a job raises, or LayeratlasError where workers end again and again.

        When it raises, jobs that are under way are stopped; what of them is in the store stays there.
        """


class InProcess:
    """Does jobs in this process."""

    workers, is_here = 1, True

    def run(self, opening: Opening, jobs: Jobs, progress: Progress) -> None:
        """Do jobs, one after the other."""
        worker, last = opening(0), None
        while (job := _next(jobs, last)) is not None:
            jobs.done(job, worker.do(job, progress))
            last = job


def _next(jobs: Jobs, last: Any) -> Any:
    """Return the next job, waited for where others are at what is left."""
    while (job := jobs.take(last)) is None and not jobs.is_over():
        time.sleep(_LOOK)
    return job


@dataclass(frozen=True)
class Said:
    """What the worker in a place says, or that it has ended, or is ready."""

    place: int
    message: Message


class Crew(Protocol):
    """Workers elsewhere, each in a place: one executor's way to have them."""

    title: str  # as "4 workers"

    def start(self, place: int) -> None:
        """Have a worker in a place, in the stead of one that has ended; it says ("ready",) when it is there."""

    def give(self, place: int, job: Any) -> None:
        """Give a worker a job. One that has ended meanwhile says so in `hear`."""

    def hear(self, seconds: float) -> Sequence[Said]:
        """Wait so long for what workers say; ("lost", why) is of one that has ended."""

    def close(self) -> None:
        """End all workers, also amid a job."""


def dispatch(crew: Crew, workers: int, jobs: Jobs, progress: Progress) -> None:
    """Have a crew do jobs: whoever is free takes the next; what a dead worker had is given out again.

    While all are busy, the next job of each is taken already, so that nobody waits for it.
    """
    state = _Dispatch(crew, jobs, progress)
    try:
        for place in range(workers):
            crew.start(place)
        with progress.task(f"{jobs.title} with {crew.title}", None) as state.advance, state.shown:
            state.all()
    finally:
        crew.close()


@dataclass
class _Dispatch:
    crew: Crew
    jobs: Jobs
    progress: Progress
    shown: _Shown = field(init=False)
    advance: Callable[[int], None] = lambda steps: None
    idle: dict[int, Any] = field(default_factory=dict)  # place -> the job that its worker did last
    busy: dict[int, Any] = field(default_factory=dict)
    ahead: dict[int, Any] = field(default_factory=dict)  # taken for a worker that is busy
    lost_idle: int = 0
    nothing_since: float | None = None  # when there was no job to be had, and nothing has happened since

    def __post_init__(self) -> None:
        self.shown = _Shown(self.progress)

    def all(self) -> None:
        while True:
            given = self._give()
            if not (given or self.busy) and self.idle and self.jobs.is_over():
                return
            for said in self.crew.hear(_LOOK):
                self._hear(said.place, said.message)

    def _give(self) -> bool:
        """Give jobs to who is idle; tell whether anybody is busy."""
        for place in list(self.idle):
            if (job := self._next(place)) is None:
                break
            del self.idle[place]
            self.busy[place] = job
            self.crew.give(place, job)
        if not self.idle:
            self._look_ahead()
        return bool(self.busy)

    def _next(self, place: int) -> Any:
        """Return a job for who is idle: the one that was taken for it, a new one, or one that waits for somebody."""
        if place in self.ahead:
            return self.ahead.pop(place)
        if (job := self._take(self.idle[place])) is not None:
            return job
        return self.ahead.popitem()[1] if self.ahead else None

    def _look_ahead(self) -> None:
        """Take a job for one worker that is busy, if one has none yet: workers are heard between one and the next."""
        place = next((place for place in self.busy if place not in self.ahead), None)
        if place is not None and (job := self._take(self.busy[place])) is not None:
            self.ahead[place] = job

    def _take(self, last: Any) -> Any:
        """Take a job; where there was none, only ask again when something happened, or after a while."""
        if self.nothing_since is not None and time.monotonic() - self.nothing_since < _AGAIN:
            return None
        job = self.jobs.take(last)
        self.nothing_since = time.monotonic() if job is None else None
        return job

    def _hear(self, place: int, message: Message) -> None:
        kind, *said = message
        if kind == "ready":
            self.idle[place] = None
        elif kind == "done":
            self.nothing_since = None
            job = self.busy.pop(place)
            self.idle[place] = job
            self.jobs.done(job, said[0])
            self.advance(1)
        elif kind == "refused":
            raise said[0]
        elif kind == "broken":
            raise RuntimeError(f"a worker failed:\n{said[0]}")
        elif kind == "lost":
            self._lost(place, said[0])
        else:
            self.shown.hear(place, message)

    def _lost(self, place: int, why: str) -> None:
        """Have a new worker in the stead of one that has ended; those that never begin are given up."""
        self.nothing_since = None
        self.shown.forget(place)
        self.idle.pop(place, None)
        job = self.busy.pop(place, None)
        if job is None:
            self.lost_idle += 1
            if self.lost_idle >= _ATTEMPTS:
                raise LayeratlasError(f"workers end before they begin ({why}); what they said stands above")
        else:
            self.progress.note(f"a worker ended amid {job.title} ({why}): another one goes on")
            self.jobs.lost(job, why)
        self.crew.start(place)


class _Shown:
    """The tasks of all workers, shown in one place."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._open: dict[tuple[int, int], tuple[ExitStack, Callable[[int], None]]] = {}

    def __enter__(self) -> None:
        return

    def __exit__(self, *error: object) -> None:
        for place, _ in list(self._open):
            self.forget(place)

    def hear(self, place: int, message: Message) -> None:
        kind, *said = message
        if kind == "note":
            self._progress.note(said[0])
        elif kind == "begin":
            number, description, total, is_bytes = said
            stack = ExitStack()
            advance = stack.enter_context(self._progress.task(description, total, is_bytes=is_bytes))
            self._open[place, number] = stack, advance
        elif (place, said[0]) in self._open:
            stack, advance = self._open[place, said[0]]
            if kind == "advance":
                advance(said[1])
            else:
                del self._open[place, said[0]]
                stack.close()

    def forget(self, place: int) -> None:
        for key in [key for key in self._open if key[0] == place]:
            self._open.pop(key)[0].close()


class Telling:
    """A Progress that says what it hears to whoever is elsewhere."""

    def __init__(self, say: Callable[[Message], None]) -> None:
        self._say, self._numbers = say, count()

    @contextmanager
    def task(self, description: str, total: int | None, *, is_bytes: bool = False) -> Iterator[Callable[[int], None]]:
        """Say that a task begins, now and then how far it is, and that it has ended."""
        number, waiting, said = next(self._numbers), 0, time.monotonic()
        self._say(("begin", number, description, total, is_bytes))

        def advance(steps: int) -> None:
            nonlocal waiting, said
            waiting += steps
            if time.monotonic() - said > _EVERY:
                self._say(("advance", number, waiting))
                waiting, said = 0, time.monotonic()

        try:
            yield advance
        finally:
            self._say(("advance", number, waiting))
            self._say(("end", number))

    def note(self, message: str) -> None:
        """Say one line."""
        self._say(("note", message))


def do(worker: Worker, job: Any, say: Callable[[Message], None]) -> None:
    """Have a worker do a job, and say how it goes and what came of it."""
    try:
        say(("done", worker.do(job, Telling(say))))
    except LayeratlasError as error:
        say(("refused", _plain(error)))
    except Exception:
        say(("broken", traceback.format_exc()))


def _plain(error: LayeratlasError) -> LayeratlasError:
    """Return an error that travels: of its own class, if that needs no more than a message."""
    try:
        return type(error)(str(error))
    except TypeError:
        return LayeratlasError(str(error))


def messages(worker: Worker, job: Any) -> Iterator[Message]:
    """Give what a worker says while it does a job, as it says it."""
    said: SimpleQueue[Message | Literal["over"]] = SimpleQueue()

    def work() -> None:
        try:
            do(worker, job, said.put)
        finally:
            said.put("over")

    thread = threading.Thread(target=work)
    thread.start()
    while (message := said.get()) != "over":
        yield message
    thread.join()
