"""Names that arrive must agree with those that are here: one name for one set of weights, one name for one corpus.

Whatever disagrees is refused before anything is copied, with the option that settles it. What was settled once is kept
in the store's settings, so that it need not be said again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from shlex import quote

from layeratlas.store.errors import BadRequest, unknown
from layeratlas.store.sharing.selection import Chosen, Holdings


class NamesDisagree(BadRequest):
    """A name stands for one thing here and for another there, or one thing has two names."""

    has_lines = True


@dataclass(frozen=True)
class _Named:
    what: str  # model or corpus
    key: str
    name: str
    source: str = ""  # of a model: names of different sources do not meet


def renames_of(given: Sequence[str]) -> dict[str, str]:
    """Read what a user wrote as OLD=NEW. Raises BadRequest."""
    found = {}
    for each in given:
        old, equals, new = each.partition("=")
        if not (old and equals and new):
            raise BadRequest(f"expected --rename OLD=NEW, got '{each}'")
        found[old] = new
    return found


def agree(
    arriving: Holdings, here: Holdings, chosen: Chosen, *, renames: Mapping[str, str], settled: Mapping[str, str]
) -> dict[str, str]:
    """Return the names under which things arrive that are called otherwise where they come from, by key.

    renames: what the user says now, old name to new. settled: what was said before, by key.
    Raises NamesDisagree, with a line for each.
    """
    coming, known = _named(arriving, chosen), _named(here)
    for old in renames:
        if old not in {each.name for each in coming}:
            raise BadRequest(unknown("name", old, {each.name for each in coming}))
    names = {each.key: renames.get(each.name, settled.get(each.key, each.name)) for each in coming}
    by_key = {each.key: each.name for each in known}
    taken = {(each.what, each.source, each.name): each.key for each in known}
    refused = []
    for each in coming:
        name = names[each.key]
        if each.key in by_key:
            ours = by_key[each.key]
            if ours != name:
                refused.append(f"{each.what} {name} there is {ours} here: --rename {quote(each.name)}={quote(ours)}")
        elif (each.what, each.source, name) in taken:
            differ = "other weights" if each.what == "model" else "other text"
            refused.append(
                f"{each.what} {name} there has {differ} than {name} here: --rename {quote(each.name)}=NEW-NAME"
            )
    refused += [
        f"source {source} holds other results here: `layeratlas forget source:{source}`, or leave its models out"
        for source in sorted(chosen.sources & here.sources.keys()) if here.sources[source] != arriving.sources[source]
    ]  # fmt: skip
    if refused:
        raise NamesDisagree("\n".join(["nothing is copied, for names disagree:", *refused]))
    return {each.key: names[each.key] for each in coming if names[each.key] != each.name}


def _named(holdings: Holdings, chosen: Chosen | None = None) -> list[_Named]:
    models = [_Named("model", key, name, source) for key, (name, source) in holdings.models.items()]
    corpora = [_Named("corpus", key, name) for key, name in holdings.corpora.items()]
    keys = None if chosen is None else chosen.weights | chosen.corpora
    return [each for each in (*models, *corpora) if keys is None or each.key in keys]
