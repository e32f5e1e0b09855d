"""Models that are run otherwise than by the first release, and so have other numbers: by model_type, a version.

It is part of the identity of their artifacts; that of all others is 1. Raise a model's when its numbers change again.
"""

from __future__ import annotations

_FORMER = 1

#: What changed: to most padding shows, and they are batched by equal lengths. Reformer draws random numbers: it is run
#: alone, from one seed. The last layer of it and of CLIP's text model is their last hidden state, behind the norm.
_VERSIONS = dict.fromkeys(
    ("clip_text_model", "convbert", "cpmant", "fnet", "mobilebert", "nystromformer", "reformer", "yoso"), 2
)


def version_of(model_type: str) -> int:
    """Return the version of how models of a type are run."""
    return _VERSIONS.get(model_type, _FORMER)
