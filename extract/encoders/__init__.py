"""Model families: each is one module of this folder, which says which models it loads.

Such a module has `FAMILIES`, from the model_type of a config.json to what the literature calls the family, and
`load(located, settings, device, kinds)`, which makes an Encoder (`base.py`). Nothing else lists them; models that no
module names are run by transformers. They are looked for when a model is loaded: planning imports none. `STATEFUL` says
that its models can carry a state from sentence to sentence.
"""

from __future__ import annotations

from collections.abc import Collection
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

from layeratlas.store.errors import BadRequest

if TYPE_CHECKING:
    from layeratlas.extract.encoders.base import Encoder
    from layeratlas.extract.locate import Located
    from layeratlas.store.identity import Settings

_ALL_OTHERS = "transformer"


def load(located: Located, settings: Settings, device: str, kinds: Collection[str]) -> Encoder:
    """Load a model in a way that shows these kinds, as far as its architecture has them.

    Raises LayeratlasError when it cannot be loaded, BadRequest when the settings do not fit it.
    """
    module = _module(located.model_type)
    if settings.site != "block" and not module.__name__.endswith(_ALL_OTHERS):
        raise BadRequest(f"{located.spec.name} has no sites within its layers: leave site out")
    if settings.stateful and not hasattr(module, "STATEFUL"):
        raise BadRequest(f"{located.spec.name} carries no state between sentences: leave stateful out")
    encoder: Encoder = module.load(located, settings, device, kinds)
    return encoder


def family_of(located: Located) -> str:
    """Return the family that the user named, or else what the literature calls the configuration's model_type."""
    families: dict[str, str] = _module(located.model_type).FAMILIES
    return located.spec.family or families.get(located.model_type, located.model_type)


def _module(model_type: str) -> Any:
    for found in iter_modules(__path__):
        module = import_module(f"{__name__}.{found.name}")
        if model_type in getattr(module, "FAMILIES", {}):
            return module
    return import_module(f"{__name__}.{_ALL_OTHERS}")
