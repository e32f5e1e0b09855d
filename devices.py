"""What computes: the device that the user named, checked before any work begins, and how many of its cores."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits

from layeratlas.store.errors import BadRequest
from layeratlas.store.store import Store

_KNOWN = ("cpu", "cuda", "mps", "xpu")


def device_named(name: str) -> torch.device:
    """Return the device that `auto`, `cpu`, `cuda`, `cuda:1`, `mps` … stands for. Raises BadRequest in one line.

    auto: the first CUDA device, where there is one; else the CPU.
    """
    if name == "auto":
        _multiply_exactly()
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        if device.type not in _KNOWN:
            raise RuntimeError
        torch.empty(1, device=device)
        _multiply_exactly()
    except (RuntimeError, AssertionError, NotImplementedError):
        raise BadRequest(f"there is no device '{name}' here; there is: auto, {', '.join(_available())}") from None
    return device


def _multiply_exactly() -> None:
    """Have float32 be float32: TF32, which CUDA's convolutions and recurrent layers take unasked, has 10 bits."""
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False


def device_of_place(name: str, place: int) -> torch.device:
    """Return the device of one of several workers of this machine: by `auto`, they take its CUDA devices in turns."""
    count = torch.cuda.device_count() if name in ("auto", "cuda") and torch.cuda.is_available() else 0
    return device_named(f"cuda:{place % count}" if count > 1 else name)


@contextmanager
def share_of_cores(store: Store) -> Iterator[None]:
    """Use this process's share of the cores while others of this host work in the same store.

    Threads of several processes that wait for one another's cores make all of them slower than one process alone.
    """
    threads = torch.get_num_threads()
    share = max(1, threads // max(1, store.claims.workers(here=True)))
    torch.set_num_threads(share)
    try:
        with threadpool_limits(share, user_api="blas"):  # numpy's
            yield
    finally:
        torch.set_num_threads(threads)


def _available() -> list[str]:
    cuda = [f"cuda:{index}" for index in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    return ["cpu", *cuda, *(["mps"] if torch.backends.mps.is_available() else [])]
