"""The table of kinds: each row has all that the rest of the store asks of it. And the ranges of measures."""

from __future__ import annotations

import itertools
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from layeratlas.measures import MEASURES, Measure
from layeratlas.measures.registry import configuration_row
from layeratlas.queries.core.usual import USUAL
from layeratlas.store.errors import BadRequest
from layeratlas.store.identity import ArtifactIdentity
from layeratlas.store.kinds import KINDS, kind_of
from layeratlas.store.store import Store
from layeratlas.store.study import Study

PLACE = np.zeros(1, np.int32)
#: How each kind's writer is fed one word, of two units.
FED = {
    "activations": (PLACE, PLACE, ["word"], np.ones((1, 2), np.float32)),
    "attention": (0, PLACE, np.ones((2, 1, 1), np.float32)),
}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_writes_and_reads_its_files_in_one_way(tmp_path: Path, name: str) -> None:
    kind = kind_of(name)
    settings = Study((), (), special_tokens="keep-mass").settings_of(name)
    assert isinstance(settings, kind.settings) and settings.words_from_tokens in ("last", "keep-mass")
    writer = kind.files.writer(tmp_path, ArtifactIdentity("v1:w", "v1:c", 1, settings, name), "m", 2)
    with writer:
        writer.write(*FED[name])  # type: ignore[attr-defined]
    assert writer.artifact is not None and (writer.artifact.units, writer.artifact.words) == (2, 1)
    path = tmp_path / writer.artifact.path
    assert path.is_relative_to(tmp_path / name) and kind.files.read_keys(path).tolist() == [[0, 0]]
    assert len(list(kind.files.read_chunks(path))) == len(list(kind.files.read_chunks(path, rows=9))) == 1


def test_kinds_are_known_by_name_and_need_no_pyarrow_until_a_file_is_read() -> None:
    assert [kind.unit for kind in KINDS.values()] == ["neuron", "head"]
    with pytest.raises(BadRequest, match="unknown kind 'attenion'; did you mean attention"):
        kind_of("attenion")
    code = "import sys; from layeratlas.store import kinds, store; print('pyarrow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_what_is_usual_is_said_of_kinds_that_there_are() -> None:
    assert USUAL.keys() <= KINDS.keys()
    assert all(MEASURES[each].kind == kind for kind, usual in USUAL.items() for each in (usual.measure, usual.of_units))


def every_configuration() -> list[Measure]:
    attsim = MEASURES["attsim"]()
    similarities, conventions = ("frobenius", "pearson", "pearson_nonzero", "jensen_shannon"), ("bounded", "released")
    others: list[Measure] = [
        declared() for declared in MEASURES.values() if declared.usual and declared.name != "attsim"
    ]
    return others + [
        replace(attsim, similarity=similarity, convention=convention)
        for similarity, convention in itertools.product(similarities, conventions)
    ]


def test_a_catalog_from_before_gets_the_ranges_that_measures_have_today(tmp_path: Path) -> None:
    now = [configuration_row(measure) for measure in every_configuration()]
    new = ("direction", "low", "high")
    store = Store(tmp_path)
    store.write("configurations", [{key: row[key] for key in row if key not in new} for row in now])
    store.merge()
    found = store.rows("SELECT configuration, direction, low, high FROM base.configurations")
    assert sorted(found) == sorted((row["configuration"], *(row[key] for key in new)) for row in now)
    assert len({row[2:] for row in found}) == 4
