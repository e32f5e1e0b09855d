"""What is meant where nothing is named, by kind of artifact; the only module of the questions that names kinds."""

from __future__ import annotations

from dataclasses import dataclass

OWN = "own"  # the source of what we measured ourselves
CONFIGURATION = "default"


@dataclass(frozen=True)
class Usual:
    """The measure of layers, and the measure whose scores of single units (neurons, heads) are asked for."""

    measure: str
    of_units: str


#: By kind, the first kind first.
USUAL: dict[str, Usual] = {"activations": Usual("ckasim", "neuronsim"), "attention": Usual("attsim", "attsim")}
FIRST = next(iter(USUAL))


def usual_of(kind: str) -> Usual | None:
    """What is meant of a kind; None of a kind that has nothing usual yet."""
    return USUAL.get(kind)
