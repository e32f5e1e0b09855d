"""What a store still lacks: pairs without a score, as tiles. Imports no torch, so that planning takes no time."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from layeratlas.measures.declaration import Measure
from layeratlas.measures.figure import Figure
from layeratlas.measures.registry import configuration, configure, group, groups, usual_measures
from layeratlas.measures.tiles import Pair, Tile
from layeratlas.store.errors import BadRequest, unknown
from layeratlas.store.store import ArtifactRow, Store
from layeratlas.store.study import MeasureSpec
from layeratlas.store.uncertainty import NOTHING, Uncertainty

#: A figure to be: artifact (fingerprint), figure (name).
FigureKey = tuple[str, str]

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
    measures: list[Measure] = []
    for spec in specs:
        try:
            measures += _chosen(spec, kinds)
        except BadRequest as error:
            raise BadRequest(f"{spec.where}{error}") from None
    return list(dict.fromkeys(measures))


def _chosen(spec: MeasureSpec, kinds: Collection[str]) -> list[Measure]:
    """Return the measure that one request names, or those of the group that it names. Raises BadRequest."""
    if spec.group or spec.name == "all":
        name = spec.group or spec.name
        if name not in (known := groups()):
            raise BadRequest(unknown("group", name, known))
        if spec.parameters:
            raise BadRequest(f"parameters are of one measure, not of the group '{name}'")
        return group(name, kinds, spec.preset)
    measure = configure(spec.name, spec.preset, spec.parameters)
    if spec.preset not in ("default", *measure.presets):
        knowing = ", ".join(groups().get(spec.preset, ()))
        raise BadRequest(f"{spec.name} has no preset '{spec.preset}'; it is for {knowing or 'no measure here'}")
    if measure.kind not in kinds:
        raise BadRequest(
            f"{spec.name} compares {measure.kind}, and there are none: extract them, with "
            f'kinds = ["{measure.kind}"] in a study\'s [extraction], or with `layeratlas extract` and its options'
        )
    return [measure]


def plan(
    store: Store, artifacts: Sequence[ArtifactRow], measures: Sequence[Measure], *, refresh: bool = False,
    taken: Collection[Key] = frozenset(), sure: Uncertainty = NOTHING,
) -> list[Tile]:  # fmt: skip
    """Return what is missing, as tiles that have not been cut to any memory; none when everything is known.

    sure: what is asked beside scores; a score without it is missing.

    Pairs are together that lack the same configurations and share the same words. refresh: known scores too.
    taken: what somebody is at, or has done, and is left out.
    """
    tiles = []
    for kind in dict.fromkeys(measure.kind for measure in measures):
        own = [row for row in artifacts if row.kind == kind and row.damaged is None]
        asked = [configuration(measure).configuration for measure in measures if measure.kind == kind]
        names = [row.artifact for row in own]
        missing = store.missing_pairs(names, asked, known_too=refresh, beside=beside(sure))
        unscored = None if refresh or not sure.asked else _keys(store.missing_pairs(names, asked))
        groups: dict[tuple[Any, ...], list[Pair]] = {}
        for configurations, pairs in missing.items():
            for a, b in pairs:
                free = _free(configurations, own[a].artifact, own[b].artifact, taken) if taken else configurations
                if free:
                    words = frozenset((own[a].word_set, own[b].word_set))
                    is_scored = unscored is not None and not any((one, a, b) in unscored for one in free)
                    group = (own[a].corpus, own[a].words_from_tokens, words, free, is_scored)
                    groups.setdefault(group, []).append((a, b))
        tiles += [_tile(own, pairs, free, is_scored) for (*_, free, is_scored), pairs in groups.items()]
    return tiles


def _keys(missing: Mapping[tuple[str, ...], Sequence[Pair]]) -> set[tuple[str, int, int]]:
    return {(one, a, b) for configurations, pairs in missing.items() for a, b in pairs for one in configurations}


def beside(sure: Uncertainty) -> list[tuple[str, str]]:
    """Return in which tables, under which settings, the store keeps what is asked beside scores."""
    return [(one.table, one.settings) for one in sure.asked]


def missing_figures(
    store: Store, artifacts: Sequence[ArtifactRow], figures: Sequence[Figure], *, refresh: bool = False,
    taken: Collection[FigureKey] = frozenset(),
) -> list[FigureKey]:  # fmt: skip
    """Return which figures of which layers are missing, less those that are taken. refresh: known ones too."""
    known = set() if refresh or not figures else store.known_figures()
    return [
        (row.artifact, one.name)
        for row in artifacts for one in figures
        if row.damaged is None and row.kind == one.kind and (row.artifact, one.name) not in taken
        and (row.artifact, one.name, one.version, one.parameters) not in known
    ]  # fmt: skip


def _free(configurations: Sequence[str], a: str, b: str, taken: Collection[Key]) -> tuple[str, ...]:
    return tuple(one for one in configurations if not ((one, a, b) in taken or (one, b, a) in taken))


def _tile(
    rows: Sequence[ArtifactRow], pairs: Sequence[Pair], configurations: tuple[str, ...], is_scored: bool
) -> Tile:  # fmt: skip
    """Return the tile of pairs of places among these artifacts, in their order."""
    used = sorted({place for pair in pairs for place in pair})
    at = {place: index for index, place in enumerate(used)}
    indices = sorted((min(at[a], at[b]), max(at[a], at[b])) for a, b in pairs)
    artifacts = tuple(rows[place].artifact for place in used)
    return Tile(rows[used[0]].kind, artifacts, tuple(indices), configurations, is_scored=is_scored)
