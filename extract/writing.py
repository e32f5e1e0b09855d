"""Writing beside computing: one thread takes chunks from a short queue and appends them to every layer's file."""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from layeratlas.extract.stream import Chunk
from layeratlas.store.artifacts.base import Artifact, ArtifactWriter

WAITING = 1  # chunks between computing and writing
_PATIENCE = 0.2  # seconds between two looks at whether the other side still lives


class _StoppedError(Exception):
    """The computing side gave up: the writers are left without finishing their files."""


class BackgroundWriter:
    """Writes chunks in a thread; used as a context manager.

    Leaving the block well finishes the files, and `artifacts` has what was written; leaving it by an exception removes
    the temporary files. An error of the thread is raised by the next `write`, or on leaving.
    """

    def __init__(self, writers: Mapping[str, Mapping[int, ArtifactWriter]]) -> None:
        """`writers`: by kind and layer."""
        self._by_kind = writers
        self._writers = [writer for by_layer in writers.values() for writer in by_layer.values()]
        self._queue: queue.Queue[Chunk | None] = queue.Queue(maxsize=WAITING)
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="layeratlas-writer", daemon=True)

    @property
    def artifacts(self) -> list[Artifact]:
        """The files that were finished."""
        return [writer.artifact for writer in self._writers if writer.artifact is not None]

    def describe(self, found: Mapping[str, Any]) -> None:
        """Say in every file how it was made: provenance that is no identity. Before the block ends."""
        for writer in self._writers:
            writer.made = dict(found)

    def __enter__(self) -> BackgroundWriter:
        self._thread.start()
        return self

    def write(self, chunk: Chunk) -> None:
        """Hand over a chunk; waits while another is waiting already."""
        self._put(chunk)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._put(None)
                while self._thread.is_alive():
                    self._thread.join(_PATIENCE)
        except BaseException:
            kind = KeyboardInterrupt
            raise
        finally:
            if kind is not None:
                self._stop.set()
                self._thread.join()
        if self._error is not None and kind is None:
            raise self._error

    def _put(self, item: Chunk | None) -> None:
        while self._thread.is_alive():
            try:
                self._queue.put(item, timeout=_PATIENCE)
            except queue.Full:
                continue
            return
        if self._error is not None:
            raise self._error

    def _take(self) -> Chunk | None:
        while not self._stop.is_set():
            try:
                return self._queue.get(timeout=_PATIENCE)
            except queue.Empty:
                continue
        raise _StoppedError

    def _append(self, chunk: Chunk) -> None:
        for kind, part in chunk.parts.items():
            part.append(chunk.words, self._by_kind[kind])

    def _work(self) -> None:
        try:
            with ExitStack() as stack:
                for writer in self._writers:
                    stack.enter_context(writer)
                while (chunk := self._take()) is not None:
                    self._append(chunk)
        except _StoppedError:
            return
        except BaseException as error:  # handed to the computing side, which raises it
            self._error = error
