"""Model families: each is one module of this folder, or of another package, which says which models it loads.

Such a module has `FAMILIES`, from the model_type of a config.json to what the literature calls the family, and
`load(located, settings, device, kinds)`, which makes an Encoder (`base.py`). Nothing else lists them; other packages
offer theirs by an entry point of the group `layeratlas.encoders`. Models that no module names are run by transformers.
They are looked for when a model is loaded: planning imports none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from importlib import import_module, metadata
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

from layeratlas.extract.foreign import foreign
from layeratlas.store.errors import LayeratlasError

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
    encoder: Encoder = _module(located.model_type).load(located, settings, device, kinds)
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
    offered = [(module, package) for module, package in _offered() if model_type in module.FAMILIES]
    if len(offered) > 1:
        packages = " and ".join(package for _, package in offered)
        raise LayeratlasError(f"{packages} both offer to load the model_type '{model_type}': uninstall one")
    return offered[0][0] if offered else import_module(f"{__name__}.{_ALL_OTHERS}")


def _offered() -> Iterator[tuple[Any, str]]:
    """Yield what other packages offer, with the package's name. Raises LayeratlasError for what cannot be used."""
    for point in metadata.entry_points(group=ENTRY_POINTS):
        package = f"the package {point.dist.name}" if point.dist else f"an unknown package ({point.value})"
        says = f"{package} offers the encoder '{point.name}', which cannot be loaded"
        with foreign(lambda reason, says=says: f"{says}: {reason}. Repair or uninstall it"):  # type: ignore[misc]
            module = point.load()
        if not isinstance(getattr(module, "FAMILIES", None), dict) or not callable(getattr(module, "load", None)):
            raise LayeratlasError(f"{package} offers {point.value} as an encoder, which lacks FAMILIES or load")
        yield module, package
