"""A model's folder is tried in a process of its own before it is loaded: broken or hostile files end that process only.

There the configuration is read, the tokenizer made and tried, and the model built without memory for its weights
(torch's `meta` device): more parameters than the weight files can hold, more processor time or memory than a sound
folder takes, a crash of a library are each one line about this model.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn.modules import module as torch_module

from layeratlas.extract.encoders.loading import Source
from layeratlas.extract.foreign import foreign, reason_of
from layeratlas.extract.locate import Located
from layeratlas.extract.locate.files import weight_files
from layeratlas.extract.memory import available
from layeratlas.store.errors import LayeratlasError
from layeratlas.store.sandbox import Limits, attempt

LIMITS = Limits()
_SLACK = 64  # parameters that a checkpoint may lack (heads that no hidden state depends on)
_BUFFERS = 2**28  # elements; masks and tables that are made, not loaded


@dataclass(frozen=True)
class Weights:
    """What a folder's weight files hold: how many tensors, in how many bytes."""

    tensors: int
    bytes: int


def rehearse(located: Located, source: Source, dtype: torch.dtype) -> str | None:
    """Return why a folder cannot be loaded in this precision, None when nothing speaks against it."""
    given = {
        "source": {**asdict(source), "folder": str(source.folder), "tokens": str(source.tokens)},
        "name": located.spec.name,
        "untrained": located.spec.untrained, "size": 4 if located.spec.untrained else dtype.itemsize,
    }  # fmt: skip
    return attempt(try_out, given, LIMITS)


def try_out(given: dict[str, Any]) -> str | None:
    """Do what `rehearse` asks for, in its process; return what is wrong."""
    import transformers

    transformers.logging.set_verbosity_error()
    source = Source(**{**given["source"], **{key: Path(given["source"][key]) for key in ("folder", "tokens")}})
    try:
        with foreign(lambda reason: reason, memory=True):
            _try_out(source, given["name"], untrained=given["untrained"], size=given["size"])
    except LayeratlasError as error:
        return str(error)
    return None


def _try_out(source: Source, name: str, *, untrained: bool, size: int) -> None:
    from layeratlas.extract.tokens import WordTokenizer

    config = source.config()
    WordTokenizer(source.tokenizer(), name)
    weights = None if untrained else held(source.folder)
    with _counting(weights, size), torch.device("meta"):
        model = source.blank(config, {})
    _run_without_weights(model)


def held(folder: Path) -> Weights:
    """Count what the weight files hold, reading none of it. Raises whatever the libraries raise for damaged files."""
    from safetensors import safe_open

    tensors = size = 0
    for file in weight_files(folder):
        size += file.stat().st_size
        if file.suffix == ".safetensors":
            with safe_open(file, "pt") as opened:
                tensors += len(opened.keys())
        else:
            tensors += len(torch.load(file, map_location="meta", weights_only=True, mmap=_is_zip(file)))
    return Weights(tensors, size)


def _is_zip(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(2) == b"PK"  # the older format cannot be mapped


@contextmanager
def _counting(weights: Weights | None, size: int) -> Iterator[None]:
    """Stop a model that is being built at the first parameter that the weight files, or memory, cannot hold.

    weights: None for a control, which has no files. size: bytes of an element. Weights packed to four bits have two
    elements a byte.
    """
    parameters = elements = buffers = 0
    free = available("cpu")

    def parameter(_module: Any, _name: str, value: Any) -> None:
        nonlocal parameters, elements
        parameters, elements = parameters + 1, elements + _numel(value)
        if free is not None and elements * size > free:
            raise ValueError(
                f"it has more than {elements:,} parameters of {size} bytes: there is memory for {free / 2**30:,.1f} GiB"
            )
        if weights is not None and (parameters > 2 * weights.tensors + _SLACK):
            raise ValueError(
                f"its configuration makes a model of more than {parameters - 1:,} parameter tensors, its weight files "
                f"hold {weights.tensors:,}"
            )
        if weights is not None and elements > 2 * weights.bytes + 2**22:
            raise ValueError(
                f"its configuration makes a model of more than {elements:,} parameters, its weight files have "
                f"{weights.bytes:,} bytes"
            )

    def buffer(_module: Any, name: str, value: Any) -> None:
        nonlocal buffers
        buffers += _numel(value)
        if buffers > _BUFFERS:
            raise ValueError(f"its configuration makes tables of more than {buffers:,} values ('{name}')")

    handles = [
        torch_module.register_module_parameter_registration_hook(parameter),
        torch_module.register_module_buffer_registration_hook(buffer),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _numel(value: Any) -> int:
    return int(value.numel()) if isinstance(value, torch.Tensor) else 0


def _run_without_weights(model: Any) -> None:
    """Run a model on the meta device, for the time and memory it takes: many cannot, which says nothing."""
    ids = torch.ones((1, 4), dtype=torch.long, device="meta")
    try:
        with torch.inference_mode():
            model(input_ids=ids)
    except (KeyboardInterrupt, MemoryError):
        raise
    except BaseException as error:
        reason_of(error)
