"""Model families: each is one module of this folder, or of another package, which says which models it loads.

Such a module has `FAMILIES`, from the model_type of a config.json to what the literature calls the family, and
`load(located, settings, device, kinds)`, which makes an Encoder (`base.py`). Nothing else lists them; another package
offers its own by an entry point of the group `layeratlas.encoders`, called as the model_type is. Models that nobody
names are run by transformers. Modules are looked for when a model is loaded: planning imports none.
`STATEFUL` says that its models can carry a state from sentence to sentence.
"""

from __future__ import annotations

from collections.abc import Collection
from importlib import import_module, metadata
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

from layeratlas.extract.foreign import foreign
from layeratlas.store.errors import BadRequest, LayeratlasError

if TYPE_CHECKING:
    from layeratlas.extract.encoders.base import Encoder
    from layeratlas.extract.locate import Located
    from layeratlas.store.identity import Settings

ENTRY_POINTS = "layeratlas.encoders"
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
    return _offered(model_type) or import_module(f"{__name__}.{_ALL_OTHERS}")


def _offered(model_type: str) -> Any:
    """Return the module that another package offers for a model_type, None when none does. Raises LayeratlasError."""
    points = list(metadata.entry_points(group=ENTRY_POINTS, name=model_type))
    if not points:
        return None
    packages = [f"the package {point.dist.name}" if point.dist else point.value for point in points]
    if len(points) > 1:
        raise LayeratlasError(f"{' and '.join(packages)} both offer an encoder of '{model_type}': uninstall one")
    says = f"{packages[0]} offers an encoder of '{model_type}', which cannot be loaded"
    with foreign(lambda reason: f"{says}: {reason}. Repair or uninstall it"):
        module = points[0].load()
    if model_type not in getattr(module, "FAMILIES", {}) or not callable(getattr(module, "load", None)):
        raise LayeratlasError(f"{says}: {points[0].value} lacks load, or '{model_type}' among its FAMILIES")
    return module
