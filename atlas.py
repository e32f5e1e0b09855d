"""A store in Python: opened, asked, filled and shared. Notebooks and scripts use this; docs/python.md shows how.

What it is asked is `queries/notebook`, what it keeps of layers `stored`, what it computes `running`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from layeratlas.queries.core.ask import written_out
from layeratlas.queries.core.asking import Names, asking, names
from layeratlas.queries.core.scope import Asked
from layeratlas.queries.core.sql_box import run_sql_to_arrow
from layeratlas.queries.core.table import Table
from layeratlas.queries.notebook.answer import Answer
from layeratlas.queries.notebook.methods import Questions
from layeratlas.queries.notebook.picture import Picture
from layeratlas.store.errors import BadRequest, LayeratlasError, unknown
from layeratlas.store.store import Store, default_root, store_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from layeratlas.running import Outcome
    from layeratlas.store.progress import Progress
    from layeratlas.store.sharing.selection import Selection
    from layeratlas.store.sharing.share import Shared
    from layeratlas.store.study import Study
    from layeratlas.store.uncertainty import Uncertainty
    from layeratlas.stored import Activations, Attention, SentenceAttention

Address = str | os.PathLike[str]
MEMORY = 2 * 2**30  # bytes for the sums of one pass over the words
_FIRST = 30  # rows of scores that are shown


class Atlas(Questions):
    """An open store: ask it, fill it, share it. Nothing is created before something is written.

    Questions are its methods, `top_pairs`, `nearest`, `heatmap` and the others of `layeratlas query`; each returns an
    Answer. The catalog is open only while it is asked, so reading keeps no run waiting, and threads and forked workers
    may share a store. Errors are LayeratlasError, by name, in one line.
    """

    def __init__(self, store: Store, address: str = "", *, only_read: str = "") -> None:
        """address: where it can be opened again. only_read: what is to be said to whoever would write."""
        super().__init__(store)
        self._address, self._only_read = address or str(store.root), only_read

    def __reduce__(self) -> tuple[Any, ...]:
        """What goes to another process is the address."""
        return open, (self._address,)

    @property
    def root(self) -> Path:
        """The folder on this machine: the store itself, or the cache of one that is elsewhere."""
        return self._store.root

    # What it holds

    def status(self) -> Answer:
        """What is extracted: a row a model, corpus and kind, with its layers, words, licences."""
        from layeratlas.queries.questions.status import overview

        with asking(self._store) as catalog:
            return Answer(overview(catalog)[0], store=self._store.title)

    def activations(
        self, model: str, layer: int, *, corpus: str | None = None, pooling: str | None = None
    ) -> Activations:
        """A layer's activations, [words, neurons]; slices read only what they need.

        Raises BadRequest for an unknown name, and where several fit; NothingYet.
        """
        from layeratlas.stored import activations_of

        return activations_of(self._store, model, layer, corpus=corpus, pooling=pooling)

    def attention(
        self, model: str, layer: int, *, sentence: int, corpus: str | None = None, pooling: str | None = None
    ) -> SentenceAttention:
        """A layer's attention in one sentence, [heads, query, key], with its words. Raises as `activations` does."""
        return self.attentions(model, layer, corpus=corpus, pooling=pooling)[sentence]

    def attentions(self, model: str, layer: int, *, corpus: str | None = None, pooling: str | None = None) -> Attention:
        """A layer's attention in every sentence, read one by one. Raises as `activations` does."""
        from layeratlas.stored import attention_of

        return attention_of(self._store, model, layer, corpus=corpus, pooling=pooling)

    def attending(
        self, model: str, layer: int, head: int, *, sentence: int, corpus: str | None = None, pooling: str | None = None
    ) -> Picture:
        """The picture of what one head attends to in a sentence, and beside it the head elsewhere that matches it best.

        Raises as `activations` does; MissingPackage, once it is drawn, without matplotlib.
        """
        from layeratlas.queries.figures.attention import draw
        from layeratlas.queries.questions.attending import attending

        asked = Asked(corpus=corpus, pooling=pooling)
        with asking(self._store) as catalog:
            found = attending(catalog, asked, head=f"{model}:{layer}:{head}", sentence=sentence, store=self._store)
        return Picture(lambda: draw(found), f"{found.head.title}, sentence {sentence}")

    def scores(
        self, *, measure: Names = None, model: Names = None, family: Names = None, kind: str | None = None,
        corpus: str | None = None, source: str | None = None, configuration: str | None = None,
        pooling: str | None = None,
    ) -> Answer:  # fmt: skip
        """Every score of ordered layer pairs, with what it is of: the view `layer_pairs`, or what is named of it.

        Nothing is chosen for you: scores of several corpora, sources and configurations stand side by side.
        They are in no order. model, family: both ends are of these. Raises BadRequest for a name that no score has.
        """
        given = {"measure": measure, "kind": kind, "corpus": corpus, "source": source,
                 "configuration": configuration, "pooling": pooling}  # fmt: skip
        named: dict[tuple[str, ...], tuple[str, ...]] = {(column,): names(value) for column, value in given.items()}
        named |= {("model_a", "model_b"): names(model), ("family_a", "family_b"): names(family)}
        return self._view("Scores of ordered layer pairs", "layer_pairs", {k: v for k, v in named.items() if v})

    def sql(self, statement: str, **values: Any) -> Answer:
        """The rows of one read-only SQL statement; `values` are bound: `store.sql("… WHERE measure = $m", m="ckasim")`.

        The views are those of docs/catalog.md. Raises BadRequest in DuckDB's own words.
        """
        with asking(self._store) as catalog:
            found = run_sql_to_arrow(catalog, statement, values)
        return _answer_of(found, "", statement, self._store.title)

    def findings(self, *, origin: str | None = None) -> Answer:
        """The paper's five questions, each with a verdict computed from the catalog: a row a question.

        origin: as of all questions. seen: whether the finding is seen; None where these models cannot say.
        """
        from layeratlas.queries.questions.findings import findings

        with asking(self._store) as catalog:
            found = findings(catalog, origin=origin)
        rows = [(one.table.what, one.seen, one.verdict) for one in found]
        return Answer(Table("Findings", ("question", "seen", "verdict"), rows), store=self._store.title)

    def report(self, path: Address, *, measure: Names = None, **filters: str | None) -> Path:
        """Write everything on one HTML page, to explore in a browser; return the file.

        filters: corpus, source, configuration, origin.
        """
        from layeratlas.queries.report import gather, page

        with asking(self._store) as catalog:
            found = gather.gather(catalog, measures=names(measure), store=self._store, **filters)
        page.write(found, Path(path))
        return Path(path)

    # What fills it

    def run(self, study: Study | Address, **means: Any) -> Outcome:
        """Import, extract and measure what a study names and the store lacks; interrupted, it can be called again.

        study: a Study, a TOML file, or the name of one that ships. means: as of `layeratlas.run`.
        Raises LayeratlasError; a model that fails stops no other, and is in the outcome.
        """
        return run(study, store=self, **means)

    def extract(
        self, *models: Any, corpus: Address | Sequence[Address], tokenizer: Any = None, attention: bool = False,
        layers: Sequence[int] = (), name: str | None = None, device: str = "auto", workers: int | None = None,
        ray: str | None = None, progress: Progress | None = None, **options: Any,
    ) -> Outcome:  # fmt: skip
        """Run models over corpora; keep every layer's activations, and attention if asked for, word by word.

        models: hub ids, folders, or one transformers model in memory, with its tokenizer. corpus: a file, or several.
        options: those of `layeratlas extract`, as pooling="mean", site="mlp", storage="float16", family="bert".
        Raises LayeratlasError where no model could be extracted; one that fails stops no other.
        """
        from layeratlas import running
        from layeratlas.store.study import study_of

        store = self._writable()
        files = [corpus] if isinstance(corpus, str | os.PathLike) else list(corpus)
        paths = [_there(Path(file)) for file in files]
        executor = running.executor_of(workers, ray)
        means = running.Means(device, progress=progress or _progress(), executor=executor)
        given = {**options, "attention": attention, "layers": tuple(layers)}
        with _on_disk(models, tokenizer, name, store) as (ids, called):
            study = study_of(ids, paths, name=called, **given)
            if tokenizer is not None:  # its folder is for a moment: nobody is to look for it there
                study = replace(study, models=(replace(study.models[0], id="./(in memory)"),))
            outcome = running.extract(store, study, means)
        return _unless_all_failed(outcome)

    def measure(
        self, *measures: str, group: Names = None, preset: str = "default", model: Names = None, figures: Names = None,
        intervals: str | None = None, null: str | None = None, device: str = "auto", memory: int = MEMORY,
        refresh: bool = False, workers: int | None = None, ray: str | None = None, progress: Progress | None = None,
    ) -> Outcome:  # fmt: skip
        """Score all pairs of extracted layers that have no score yet, under the named measures or the usual ones.

        measures: as "ckasim", "gulp:lambda=0.01", "all". group: measures of a collection, as "resi". figures: of each
        layer alone. intervals, null, workers, ray: as of `run`.
        Raises NothingYet when nothing is extracted, BadRequest for an unknown name.
        """
        from layeratlas import running

        means = running.Means(
            device, memory, refresh, _sure(intervals, null), progress or _progress(),
            running.executor_of(workers, ray, memory),
        )  # fmt: skip
        return running.measure(
            self._writable(), means, names=measures, groups=names(group), preset=preset, models=names(model),
            figures=names(figures),
        )  # fmt: skip

    def add_activations(
        self, model: str, layer: int | None, array: Any, *, corpus: Address | Sequence[str], **about: Any
    ) -> Outcome:
        """Take activations that were computed elsewhere, a row a word: what `layeratlas.add_activations` does."""
        return add_activations(self, model, layer, array, corpus=corpus, **about)

    # What shares it

    @property
    def remotes(self) -> dict[str, str]:
        """Where each named remote is."""
        return self._store.settings.remotes

    def remote(self, name: str) -> Atlas:
        """Open a remote by its name. Raises BadRequest."""
        if name not in self.remotes:
            raise BadRequest(unknown("remote", name, self.remotes))
        return open(self.remotes[name])

    def add_remote(self, name: str, address: Address) -> None:
        """Keep a name for a folder, a bucket, or what fsspec opens. Raises BadRequest for a credential in it."""
        from layeratlas.store.sharing import share

        share.add_remote(self._writable(), name, os.fspath(address))

    def export(self, file: Address, *, text: bool = True, force: bool = False, **selection: Any) -> Shared:
        """Write a bundle, one file for a collaborator. text: whether the corpus's words go along.

        selection: models, corpora, layers, kinds, measures, scores_only, artifacts_only.
        """
        from layeratlas.store.sharing import share

        return share.export(
            self._store, Path(file), _selected(selection), text=text, force=force, progress=_progress()
        )  # fmt: skip

    def pull(self, address: Address, *, dry_run: bool = False, **selection: Any) -> Shared:
        """Take what this store lacks from a remote's name, a folder, a bundle or a URL; it is checked first."""
        from layeratlas.store.sharing import share

        how = share.How(dry_run=dry_run, progress=_progress())
        return share.pull(self._writable(), os.fspath(address), _selected(selection), how)

    def push(self, address: Address, *, dry_run: bool = False, **selection: Any) -> Shared:
        """Copy to a remote's name, a folder or a URL what it lacks."""
        from layeratlas.store.sharing import share

        how = share.How(dry_run=dry_run, progress=_progress())
        return share.push(self._store, os.fspath(address), _selected(selection), how)

    def __repr__(self) -> str:
        return f"layeratlas.open({self._store.title!r})"

    def _view(self, what: str, view: str, named: Mapping[tuple[str, ...], tuple[str, ...]]) -> Answer:
        """The rows of a view whose columns have these names. Raises BadRequest for a name that none has."""
        values = {columns[0]: list(wanted) for columns, wanted in named.items()}
        terms = [f"list_contains(${columns[0]}, {column})" for columns in named for column in columns]
        statement = f"FROM {view}" + (f" WHERE {' AND '.join(terms)}" if terms else "")
        with asking(self._store) as catalog:
            found = run_sql_to_arrow(catalog, statement, values)
            if not found.num_rows:
                for columns, wanted in named.items():
                    rows = catalog.execute(f"SELECT DISTINCT {columns[0]} FROM {view}").fetchall()  # noqa: S608 - ours
                    known = {row[0] for row in rows}
                    for name in set(wanted) - known:
                        raise BadRequest(unknown(columns[0].removesuffix("_a"), name, known))
        return _answer_of(found, what, written_out(statement, values), self._store.title)

    def _writable(self) -> Store:
        if self._only_read:
            raise BadRequest(self._only_read)
        return self._store


