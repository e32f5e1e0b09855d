"""Kinds of artifacts: what can be taken of a layer. One row of one table a kind; no other module lists them.

A kind says by which settings it is taken, which layers have it, what one column of it is called, and which module
writes and reads its files. The other rooms keep what is theirs under the kind's name: `extract/takes/<kind>.py` takes
it from a forward pass, `measures/sources/<kind>.py` feeds it to the engine.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from layeratlas.store.errors import BadRequest, unknown
from layeratlas.store.identity import AnySettings, AttentionSettings, ImportedSettings, Settings

if TYPE_CHECKING:
    from layeratlas.store.artifacts.base import Files


@dataclass(frozen=True)
class Kind:
    """One kind of artifact. `unit`: what one column of a layer is called, a neuron or a head.

    module: writes and reads its files (`files`); it is imported when it is first used, for questions need no pyarrow.
    """

    name: str
    unit: str
    settings: type[AnySettings]
    first_layer: int  # 0 where the embeddings have it too, 1 where only blocks do
    module: str

    @property
    def files(self) -> Files:
        """How its files are written and read."""
        return cast("Files", import_module(self.module))

    def settings_from(self, found: dict[str, Any]) -> AnySettings:
        """Return the settings that an artifact's file holds; one that was imported has its content in their place."""
        return ImportedSettings(**found) if "content" in found else self.settings(**found)

    @property
    def options(self) -> tuple[str, ...]:
        """The names of its settings."""
        return tuple(option.name for option in fields(self.settings))


KINDS: dict[str, Kind] = {
    row.name: row
    for row in (
        Kind("activations", "neuron", Settings, first_layer=0, module="layeratlas.store.artifacts.activations"),
        Kind("attention", "head", AttentionSettings, first_layer=1, module="layeratlas.store.artifacts.attention"),
    )
}


def kind_of(name: str) -> Kind:
    """Return a kind by its name. Raises BadRequest."""
    if name not in KINDS:
        raise BadRequest(unknown("kind", name, KINDS))
    return KINDS[name]
