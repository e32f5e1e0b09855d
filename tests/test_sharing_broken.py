"""Sharing that is cut short: killed, disconnected, slow, or done by two at once. Once more, and all is there."""

from __future__ import annotations

import random
import shutil
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sharing_stores import are_same, bucket, extracted, layeratlas, measured, s3_server, said, values  # noqa: F401

from layeratlas.store.sharing import share
from layeratlas.store.sharing.selection import Selection
from layeratlas.store.store import Store
from layeratlas.store.verify import verify

ALL = Selection()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with three models, measured; nothing of this module changes it."""
    return measured(tmp_path_factory.mktemp("whole"), "m1", "m2", "m3").root


def scattered(root: Path, whole: Path) -> None:
    """Cut the log of a copy into many segments, so that the next merge compacts it."""
    shutil.copytree(whole, root)
    store = Store(root)
    for row in range(40):
        store.write("runs", [{"run": f"r{row}", "command": "x", "host": "y"}])


@pytest.mark.parametrize("kills", [3, pytest.param(60, marks=pytest.mark.proof)])
def test_whatever_is_killed_is_done_once_more(kills: int, whole: Path, bucket: str, tmp_path: Path) -> None:  # noqa: F811
    rng, complete = random.Random(kills), values(whole)
    bundle = tmp_path / "whole.atlas.zip"
    share.export(Store(whole), bundle, ALL)
    share.push(Store(whole), f"{bucket}/full", ALL)
    for number in range(kills):
        root = tmp_path / f"{number}"
        if number % 6 in (4, 5):
            scattered(root, whole)
        exported = tmp_path / f"{number}.atlas.zip"
        command: tuple[object, ...] = (
            ("push", f"{bucket}/{number}", "--store", whole), ("pull", f"{bucket}/full", "--store", root),
            ("import", bundle, "--store", root), ("export", exported, "--force", "--store", whole),
            ("rebuild", "--store", root), ("measure", "--store", root),
        )[number % 6]  # fmt: skip
        doomed = layeratlas(*command)
        time.sleep(rng.uniform(0.2, 1.5))
        doomed.send_signal(signal.SIGKILL)
        doomed.communicate()
        said(layeratlas(*command))
        if command[0] == "push":
            share.pull(Store(root), f"{bucket}/{number}", ALL)
        if command[0] == "export":
            share.import_bundle(Store(root), exported, ALL)
            assert not list(tmp_path.glob(".tmp-*"))
        assert values(root) == complete, command
        found = verify(Store(root))
        assert not found.damaged and not found.unknown and len(Store(root).artifacts()) == 15
        shutil.rmtree(root)


class Unreliable:
    """A relay to a server that breaks some connections in the middle, or takes its time."""

    def __init__(self, server: str, *, breaks: int = 0, pause: float = 0.0) -> None:
        host, port = server.removeprefix("http://").split(":")
        self._server, self._breaks, self._pause, self.broken = (host, int(port)), breaks, pause, 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            server = socket.create_connection(self._server)
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=self._relay, args=(source, target), daemon=True).start()

    def _relay(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while content := source.recv(2**14):
                if self._pause:
                    time.sleep(self._pause)
                if self.broken < self._breaks and len(content) > 1000:
                    self.broken += 1
                    target.sendall(content[: len(content) // 2])
                    break
                target.sendall(content)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


@pytest.fixture(params=[{"breaks": 3}, {"pause": 0.02}], ids=["cut", "slow"])
def unreliable(
    request: pytest.FixtureRequest, bucket: str, s3_server: str, monkeypatch: pytest.MonkeyPatch,  # noqa: F811
) -> Iterator[tuple[str, Unreliable]]:  # fmt: skip
    """A bucket behind a relay that is not to be relied on."""
    relay = Unreliable(s3_server, **request.param)
    monkeypatch.setenv("AWS_ENDPOINT_URL", relay.address)
    yield f"{bucket}/atlas", relay
    relay.close()


def test_a_connection_that_breaks_or_crawls_is_borne(
    unreliable: tuple[str, Unreliable], whole: Path, tmp_path: Path
) -> None:
    address, relay = unreliable
    share.push(Store(whole), address, ALL)
    relay.broken = 0
    share.pull(Store(tmp_path / "other"), address, ALL)
    assert values(tmp_path / "other") == values(whole)


def test_a_server_that_is_gone_is_one_line_and_what_arrived_stays(
    whole: Path, bucket: str, s3_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,  # noqa: F811
) -> None:  # fmt: skip
    share.push(Store(whole), f"{bucket}/atlas", ALL)
    relay = Unreliable(s3_server, breaks=10_000)
    monkeypatch.setenv("AWS_ENDPOINT_URL", relay.address)
    line = said(layeratlas("pull", f"{bucket}/atlas", "--store", tmp_path / "other"), 1)
    relay.close()
    assert line.splitlines()[-1].startswith("layeratlas: s3://") and "the same command goes on" in line
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    said(layeratlas("pull", f"{bucket}/atlas", "--store", tmp_path / "other"))
    assert values(tmp_path / "other") == values(whole)


@pytest.mark.proof
def test_two_who_push_at_once_lose_nothing(bucket: str, tmp_path: Path) -> None:  # noqa: F811
    one, two = measured(tmp_path / "one", "m1", "m2"), measured(tmp_path / "two", "m2", "m3")
    both = [layeratlas("push", f"{bucket}/atlas", "--store", store.root) for store in (one, two)]
    for process in both:
        said(process)
    third = Store(tmp_path / "third")
    share.pull(third, f"{bucket}/atlas", ALL)
    assert values(third).keys() == values(one).keys() | values(two).keys() and len(third.artifacts()) == 15
    share.pull(one, str(two.root), ALL)
    assert are_same(one, third)


def test_two_who_work_in_one_bucket_at_once_lose_nothing(bucket: str, tmp_path: Path) -> None:  # noqa: F811
    share.push(extracted(tmp_path / "start", "m1", "m2", "m3"), f"{bucket}/atlas", ALL)
    both = [
        layeratlas("measure", "--store", f"{bucket}/atlas", XDG_CACHE_HOME=str(tmp_path / name)) for name in ("a", "b")
    ]
    for process in both:
        said(process)
    third = Store(tmp_path / "third")
    share.pull(third, f"{bucket}/atlas", ALL)
    assert are_same(third, measured(tmp_path / "whole", "m1", "m2", "m3"))
