"""Which device computes: what the user named, checked before any work begins."""

from __future__ import annotations

import torch

from layeratlas.store.errors import BadRequest

_KNOWN = ("cpu", "cuda", "mps", "xpu")


def device_named(name: str) -> torch.device:
    """Return the device that `auto`, `cpu`, `cuda`, `cuda:1`, `mps` … stands for. Raises BadRequest in one line.

    auto: the first CUDA device, where there is one; else the CPU.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        if device.type not in _KNOWN:
            raise RuntimeError
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise BadRequest(f"there is no device '{name}' here; there is: auto, {', '.join(_available())}") from None
    return device


def _available() -> list[str]:
    cuda = [f"cuda:{index}" for index in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    return ["cpu", *cuda, *(["mps"] if torch.backends.mps.is_available() else [])]
