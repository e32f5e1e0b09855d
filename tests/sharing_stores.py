"""Stores of several machines, real files and real scores, and a real S3 server in a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import uuid
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from layeratlas import running
from layeratlas.store.artifacts.activations import ActivationWriter
from layeratlas.store.artifacts.attention import AttentionWriter
from layeratlas.store.identity import ArtifactIdentity, AttentionSettings, Settings
from layeratlas.store.store import Store

ROOT = Path(__file__).resolve().parent.parent
LAYERS, NEURONS, HEADS, SENTENCES, LENGTH = 3, 12, 2, 40, 6
WORDS = SENTENCES * LENGTH
KEYS = "measure, configuration, pooling, kind, model_a, layer_a, model_b, layer_b, words, refused"


def extracted(root: Path, *models: str, corpus: str = "c", attention: bool = True) -> Store:
    """A store with the layers of models, whose values follow from their names alone."""
    store, common = Store(root), np.random.default_rng(0).standard_normal((WORDS, 8))
    store.write("corpora", [{"corpus": f"v1:{corpus}", "name": corpus, "sentences": SENTENCES, "words": WORDS}])
    for model in models:
        store.write("models", [{
            "weights": f"v1:{model}", "name": model, "family": f"family of {model}", "layers": LAYERS - 1,
            "neurons": NEURONS, "heads": HEADS if attention else 0, "source": "own",
        }])  # fmt: skip
        for layer in range(LAYERS):
            rng = np.random.default_rng(zlib.crc32(f"{model} {layer} {corpus}".encode()))
            _activations(store, ArtifactIdentity(f"v1:{model}", f"v1:{corpus}", layer, Settings()), model, rng, common)
            if attention and layer:
                identity = ArtifactIdentity(f"v1:{model}", f"v1:{corpus}", layer, AttentionSettings(), "attention")
                _attention(store, identity, model, rng)
    store.merge()
    return store


def measured(root: Path, *models: str, corpus: str = "c", attention: bool = True) -> Store:
    """The same, with a score for every pair."""
    store = extracted(root, *models, corpus=corpus, attention=attention)
    running.measure(store, running.Means("cpu"))
    return store


def values(store: Store | Path) -> dict[tuple[object, ...], float]:
    """Every score and refusal by what it is of, without who measured it."""
    rows = (store if isinstance(store, Store) else Store(store)).rows(f"SELECT {KEYS}, value FROM all_layer_pairs")
    return {tuple(key): float("nan") if value is None else value for *key, value in rows}


def are_same(one: Store | Path, two: Store | Path) -> bool:
    """Tell whether two stores have the same scores; two computations of one may differ in the last digits."""
    first, second = values(one), values(two)
    assert first.keys() == second.keys() and first, f"{len(first)} and {len(second)} scores"
    np.testing.assert_allclose([*first.values()], [second[key] for key in first], atol=1e-6)
    return True


def files(root: Path) -> dict[str, bytes]:
    """What there is below a folder, but locks."""
    found = (path for path in root.rglob("*") if path.is_file() and "locks" not in path.parts)
    return {str(path.relative_to(root)): path.read_bytes() for path in found}


def layeratlas(*arguments: object, **environment: str) -> subprocess.Popen[str]:
    """Start the command line."""
    return subprocess.Popen(
        [sys.executable, "cli.py", *map(str, arguments)], cwd=ROOT, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )  # fmt: skip


def said(process: subprocess.Popen[str], code: int = 0) -> str:
    """Wait for a command; return what it says on stderr."""
    out, error = process.communicate(timeout=300)
    assert process.returncode == code and "Traceback" not in error, (process.returncode, out, error)
    return error


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of an S3 server (moto) that runs as long as the tests."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a new bucket; the environment has what is needed to use it."""
    import boto3

    for name, value in {
        "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_ENDPOINT_URL": s3_server,
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    name = f"lab-{uuid.uuid4().hex[:12]}"
    boto3.client("s3", endpoint_url=s3_server).create_bucket(Bucket=name)
    return f"s3://{name}"


def _activations(
    store: Store, identity: ArtifactIdentity, model: str, rng: np.random.Generator, common: np.ndarray
) -> None:
    array = common @ rng.standard_normal((8, NEURONS)) + rng.standard_normal((WORDS, NEURONS))
    sentence, word = np.divmod(np.arange(WORDS, dtype=np.int32), np.int32(LENGTH))
    with ActivationWriter(store.root, identity, model, NEURONS) as writer:
        writer.write(sentence, word, [f"word{number}" for number in range(WORDS)], array.astype(np.float32))
    assert writer.artifact is not None
    store.write_artifact(writer.artifact, "test")


def _attention(store: Store, identity: ArtifactIdentity, model: str, rng: np.random.Generator) -> None:
    with AttentionWriter(store.root, identity, model, HEADS) as writer:
        for sentence in range(SENTENCES):
            weights = rng.dirichlet(np.ones(LENGTH), (HEADS, LENGTH)).astype(np.float32)
            writer.write(sentence, np.arange(LENGTH, dtype=np.int32), weights)
    assert writer.artifact is not None
    store.write_artifact(writer.artifact, "test")
