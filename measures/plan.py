"""What a store still lacks: pairs without a score, as tiles. Imports no torch, so that planning takes no time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from layeratlas.measures.declaration import Measure
from layeratlas.measures.registry import configuration, configure, usual_measures
from layeratlas.measures.tiles import Tile
from layeratlas.store.errors import BadRequest
from layeratlas.store.store import ArtifactRow, Store
from layeratlas.store.study import MeasureSpec

#: A score to be: configuration, artifact, other artifact (fingerprints).
Key = tuple[str, str, str]


def chosen_measures(
    specs: Sequence[MeasureSpec], kinds: Collection[str] = ("activations",), *, preset: str = "default"
) -> list[Measure]:
    """Turn what a user asked for into measures; nothing asked is every usual measure of these kinds of artifacts.

    Raises BadRequest, naming the line, also for a measure of a kind that is not among them.
    """
    if not specs:
        return usual_measures(kinds, preset)
    measures = []
    for spec in specs:
        try:
            measures.append(configure(spec.name, spec.preset, spec.parameters))
        except BadRequest as error:
            raise BadRequest(f"{spec.where}{error}") from None
        kind = measures[-1].kind
        if kind not in kinds:
            raise BadRequest(
                f"{spec.where}{spec.name} compares {kind}, and there are none: extract them, with "
                f'kinds = ["{kind}"] in a study\'s [extraction], or with `layeratlas extract` and its options'
            )
    return measures


def plan(
    store: Store, artifacts: Sequence[ArtifactRow], measures: Sequence[Measure], *, refresh: bool = False,
    taken: Collection[Key] = frozenset(),
) -> list[Tile]:  # fmt: skip
    """Return what is missing, as tiles that have not been cut to any memory; none when everything is known.

    Pairs are together that lack the same configurations and share the same words. refresh: known scores too.
    taken: what somebody is at, or has done, and is left out.
    """
    known = {row.artifact: row for row in artifacts if row.damaged is None}
    groups: dict[tuple[Any, ...], list[tuple[str, str]]] = {}
    for kind in dict.fromkeys(measure.kind for measure in measures):
        own = [artifact for artifact, row in known.items() if row.kind == kind]
        asked = [configuration(measure).configuration for measure in measures if measure.kind == kind]
        for a, b, missing in store.missing_pairs(own, asked, known_too=refresh):
            free = tuple(one for one in missing if not ((one, a, b) in taken or (one, b, a) in taken))
            if free:
                words = tuple(sorted({known[a].word_set, known[b].word_set}))
                groups.setdefault((known[a].corpus, kind, known[a].words_from_tokens, words, free), []).append((a, b))
    return [_tile(key[1], list(known), pairs, key[-1]) for key, pairs in groups.items()]


def _tile(kind: str, known: list[str], pairs: list[tuple[str, str]], missing: tuple[str, ...]) -> Tile:
    used = {artifact for pair in pairs for artifact in pair}
    order = [artifact for artifact in known if artifact in used]
    place = {artifact: index for index, artifact in enumerate(order)}
    indices = sorted((min(place[a], place[b]), max(place[a], place[b])) for a, b in pairs)
    return Tile(kind, tuple(order), tuple(indices), missing)
