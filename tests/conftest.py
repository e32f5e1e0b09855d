"""Catalogs that several modules ask, each written once and only read."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import toy
from duckdb import DuckDBPyConnection

from layeratlas.measures import MEASURES
from layeratlas.store.catalog import reading
from layeratlas.store.results import ensure_results
from layeratlas.store.store import Store
from layeratlas.store.study import load_study

STUDY = Path(__file__).resolve().parent.parent / "studies" / "wu2020-published.toml"


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A toy catalog of our own, what was published, and both in one."""
    own = toy.make(tmp_path_factory.mktemp("own")).root
    both = shutil.copytree(own, tmp_path_factory.mktemp("both"), dirs_exist_ok=True)
    theirs = tmp_path_factory.mktemp("published")
    for spec in load_study(STUDY).results:
        for root in (both, theirs):
            ensure_results(Store(root), spec, symmetric=toy.SYMMETRIC)
    for root in (own, both, theirs):
        with Store(root, {name: kind.version for name, kind in MEASURES.items()}).catalog():  # knows of newer versions
            pass
    return {"own": own, "wu2020-ewt": theirs, "both": both}


@pytest.fixture
def published(stores: dict[str, Path]) -> Iterator[DuckDBPyConnection]:
    """What was published, to be asked."""
    with reading(stores["wu2020-ewt"]) as catalog:
        yield catalog


@pytest.fixture
def own(stores: dict[str, Path]) -> Iterator[DuckDBPyConnection]:
    """The toy catalog, to be asked."""
    with reading(stores["own"]) as catalog:
        yield catalog
