"""The path of other devices, on the CPU: torch alone gives what numpy gives, so that it cannot rot unseen."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from layeratlas.measures import linalg
from layeratlas.measures.batches import batched
from layeratlas.measures.engine import How, compare_pairs
from layeratlas.measures.kernels.ckasim import Spread
from layeratlas.measures.registry import group
from layeratlas.measures.sources.activations import ArrayRows

OURS = {"linalg.py", "moments.py", "norms.py", "directions.py", "lengths.py", "engine.py"}  # no .numpy() of theirs


def scores(dtype: torch.dtype) -> dict[tuple[object, ...], float]:
    """All measures of activations of four layers, one of which has a dead neuron."""
    rng = np.random.default_rng(0)
    common = rng.standard_normal((400, 12))
    layers = [common @ rng.standard_normal((12, width)) + rng.standard_normal((400, width)) for width in (9, 9, 9, 14)]
    layers[1][:, 3] = 2.0
    rows = [ArrayRows(str(index), layer.astype(np.float32)) for index, layer in enumerate(layers)]
    found = {}
    for some in compare_pairs("activations", rows, list(itertools.combinations(range(4), 2)),
                              group("all", ("activations",), "default"), How(dtype)):  # fmt: skip
        for outcomes in some:
            for pair, score in outcomes.single():
                value = getattr(score, "value", None)
                found[repr(outcomes.measure), *pair] = float("nan") if value is None else value
    return found


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-5), (torch.float64, 1e-8)])
def test_torch_alone_gives_what_numpy_gives(
    dtype: torch.dtype, tolerance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = scores(dtype)
    monkeypatch.setattr(linalg, "NUMPY", False)
    convert = torch.Tensor.numpy

    def refused(tensor: torch.Tensor, **options: bool) -> object:
        import sys

        assert Path(sys._getframe(1).f_code.co_filename).name not in OURS, "numpy on a device without it"
        return convert(tensor, **options)

    monkeypatch.setattr(torch.Tensor, "numpy", refused)
    found = scores(dtype)
    assert found == pytest.approx(expected, abs=tolerance, nan_ok=True) and len(found) > 300


def test_numbers_are_put_where_the_tensors_beside_them_are() -> None:
    layer = Spread(torch.empty(3, device="meta"), 2.0, 0)
    together = batched([layer, layer])
    assert together.norm.device == together.relative.device and together.norm.shape == (2,)


def test_float32_is_float32() -> None:
    from layeratlas.devices import device_named

    torch.set_float32_matmul_precision("high")
    device_named("cpu")
    assert torch.get_float32_matmul_precision() == "highest" and not torch.backends.cudnn.allow_tf32
