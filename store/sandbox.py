"""A job in a process of its own, with limits on time and memory: it answers with a line or nothing, or it is ended.

On Linux the process is a copy of this one (`fork`), which costs milliseconds; elsewhere, and where a copy neither
answers nor computes, which a lock that another thread held may cause, a fresh interpreter runs the job.
"""

from __future__ import annotations

import faulthandler
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

Job = Callable[[dict[str, Any]], str | None]
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Limits:
    """seconds: of the processor. patience: seconds on the clock. memory: bytes beyond what this process has."""

    seconds: int = 30
    patience: int = 120
    memory: int = 6 * 2**30


class _SilentError(Exception):
    """A copy of this process hangs without computing: that may be our doing."""


def attempt(job: Job, given: dict[str, Any], limits: Limits) -> str | None:
    """Run a job, a function of a module, on values that JSON can hold; return its answer, or how it ended."""
    if sys.platform != "linux":
        return attempt_afresh(job, given, limits)
    try:
        return _copied(job, given, limits)
    except _SilentError:
        return attempt_afresh(job, given, limits)


def _copied(job: Job, given: dict[str, Any], limits: Limits) -> str | None:
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        _child(job, given, limits, writing)
    os.close(writing)
    try:
        said = _read(reading, limits.patience)
    except BaseException:
        os.kill(process, signal.SIGKILL)
        raise
    finally:
        os.close(reading)
        if not _has_ended(process):
            os.kill(process, signal.SIGKILL)
        _, status, used = os.wait4(process, 0)
    if said is None and used.ru_utime + used.ru_stime < limits.seconds / 2:
        raise _SilentError
    return _answer(said or b"", os.waitstatus_to_exitcode(status), limits)


def _has_ended(process: int) -> bool:
    """Give a process that has answered a moment to end by itself; tell whether it has."""
    for _ in range(200):
        if os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return True
        time.sleep(0.005)
    return False


def _child(job: Job, given: dict[str, Any], limits: Limits, writing: int) -> None:
    """Answer, and end without any of what this process does when it ends."""
    code = 1
    try:
        faulthandler.disable()  # it may have a copy of stderr
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        silence = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):  # libraries in Rust write their panics there themselves
            os.dup2(silence, stream)
        _limit(limits)
        with os.fdopen(writing, "wb") as answer:
            answer.write(json.dumps(job(given)).encode())
        code = 0
    finally:
        os._exit(code)


def _limit(limits: Limits) -> None:
    """Hold this process to its limits, and to one thread: those of a copied process are not there."""
    import ctypes
    import resource

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)
    has = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (has + limits.memory, resource.RLIM_INFINITY))
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + limits.seconds
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _read(reading: int, patience: float) -> bytes | None:
    """Return what the other side wrote until it closed; None when it has not in time."""
    ends, found = time.monotonic() + patience, b""
    while (left := ends - time.monotonic()) > 0:
        if select.select([reading], [], [], left)[0]:
            more = os.read(reading, 2**16)
            if not more:
                return found
            found += more
    return None


def attempt_afresh(job: Job, given: dict[str, Any], limits: Limits) -> str | None:
    """Run a job as `attempt` does, in a fresh interpreter, which costs half a second and shares nothing."""
    code = (
        "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from layeratlas.store import sandbox; sandbox.serve()"
    )
    request = {"module": job.__module__, "job": job.__name__, "given": given, "limits": asdict(limits)}
    environment = {**os.environ, "TOKENIZERS_PARALLELISM": "false"}
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, json.dumps(sys.path)], input=json.dumps(request).encode(),
            capture_output=True, env=environment, check=False, timeout=limits.seconds + limits.patience,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"it took more than {limits.patience} seconds to read its files"
    return _answer(done.stdout.strip().rpartition(b"\n")[2], done.returncode, limits)


def serve() -> None:
    """Do the job that stands on standard input, within its limits, and print the answer: the interpreter's part."""
    request = json.load(sys.stdin)
    job = getattr(import_module(request["module"]), request["job"])
    if sys.platform == "linux":
        _limit(Limits(**request["limits"]))
    print(json.dumps(job(request["given"])))


def _answer(said: bytes, code: int, limits: Limits) -> str | None:
    if code in (-signal.SIGKILL, -getattr(signal, "SIGXCPU", signal.SIGKILL)):
        return f"it took more than {limits.seconds} seconds to read its files"
    with suppress(ValueError):
        found = json.loads(said)
        if found is None or isinstance(found, str):
            return found
    why = f"signal {-code}" if code < 0 else f"code {code}"
    return f"reading its files ended the process that tried them ({why}): they are damaged, or need too much memory"
