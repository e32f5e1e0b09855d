"""Ray actors as workers, on this machine or on a cluster: nothing but the store is shared.

A worker that ends, with its node or alone, is replaced as soon as the cluster has room for another; until then the
others go on. Workers end with the process that has them.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from layeratlas.executors.base import Jobs, Message, Opening, Said, dispatch, messages
from layeratlas.store.errors import BadRequest, LayeratlasError, MissingPackage
from layeratlas.store.progress import Progress

LOCAL = "local"
_CODE = (".py", ".sql", ".toml", ".typed", ".parquet", ".html", ".css", ".js", ".tcss")
_PARTS = ("store", "executors", "extract", "measures", "queries", "studies")  # of the package: a checkout holds more


@dataclass(frozen=True)
class OnRay:
    """Workers that are actors of Ray. address: `local`, which starts Ray here, `auto`, or a cluster's.

    cpus, gpus, memory (bytes): what Ray is told that each worker needs. most: no more workers than this.
    """

    address: str = LOCAL
    cpus: int = 1
    gpus: float = 0
    memory: int = 0
    most: int | None = None
    is_here = False

    @cached_property
    def workers(self) -> int:
        """How many the cluster has room for now. Raises LayeratlasError where it has room for none."""
        ray = self._connected()
        alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        room = sum(self._fit(resources) for resources in alive)
        if not room:
            raise LayeratlasError(
                f"Ray has room for no worker of {self.cpus} CPUs, {self.gpus:g} GPUs and {self.memory:,} bytes on any "
                f"of {len(alive)} nodes: ask for less"
            )
        return min(room, self.most) if self.most else room

    def run(self, opening: Opening, jobs: Jobs, progress: Progress) -> None:
        """Do jobs on the cluster."""
        dispatch(_Crew(self._connected(), opening, self._needs, self.workers), self.workers, jobs, progress)

    @property
    def _needs(self) -> dict[str, Any]:
        return {"num_cpus": self.cpus, "num_gpus": self.gpus, **({"memory": self.memory} if self.memory else {})}

    def _fit(self, node: Mapping[str, float]) -> int:
        needs = {"CPU": self.cpus, "GPU": self.gpus, "memory": self.memory}
        return int(min(node.get(name, 0) // need for name, need in needs.items() if need))

    def _connected(self) -> Any:
        """Return ray, connected to the cluster; a connection that there is already is used."""
        try:
            import ray
        except ImportError as error:
            raise MissingPackage("--ray needs ray: pip install 'layeratlas[ray]'") from error
        if ray.is_initialized():
            return ray
        quiet = {"logging_level": "ERROR", "log_to_driver": False}
        try:
            if self.address == LOCAL:
                ray.init(include_dashboard=False, **quiet)
            else:
                with tempfile.TemporaryDirectory() as folder:
                    ours = {name: value for name, value in os.environ.items() if name.startswith("LAYERATLAS_")}
                    there = {"py_modules": [str(_code(Path(folder)))], "env_vars": ours}
                    ray.init(self.address, runtime_env=there, **quiet)
        except (ConnectionError, ValueError, RuntimeError) as error:
            said = " ".join(str(error).split())[:300]
            raise BadRequest(f"there is no Ray cluster at '{self.address}': {said}") from error
        return ray


def _code(folder: Path) -> Path:
    """Copy this package, as it is here, to where Ray takes it from: workers need not have it installed."""
    source, target = Path(__file__).resolve().parents[1], folder / "layeratlas"
    for path in [*source.glob("*"), *(one for part in _PARTS for one in (source / part).rglob("*"))]:
        if path.is_file() and path.suffix in _CODE:
            (target / path.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target / path.relative_to(source))
    return target


class _Actor:
    """What Ray keeps in a place."""

    def __init__(self, opening: Opening, place: int) -> None:
        self._worker = opening(place)

    def ready(self) -> Message:
        return ("ready",)

    def do(self, job: Any) -> Any:
        yield from messages(self._worker, job)


class _Crew:
    """Actors, and what each is about to say: a reference, or a generator of references."""

    def __init__(self, ray: Any, opening: Opening, needs: Mapping[str, Any], workers: int) -> None:
        self.title = f"{workers} workers on Ray" if workers > 1 else "a worker on Ray"
        self._ray, self._opening = ray, ray.put(opening)
        self._kind = ray.remote(_Actor).options(max_restarts=0, **needs)
        self._actors: dict[int, Any] = {}
        self._awaited: dict[Any, int] = {}

    def start(self, place: int) -> None:
        actor = self._actors[place] = self._kind.remote(self._opening, place)
        self._awaited[actor.ready.remote()] = place

    def give(self, place: int, job: Any) -> None:
        self._awaited[self._actors[place].do.options(num_returns="streaming").remote(job)] = place

    def hear(self, seconds: float) -> Sequence[Said]:
        if not self._awaited:
            time.sleep(seconds)
            return ()
        awaited = list(self._awaited)
        ready, _ = self._ray.wait(awaited, num_returns=len(awaited), timeout=0)
        if not ready:
            ready, _ = self._ray.wait(awaited, num_returns=1, timeout=seconds)
        return [Said(self._awaited[one], self._message(one)) for one in ready]  # in this order

    def _message(self, awaited: Any) -> Message:
        """Return what there is to hear; after the last of a job, it is awaited no more."""
        from ray.exceptions import RayError, RayTaskError

        try:
            one = next(awaited) if hasattr(awaited, "__next__") else awaited
            message: Message = self._ray.get(one)
        except StopIteration:
            message = ("lost", "it said nothing")
        except RayTaskError as error:
            message = ("broken", str(error))
        except RayError as error:
            message = ("lost", " ".join(str(error).split())[:200])
        if message[0] in ("ready", "done", "refused", "broken", "lost"):
            place = self._awaited.pop(awaited)
            if message[0] == "lost":
                self._ray.kill(self._actors.pop(place))
        return message

    def close(self) -> None:
        for actor in self._actors.values():
            self._ray.kill(actor)