def open(address: Address | Store | None = None) -> Atlas:
    """Open a store: a folder, `s3://bucket/prefix`, a bundle (`.atlas.zip`), or a remote of the usual store, by name.

    None named is $LAYERATLAS_STORE, or ./layeratlas-data. Nothing is created before something is written. A bundle is
    checked, unpacked into this machine's cache, and only read.
    Raises BadRequest, and what a bundle that is not as it must be raises.
    """
    from layeratlas.measures.registry import VERSIONS

    if isinstance(address, Store):
        return Atlas(address)
    named = os.fspath(address) if address is not None else default_root()
    if "://" not in named and not Path(named).exists():
        named = Store(Path(default_root())).settings.remotes.get(named, named)
    if "://" not in named and Path(named).expanduser().is_file():
        return _bundle(Path(named).expanduser())
    return Atlas(store_at(named if "://" in named else Path(named).expanduser(), VERSIONS), named)


def run(
    study: Study | Address, *, store: Atlas | Store | Address | None = None, device: str = "auto",
    memory: int = MEMORY, refresh: bool = False, intervals: str | None = None, null: str | None = None,
    workers: int | None = None, ray: str | None = None, discard_activations: bool = False,
    progress: Progress | None = None,
) -> Outcome:  # fmt: skip
    """Import, extract and measure whatever a study names and the store lacks; interrupted, it can be called again.

    study: a Study, a TOML file, or the name of a study that ships with layeratlas. store: opened, or its address.
    device: `auto`, `cpu`, `cuda` …; attention is compared on the CPU. memory: bytes for the sums of one pass, of each
    worker. intervals: of every score, "jackknife" or "bootstrap:blocks=20"; null: what chance gives, "permuted" or
    "drawn".
    workers: processes that share the work; ray: do so on Ray, "local", "auto" or a cluster's address.
    discard_activations: once all is measured, remove their files; what is in the catalog stays.
    progress: who watches; else bars in a notebook or a terminal.
    Raises LayeratlasError; a model that fails does not stop the others, and is among the outcome's parts.
    """
    from layeratlas import running
    from layeratlas.store.study import Study

    named = study if isinstance(study, Study) else Path(study)
    return running.run(
        named, store=_store_of(store), device=device, memory=memory, refresh=refresh, progress=progress or _progress(),
        sure=_sure(intervals, null), executor=running.executor_of(workers, ray, memory),
        discard_activations=discard_activations,
    )  # fmt: skip


