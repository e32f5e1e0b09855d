"""status, of a run that has not ended."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import toy

from layeratlas.queries.questions.status import under_way
from layeratlas.store.provenance import begun, now


def test_status_says_how_far_a_run_is_and_when_it_ends(tmp_path: Path) -> None:
    store = toy.make(tmp_path)
    run = {**begun(device="cpu", threads=1), "run": "toy", "started": now() - timedelta(seconds=100), "host": "here"}
    store.write("runs", [run])
    store.merge()
    with store.catalog() as catalog:
        [line] = under_way(catalog, 1)
        assert under_way(catalog, 0) == []
        [(scores,)] = catalog.sql("SELECT count(*) FROM base.scores WHERE run = 'toy'").fetchall()
    said = (
        r"at work on here since \S+ \S+ UTC: ([\d,]+) scores, ([\d.]+) a second; about (\d+) are missing: until about "
    )
    found = re.fullmatch(said + r"\S+ \S+", line)
    assert found and int(found[1].replace(",", "")) == scores and 0.9 < float(found[2]) * 100 / scores < 1.05
    assert int(found[3]) > 0
    store.write("runs", [{**run, "finished": now(), "outcome": "finished"}])
    store.merge()
    with store.catalog() as catalog:
        assert under_way(catalog, 1) == []
