"""Kinds of artifacts: what can be taken of a layer. One row of one table a kind; no other module lists them.

A kind says by which settings it is taken, which layers have it, what one column of it is called, and which module
writes and reads its files. The other rooms keep what is theirs under the kind's name: `extract/takes/<kind>.py` takes
it from a forward pass, `measures/sources/<kind>.py` feeds it to the engine.
"""

from __future__ import annotations

from dataclasses import dataclass

from layeratlas.store.errors import BadRequest, unknown
from layeratlas.store.identity import AttentionSettings, Settings


@dataclass(frozen=True)
class Kind:
    """One kind of artifact. `unit`: what one column of a layer is called, a neuron or a head."""

    name: str
    unit: str
    settings: type[Settings] | type[AttentionSettings]
    first_layer: int  # 0 where the embeddings have it too, 1 where only blocks do


KINDS: dict[str, Kind] = {
    row.name: row
    for row in (
        Kind("activations", "neuron", Settings, first_layer=0),
        Kind("attention", "head", AttentionSettings, first_layer=1),
    )
}


def kind_of(name: str) -> Kind:
    """Return a kind by its name. Raises BadRequest."""
    if name not in KINDS:
        raise BadRequest(unknown("kind", name, KINDS))
    return KINDS[name]