def add_activations(
    store: Atlas | Store | Address, model: str, layer: int | None, array: Any, *, corpus: Address | Sequence[str],
    corpus_name: str | None = None, ids: bool = False, progress: Progress | None = None, **about: Any,
) -> Outcome:  # fmt: skip
    """Take activations from memory into a store: what `layeratlas import-activations` does with files.

    array: [rows, neurons], or an iterator of such blocks, of one layer; [layers, rows, neurons] where layer is None.
    Rows are in the order of the corpus's words. An iterator is kept in the store's folder until it has ended.
    corpus: a file, or a list of ids, with a corpus_name; ids: the file is a list of ids. about: family, finetuned_from,
    objective, pooling, storage.
    Raises BadRequest for a name that is taken, LayeratlasError, naming the row that is not the corpus's or no number.
    """
    from layeratlas import running

    rows = os.fspath(corpus) if isinstance(corpus, os.PathLike) else corpus
    return running.add_activations(
        _store_of(store), model, layer, array, corpus=rows, corpus_name=corpus_name, ids=ids,
        progress=progress or _progress(), **about,
    )  # fmt: skip


def _sure(intervals: str | None, null: str | None) -> Uncertainty:
    from layeratlas.store.uncertainty import Uncertainty, intervals_of, nulls_of

    return Uncertainty.of(
        None if intervals is None else intervals_of(intervals), None if null is None else nulls_of(null)
    )  # fmt: skip


