"""Adapters into their base model: peft reads and merges them, so that what runs is an ordinary model."""

from __future__ import annotations

import warnings
from typing import Any

from torch import nn

from layeratlas.extract.locate import Located
from layeratlas.store.errors import MissingPackage

_INSIDE = "base_model.model."  # what peft puts before the name of each weight


def require_peft(located: Located) -> None:
    """Raise MissingPackage for an adapter that cannot be applied here; its base alone would be another model."""
    from importlib.util import find_spec

    if located.adapter is not None and find_spec("peft") is None:
        raise MissingPackage(
            f"{located.spec.name} is an adapter, which peft applies: pip install 'layeratlas[adapters]' (or peft)"
        )


def adapted(model: Any, located: Located) -> Any:
    """Return the base model with the adapter merged into its weights.

    Raises ValueError for an adapter that cannot be merged, or whose weights are not all used.
    """
    import peft

    folder = str(located.adapter)
    config = peft.PeftConfig.from_pretrained(folder)
    if config.is_prompt_learning:
        raise ValueError(f"it is a {config.peft_type}, which adds tokens: only adapters of weights can be merged")
    held, weights = _as_trained(model, peft.load_peft_weights(folder, device="cpu"))
    config.inference_mode, config.task_type = True, None
    config.modules_to_save = _there(held, getattr(config, "modules_to_save", None))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the base stands elsewhere now
        wrapped = peft.get_peft_model(held, config)
        report = peft.set_peft_model_state_dict(wrapped, weights)
    own = wrapped.base_model.prefix
    lost = [*report.unexpected_keys, *(key for key in report.missing_keys if own in key)]
    if lost or not weights:
        raise ValueError(f"its adapter does not fit its base: no place for {lost[0] if lost else 'any weight'}")
    merged = wrapped.merge_and_unload(safe_merge=True)
    return next(merged.children()) if held is not model else merged


def _as_trained(model: Any, weights: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return the model under the name that it had when the adapter was trained, and the adapter's weights of it.

    An adapter for a model with a head knows it as `bert.encoder…`, and patterns of its configuration go by such names.
    Weights of the head are left out: no hidden state depends on them.
    """
    prefix = model.base_model_prefix
    inner = {key: key.removeprefix(_INSIDE).split(".", 1)[0] for key in weights}
    if not prefix or hasattr(model, prefix) or prefix not in inner.values():
        return model, {key: value for key, value in weights.items() if hasattr(model, inner[key])}
    held = nn.Module()
    held.add_module(prefix, model)
    held.config = model.config
    return held, {key: value for key, value in weights.items() if inner[key] == prefix}


def _there(model: Any, names: Any) -> list[str] | None:
    """Return those of some modules' names that a model has."""
    known = [name for name, _ in model.named_modules()]
    return [name for name in names or () if any(own == name or own.endswith(f".{name}") for own in known)] or None
