"""Forgetting: a name is a line in the log, from which on all that was written of it before is no longer heeded.

Nothing is deleted: what is extracted, measured or imported anew afterwards counts again.
"""

from __future__ import annotations

from typing import Any

from layeratlas.store.errors import BadRequest, unknown
from layeratlas.store.provenance import now
from layeratlas.store.store import Store

#: What may be forgotten: how its name is found, and the key that the log knows it by.
_NAMED = {
    "model": "SELECT DISTINCT name, weights FROM base.models",
    "corpus": "SELECT DISTINCT name, corpus FROM base.corpora",
    "measure": "SELECT DISTINCT measure, measure FROM base.configurations",
    "figure": "SELECT DISTINCT figure, figure FROM base.figures",
    "source": "SELECT DISTINCT source, source FROM base.sources",
}


def forget(store: Store, name: str) -> str:
    """Forget the model, corpus, measure, figure or source of this name; return what was forgotten as a line.

    A name that stands for several needs `model:NAME` or the like. Raises BadRequest.
    """
    what, _, rest = name.partition(":")
    chosen = {what: _NAMED[what]} if what in _NAMED and rest else _NAMED
    wanted = rest if len(chosen) == 1 else name
    known = {kind: store.rows(sql) for kind, sql in chosen.items()}
    found = [(kind, key) for kind, rows in known.items() for title, key in rows if title == wanted]
    if not found:
        raise BadRequest(unknown("name", wanted, {title for rows in known.values() for title, _ in rows}))
    kinds = sorted({kind for kind, _ in found})
    if len(kinds) > 1:
        raise BadRequest(f"'{wanted}' is a {' and a '.join(kinds)}: say {' or '.join(f'{k}:{wanted}' for k in kinds)}")
    before: Any = now()
    scores = _scores(store)
    with store.run(device="none", threads=1):
        store.write("forgotten", [{"what": kind, "key": key, "before": before} for kind, key in found])
        store.merge()
    gone = f"{scores - _scores(store):,} scores"
    return f"forgot the {kinds[0]} {wanted}, and {gone} with it; its files stay until `layeratlas gc --yes`"


def _scores(store: Store) -> int:
    rows = store.rows("SELECT count(*) FROM base.scores")
    return int(rows[0][0]) if rows else 0