def _store_of(store: Atlas | Store | Address | None) -> Store:
    return store._writable() if isinstance(store, Atlas) else open(store)._writable()


def _bundle(file: Path) -> Atlas:
    """Open a bundle: take it into a store of this machine's cache, which its content names, once."""
    from layeratlas.measures.registry import VERSIONS
    from layeratlas.store.sharing import share
    from layeratlas.store.sharing.bundle import Bundle
    from layeratlas.store.sharing.selection import Selection
    from layeratlas.store.sharing.side import cache_folder

    content = hashlib.sha256(Bundle(file).manifest_bytes).hexdigest()
    store = Store(cache_folder(f"bundle {content}"), VERSIONS)
    whole = store.root / "whole"
    with store.lock("bundle"):
        if not whole.exists():
            share.import_bundle(store, file, Selection(), share.How(progress=_progress()))
            whole.touch()
    said = f"{file.name} is a bundle and is only read: `layeratlas import {file.name} --store DIR`, or .pull, takes it"
    return Atlas(store, str(file), only_read=f"{said} into a store")


def _answer_of(found: pa.Table, what: str, statement: str, store: str) -> Answer:
    columns = tuple(found.column_names)
    first = [tuple(row) for row in zip(*(column.to_pylist() for column in found.slice(0, _FIRST).columns), strict=True)]
    return Answer(Table(what, columns, first, sql=statement), store=store, columns=found)


def _selected(selection: Mapping[str, Any]) -> Selection:
    from layeratlas.store.sharing.selection import Selection

    known = [field.name for field in fields(Selection)]
    for name in selection:
        if name not in known:
            raise BadRequest(unknown("selection", name, known))
    lists: dict[str, Any] = {
        name: (value,) if isinstance(value, str) else value if isinstance(value, bool) else tuple(value)
        for name, value in selection.items()
    }
    return Selection(**lists)


@contextmanager
def _on_disk(
    models: Sequence[Any], tokenizer: Any, name: str | None, store: Store
) -> Iterator[tuple[list[str], str | None]]:
    """Give ids of models, and a name; a model in memory gets a folder for the length of the block.

    So it is what its files would be: the same identity as when it is saved and named.
    """
    if all(isinstance(model, str | os.PathLike) for model in models):
        if tokenizer is not None:
            raise BadRequest("a tokenizer goes with a model in memory; a folder or a hub id has its own")
        yield [os.fspath(model) for model in models], name
        return
    if len(models) != 1 or not hasattr(models[0], "save_pretrained"):
        raise BadRequest("expected ids or folders of models, or one transformers model in memory")
    if not hasattr(tokenizer, "save_pretrained"):
        raise BadRequest("a model in memory needs its tokenizer: extract(model, tokenizer=tokenizer, corpus=…)")
    from layeratlas.store.study import model_name

    called = name or model_name(str(getattr(models[0], "name_or_path", "") or ""))
    if not called:
        raise BadRequest('a model in memory needs a name: extract(model, tokenizer=tokenizer, name="mine", corpus=…)')
    store.root.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="model-in-memory-", dir=store.root) as folder:
        models[0].save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        yield [folder], called


def _there(path: Path) -> Path:
    if not path.exists():
        raise BadRequest(f"there is no corpus {path}")
    return path


def _unless_all_failed(outcome: Outcome) -> Outcome:
    from layeratlas.extract.runner import Summary

    for part in outcome.parts:
        if isinstance(part, Summary) and part.failures and not (part.written or part.adopted):
            raise LayeratlasError("; ".join(f"{one.model} over {one.corpus}: {one.reason}" for one in part.failures))
    return outcome


def _progress() -> Progress:
    from layeratlas.queries.notebook.progress import progress_here

    return progress_here()
