"""Every question of the registry as a method. `make docs` writes the methods anew; never by hand."""

from __future__ import annotations

from typing import Any, Literal

from layeratlas.queries.core.asking import Names, answer, model_layer, names
from layeratlas.queries.core.scope import Asked
from layeratlas.queries.core.table import Table
from layeratlas.queries.notebook.answer import Answer, Heatmap
from layeratlas.queries.questions import QUESTIONS
from layeratlas.store.store import Store


class Asking:
    """A store that is asked questions by name."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def _rows(self, name: str, asked: Asked, **given: Any) -> tuple[Table, int | None]:
        question = QUESTIONS[name]
        return answer(self._store, question, asked, given), None if question.limits_each_measure else asked.limit

    def _answer(self, name: str, asked: Asked, **given: Any) -> Answer:
        table, limit = self._rows(name, asked, **given)
        return Answer(table, question=name, store=self._store.title, limit=limit)

    def _heatmap(self, name: str, asked: Asked, **given: Any) -> Heatmap:
        table, limit = self._rows(name, asked, **given)
        return Heatmap(table, question=name, store=self._store.title, limit=limit)


# fmt: off
class Questions(Asking):
    """What a store can be asked: a method a question. Nothing is recomputed."""

    # [[[cog import docs._generate as g; cog.outl(g.methods()) ]]]
    def top_pairs(
        self, *, across: Literal["families", "models"] | None = None, within: str | None = None,
        layer: int | None = None, min_words: int = 0, least: bool = False, null: Literal["permuted", "drawn",
        "rotated", "untrained"] | None = None, measure: Names = None,
        kind: Literal["activations", "attention"] | None = None, model: Names = None, family: Names = None,
        corpus: str | None = None, source: str | None = None, origin: str | None = None,
        configuration: str | None = None, pooling: str | None = None, limit: int | None = 10,
    ) -> Answer:
        """The most similar layer pairs: "of a towards b", symmetric measures each pair once; limit counts a measure's.

        across: only pairs of different families or models.
        within: only pairs inside this family or model.
        layer: only pairs with this layer (of model, when given).
        min_words: only scores over at least so many words.
        least: the least similar instead.
        null: which chance to set scores against, where several were asked for.
        measure: this measure; else ckasim.
        kind: measures of this kind only.
        model: only this model, or these.
        family: only this family, or these.
        corpus: on this corpus; else the one with the most scores.
        source: own, or a name of imported results; else our own, if there are any.
        origin: own, or the name of a bundle or remote: only what this store, or that one, measured; else all.
        configuration: of the measure: default, wu2020, or as `status` names it.
        pooling: last, first, mean; of attention drop, keep-mass.
        limit: rows, at most; None for all.
        Raises LayeratlasError, by name: BadRequest, NothingYet.

        Example: store.top_pairs(across="families", measure="ckasim")
        """
        asked = Asked(
            measures=names(measure), kind=kind, models=names(model), families=names(family), corpus=corpus,
            source=source, origin=origin, configuration=configuration, pooling=pooling, limit=limit,
        )
        return self._answer("top-pairs", asked, across=across, within=within, layer=layer, min_words=min_words,
            least=least, null=null)

    def nearest(
        self, of: str, layer: int | None = None, *, null: Literal["permuted", "drawn",
        "rotated", "untrained"] | None = None, measure: Names = None,
        kind: Literal["activations", "attention"] | None = None, model: Names = None, family: Names = None,
        corpus: str | None = None, source: str | None = None, origin: str | None = None,
        configuration: str | None = None, pooling: str | None = None, limit: int | None = 5,
    ) -> Answer:
        """The layers of other models that are closest to one layer, ranked under each measure.

        of, layer: the model and its layer; or MODEL:LAYER, alone.
        null: which chance to set scores against, where several were asked for.
        measure: this measure; else ckasim.
        kind: measures of this kind only.
        model: only this model, or these.
        family: only this family, or these.
        corpus: on this corpus; else the one with the most scores.
        source: own, or a name of imported results; else our own, if there are any.
        origin: own, or the name of a bundle or remote: only what this store, or that one, measured; else all.
        configuration: of the measure: default, wu2020, or as `status` names it.
        pooling: last, first, mean; of attention drop, keep-mass.
        limit: rows, at most; None for all.
        Raises LayeratlasError, by name: BadRequest, NothingYet.

        Example: store.nearest("bert-tiny", 2)
        """
        asked = Asked(
            measures=names(measure), kind=kind, models=names(model), families=names(family), corpus=corpus,
            source=source, origin=origin, configuration=configuration, pooling=pooling, limit=limit,
        )
        return self._answer("nearest", asked, layer=model_layer(of, layer), null=null)

    def compare_pairs(
        self, *pairs: str, measure: Names = None, kind: Literal["activations", "attention"] | None = None,
        model: Names = None, family: Names = None, corpus: str | None = None, source: str | None = None,
        origin: str | None = None, configuration: str | None = None, pooling: str | None = None,
        limit: int | None = None,
    ) -> Answer:
        """Whether two layers are more similar than two others: the difference with its interval, over the same blocks.

        Four layers are a question; with more, or several measures, p is also corrected for how many are asked at once: holm
        for any mistake, fdr for the share of mistakes. Scores need intervals: `layeratlas measure intervals jackknife`.

        measure: this measure; else ckasim.
        kind: measures of this kind only.
        model: only this model, or these.
        family: only this family, or these.
        corpus: on this corpus; else the one with the most scores.
        source: own, or a name of imported results; else our own, if there are any.
        origin: own, or the name of a bundle or remote: only what this store, or that one, measured; else all.
        configuration: of the measure: default, wu2020, or as `status` names it.
        pooling: last, first, mean; of attention drop, keep-mass.
        limit: rows, at most; None for all.
        Raises LayeratlasError, by name: BadRequest, NothingYet.

        Example: store.compare_pairs("bert-tiny:2", "gpt2-tiny:2", "bert-tiny:2", "xlnet-tiny:2")
        """
        asked = Asked(
            measures=names(measure), kind=kind, models=names(model), families=names(family), corpus=corpus,
            source=source, origin=origin, configuration=configuration, pooling=pooling, limit=limit,
        )
        return self._answer("compare-pairs", asked, pairs=pairs)

    def power(
        self, *ends: str, within: float = 0.01, measure: Names = None,
        kind: Literal["activations", "attention"] | None = None, model: Names = None, family: Names = None,
        corpus: str | None = None, source: str | None = None, origin: str | None = None,
        configuration: str | None = None, pooling: str | None = None, limit: int | None = None,
    ) -> Answer:
        """Whether there are enough words for a pair of layers: its score over parts and over more, and where it settles.

        Scores need intervals: `layeratlas measure intervals jackknife`.

        within: how near to its value on all text a score is to be.
        measure: this measure; else ckasim.
        kind: measures of this kind only.
        model: only this model, or these.
        family: only this family, or these.
        corpus: on this corpus; else the one with the most scores.
        source: own, or a name of imported results; else our own, if there are any.
        origin: own, or the name of a bundle or remote: only what this store, or that one, measured; else all.
        configuration: of the measure: default, wu2020, or as `status` names it.
        pooling: last, first, mean; of attention drop, keep-mass.
        limit: rows, at most; None for all.
        Raises LayeratlasError, by name: BadRequest, NothingYet.

        Example: store.power("bert-tiny:2", "gpt2-tiny:2", measure="ckasim")
        """
        asked = Asked(
            measures=names(measure), kind=kind, models=names(model), families=names(family), corpus=corpus,
            source=source, origin=origin, configuration=configuration, pooling=pooling, limit=limit,
        )
        return self._answer("power", asked, ends=ends, within=within)

    def heatmap(
        self, *pair: str, measure: Names = None, kind: Literal["activations", "attention"] | None = None,
        model: Names = None, family: Names = None, corpus: str | None = None, source: str | None = None,
        origin: str | None = None, configuration: str | None = None, pooling: str | None = None,
        limit: int | None = None,
    ) -> Heatmap:
        """Layers × layers of two models, or of all, as blocks in the terminal or as rows.

        measure: this measure; else ckasim.
        kind: measures of this kind only.
        model: only this model, or these.
        family: only this family, or these.
        corpus: on this corpus; else the one with the most scores.
        source: own, or a name of imported results; else our own, if there are any.
        origin: own, or the name of a bundle or remote: only what this store, or that one, measured; else all.
        configuration: of the measure: default, wu2020, or as `status` names it.
        pooling: last, first, mean; of attention drop, keep-mass.
        limit: rows, at most; None for all.
        Raises LayeratlasError, by name: BadRequest, NothingYet.

        Example: store.heatmap("bert-tiny", "gpt2-tiny", measure="ckasim")
        """
        asked = Asked(
            measures=names(measure), kind=kind, models=names(model), families=names(family), corpus=corpus,
            source=source, origin=origin, configuration=configuration, pooling=pooling, limit=limit,
        )
        return self._heatmap("heatmap", asked, pair=pair)

    def models(
        self, *, measure: Names = None, kind: Literal["activations", "attention"] | None = None,
        model: Names = None, family: Names = None, corpus: str | None = None, source: str | None = None,
        origin: str | None = None, configuration: str | None = None, pooling: str | None = None,
        limit: int | None = None,
    ) -> Answer:
        """Model × model: mean similarity, of the best layers, and of layers at the same relative depth.

        measure: this measure; else ckasim.
        kind: measures of this kind only.
        model: only this model, or these.
        family: only this family, or these.
        corpus: on this corpus; else the one with the most scores.
        source: own, or a name of imported results; else our own, if there are any.
        origin: own, or the name of a bundle or remote: only what this store, or that one, measured; else all.
        configuration: of the measure: default, wu2020, or as `status` names it.
        pooling: last, first, mean; of attention drop, keep-mass.
        limit: rows, at most; None for all.
        Raises LayeratlasError, by name: BadRequest, NothingYet.

        Example: store.models(measure="neuronsim")
        """
        asked = Asked(
            measures=names(measure), kind=kind, models=names(model), families=names(family), corpus=corpus,
            source=source, origin=origin, configuration=configuration, pooling=pooling, limit=limit,
        )
        return self._answer("models", asked)

    def layers(
        self, *figures: str, measure: Names = None, kind: Literal["activations", "attention"] | None = None,
        model: Names = None, family: Names = None, corpus: str | None = None, source: str | None = None,
        origin: str | None = None, configuration: str | None = None, pooling: str | None = None,
        limit: int | None = None,
    ) -> Answer:
        """Figures of each layer alone: participation ratio, effective rank, anisotropy, dead and outlier neurons …

        All that are known, or those that are named; docs/measures.md says what they are. Where a figure was refused, the
        column `refused` says why.

        measure: this measure; else ckasim.
        kind: measures of this kind only.
        model: only this model, or these.
        family: only this family, or these.
        corpus: on this corpus; else the one with the most scores.
        source: own, or a name of imported results; else our own, if there are any.
        origin: own, or the name of a bundle or remote: only what this store, or that one, measured; else all.
        configuration: of the measure: default, wu2020, or as `status` names it.
        pooling: last, first, mean; of attention drop, keep-mass.
        limit: rows, at most; None for all.
        Raises LayeratlasError, by name: BadRequest, NothingYet.

        Example: store.layers("participation_ratio", "anisotropy", model="bert-tiny")
        """
        asked = Asked(
            measures=names(measure), kind=kind, models=names(model), families=names(family), corpus=corpus,
            source=source, origin=origin, configuration=configuration, pooling=pooling, limit=limit,
        )
        return self._answer("layers", asked, figures=figures)

    def neurons(
        self, of: str, layer: int | None = None, *, least: bool = False, each: bool = False, words: int = 0,
        measure: Names = None, kind: Literal["activations", "attention"] | None = None, model: Names = None,
        family: Names = None, corpus: str | None = None, source: str | None = None, origin: str | None = None,
        configuration: str | None = None, pooling: str | None = None, limit: int | None = 20,
    ) -> Answer:
        """The neurons of a layer by how well they are matched in other models, and by which neuron.

        `mutual`: in how many of the other models the best match, looking back at this layer, is matched by this neuron.

        of, layer: the model and its layer; or MODEL:LAYER, alone.
        least: the worst matched first.
        each: a row for the best match in every other model.
        words: words that drive each neuron most, in context: so many; read from its file.
        measure: this measure; else ckasim.
        kind: measures of this kind only.
        model: only this model, or these.
        family: only this family, or these.
        corpus: on this corpus; else the one with the most scores.
        source: own, or a name of imported results; else our own, if there are any.
        origin: own, or the name of a bundle or remote: only what this store, or that one, measured; else all.
        configuration: of the measure: default, wu2020, or as `status` names it.
        pooling: last, first, mean; of attention drop, keep-mass.
        limit: rows, at most; None for all.
        Raises LayeratlasError, by name: BadRequest, NothingYet.

        Example: store.neurons("bert-tiny", 2, words=3)
        """
        asked = Asked(
            measures=names(measure), kind=kind, models=names(model), families=names(family), corpus=corpus,
            source=source, origin=origin, configuration=configuration, pooling=pooling, limit=limit,
        )
        return self._answer("neurons", asked, layer=model_layer(of, layer), least=least, each=each, words=words)

    def heads(
        self, of: str, layer: int | None = None, *, least: bool = False, each: bool = False,
        measure: Names = None, kind: Literal["activations", "attention"] | None = None, model: Names = None,
        family: Names = None, corpus: str | None = None, source: str | None = None, origin: str | None = None,
        configuration: str | None = None, pooling: str | None = None, limit: int | None = 20,
    ) -> Answer:
        """The heads of a layer by how well they are matched in other models, and by which head.

        `mutual`: in how many of the other models the best match, looking back, is matched by this head.

        of, layer: the model and its layer; or MODEL:LAYER, alone.
        least: the worst matched first.
        each: a row for the best match in every other model.
        measure: this measure; else ckasim.
        kind: measures of this kind only.
        model: only this model, or these.
        family: only this family, or these.
        corpus: on this corpus; else the one with the most scores.
        source: own, or a name of imported results; else our own, if there are any.
        origin: own, or the name of a bundle or remote: only what this store, or that one, measured; else all.
        configuration: of the measure: default, wu2020, or as `status` names it.
        pooling: last, first, mean; of attention drop, keep-mass.
        limit: rows, at most; None for all.
        Raises LayeratlasError, by name: BadRequest, NothingYet.

        Example: store.heads("bert-tiny", 2)
        """
        asked = Asked(
            measures=names(measure), kind=kind, models=names(model), families=names(family), corpus=corpus,
            source=source, origin=origin, configuration=configuration, pooling=pooling, limit=limit,
        )
        return self._answer("heads", asked, layer=model_layer(of, layer), least=least, each=each)

    def families(
        self, *, resamples: int = 1999, seed: int = 0, measure: Names = None,
        kind: Literal["activations", "attention"] | None = None, model: Names = None, family: Names = None,
        corpus: str | None = None, source: str | None = None, origin: str | None = None,
        configuration: str | None = None, pooling: str | None = None, limit: int | None = None,
    ) -> Answer:
        """Within a family against across families: bootstrap interval over models, permutation p-value.

        Null hypothesis: a model's family has nothing to do with what it is similar to. One-sided; families are dealt
        out to the models at random. What leaves no measured pair within or across families is not counted.

        resamples: draws.
        seed: of the draws.
        measure: this measure; else ckasim.
        kind: measures of this kind only.
        model: only this model, or these.
        family: only this family, or these.
        corpus: on this corpus; else the one with the most scores.
        source: own, or a name of imported results; else our own, if there are any.
        origin: own, or the name of a bundle or remote: only what this store, or that one, measured; else all.
        configuration: of the measure: default, wu2020, or as `status` names it.
        pooling: last, first, mean; of attention drop, keep-mass.
        limit: rows, at most; None for all.
        Raises LayeratlasError, by name: BadRequest, NothingYet.

        Example: store.families(measure="ckasim")
        """
        asked = Asked(
            measures=names(measure), kind=kind, models=names(model), families=names(family), corpus=corpus,
            source=source, origin=origin, configuration=configuration, pooling=pooling, limit=limit,
        )
        return self._answer("families", asked, resamples=resamples, seed=seed)

    def clusters(
        self, *, of: Literal["models", "layers"] = "models", groups: int | None = None,
        linkage: Literal["average", "complete", "single"] = "average", copies: bool = False,
        resamples: int = 1999, seed: int = 0, measure: Names = None,
        kind: Literal["activations", "attention"] | None = None, model: Names = None, family: Names = None,
        corpus: str | None = None, source: str | None = None, origin: str | None = None,
        configuration: str | None = None, pooling: str | None = None, limit: int | None = None,
    ) -> Answer:
        """Groups that models, or layers, form by themselves; whether they are the families; a map of them.

        Hierarchical clustering; the adjusted Rand index says how well groups are families: 1, they are; 0, as by chance.
        p: how often families that are dealt out to the models at random fit as well.

        of: what is grouped.
        groups: to cut the tree into; else as many as there are families.
        linkage: how far apart groups are.
        copies: fine-tuned copies and untrained controls too.
        resamples: draws.
        seed: of the draws.
        measure: this measure; else ckasim.
        kind: measures of this kind only.
        model: only this model, or these.
        family: only this family, or these.
        corpus: on this corpus; else the one with the most scores.
        source: own, or a name of imported results; else our own, if there are any.
        origin: own, or the name of a bundle or remote: only what this store, or that one, measured; else all.
        configuration: of the measure: default, wu2020, or as `status` names it.
        pooling: last, first, mean; of attention drop, keep-mass.
        limit: rows, at most; None for all.
        Raises LayeratlasError, by name: BadRequest, NothingYet.

        Example: store.clusters(of="layers", measure="ckasim")
        """
        asked = Asked(
            measures=names(measure), kind=kind, models=names(model), families=names(family), corpus=corpus,
            source=source, origin=origin, configuration=configuration, pooling=pooling, limit=limit,
        )
        return self._answer("clusters", asked, of=of, groups=groups, linkage=linkage, copies=copies,
            resamples=resamples, seed=seed)

    def localization(
        self, *, measure: Names = None, kind: Literal["activations", "attention"] | None = None,
        model: Names = None, family: Names = None, corpus: str | None = None, source: str | None = None,
        origin: str | None = None, configuration: str | None = None, pooling: str | None = None,
        limit: int | None = 20,
    ) -> Answer:
        """For each layer: is what it shares with other models in single neurons, or spread over many?

        neuronsim minus svsim, both in standard deviations over the layer pairs that have both. A description: nothing is
        tested, there is no null hypothesis.

        measure: this measure; else ckasim.
        kind: measures of this kind only.
        model: only this model, or these.
        family: only this family, or these.
        corpus: on this corpus; else the one with the most scores.
        source: own, or a name of imported results; else our own, if there are any.
        origin: own, or the name of a bundle or remote: only what this store, or that one, measured; else all.
        configuration: of the measure: default, wu2020, or as `status` names it.
        pooling: last, first, mean; of attention drop, keep-mass.
        limit: rows, at most; None for all.
        Raises LayeratlasError, by name: BadRequest, NothingYet.

        Example: store.localization(model="bert-tiny")
        """
        asked = Asked(
            measures=names(measure), kind=kind, models=names(model), families=names(family), corpus=corpus,
            source=source, origin=origin, configuration=configuration, pooling=pooling, limit=limit,
        )
        return self._answer("localization", asked)

    def finetuning(
        self, base: str | None = None, *, measure: Names = None,
        kind: Literal["activations", "attention"] | None = None, model: Names = None, family: Names = None,
        corpus: str | None = None, source: str | None = None, origin: str | None = None,
        configuration: str | None = None, pooling: str | None = None, limit: int | None = None,
    ) -> Answer:
        """Each layer of a model's fine-tuned copies against the same layer before, and where the change sets in.

        That is the layer from which on similarity is lower, by the best single step. A description: nothing is tested,
        there is no null hypothesis.

        measure: this measure; else ckasim.
        kind: measures of this kind only.
        model: only this model, or these.
        family: only this family, or these.
        corpus: on this corpus; else the one with the most scores.
        source: own, or a name of imported results; else our own, if there are any.
        origin: own, or the name of a bundle or remote: only what this store, or that one, measured; else all.
        configuration: of the measure: default, wu2020, or as `status` names it.
        pooling: last, first, mean; of attention drop, keep-mass.
        limit: rows, at most; None for all.
        Raises LayeratlasError, by name: BadRequest, NothingYet.

        Example: store.finetuning("bert-tiny")
        """
        asked = Asked(
            measures=names(measure), kind=kind, models=names(model), families=names(family), corpus=corpus,
            source=source, origin=origin, configuration=configuration, pooling=pooling, limit=limit,
        )
        return self._answer("finetuning", asked, base=base)

    def correspondence(
        self, model_a: str | None = None, model_b: str | None = None, *, measure: Names = None,
        kind: Literal["activations", "attention"] | None = None, model: Names = None, family: Names = None,
        corpus: str | None = None, source: str | None = None, origin: str | None = None,
        configuration: str | None = None, pooling: str | None = None, limit: int | None = None,
    ) -> Answer:
        """Which layer of B matches each layer of A best, and how well when the order of layers is kept.

        A description: nothing is tested, there is no null hypothesis.

        measure: this measure; else ckasim.
        kind: measures of this kind only.
        model: only this model, or these.
        family: only this family, or these.
        corpus: on this corpus; else the one with the most scores.
        source: own, or a name of imported results; else our own, if there are any.
        origin: own, or the name of a bundle or remote: only what this store, or that one, measured; else all.
        configuration: of the measure: default, wu2020, or as `status` names it.
        pooling: last, first, mean; of attention drop, keep-mass.
        limit: rows, at most; None for all.
        Raises LayeratlasError, by name: BadRequest, NothingYet.

        Example: store.correspondence("bert-tiny", "gpt2-tiny")
        """
        asked = Asked(
            measures=names(measure), kind=kind, models=names(model), families=names(family), corpus=corpus,
            source=source, origin=origin, configuration=configuration, pooling=pooling, limit=limit,
        )
        return self._answer("correspondence", asked, model_a=model_a, model_b=model_b)

    def factors(
        self, *, resamples: int = 1999, seed: int = 0, measure: Names = None,
        kind: Literal["activations", "attention"] | None = None, model: Names = None, family: Names = None,
        corpus: str | None = None, source: str | None = None, origin: str | None = None,
        configuration: str | None = None, pooling: str | None = None, limit: int | None = None,
    ) -> Answer:
        """Which design factors explain the similarity of models: multiple regression with QAP p-values.

        Null hypothesis, of each factor: beside the others, it has nothing to do with similarity. Two-sided; models are
        exchanged.

        resamples: draws.
        seed: of the draws.
        measure: this measure; else ckasim.
        kind: measures of this kind only.
        model: only this model, or these.
        family: only this family, or these.
        corpus: on this corpus; else the one with the most scores.
        source: own, or a name of imported results; else our own, if there are any.
        origin: own, or the name of a bundle or remote: only what this store, or that one, measured; else all.
        configuration: of the measure: default, wu2020, or as `status` names it.
        pooling: last, first, mean; of attention drop, keep-mass.
        limit: rows, at most; None for all.
        Raises LayeratlasError, by name: BadRequest, NothingYet.

        Example: store.factors(measure="neuronsim")
        """
        asked = Asked(
            measures=names(measure), kind=kind, models=names(model), families=names(family), corpus=corpus,
            source=source, origin=origin, configuration=configuration, pooling=pooling, limit=limit,
        )
        return self._answer("factors", asked, resamples=resamples, seed=seed)

    def measures(
        self, *, across: Literal["families", "models"] | None = None, measure: Names = None,
        kind: Literal["activations", "attention"] | None = None, model: Names = None, family: Names = None,
        corpus: str | None = None, source: str | None = None, origin: str | None = None,
        configuration: str | None = None, pooling: str | None = None, limit: int | None = None,
    ) -> Answer:
        """How far measures agree: Spearman's rank correlation over the layer pairs that all of them have.

        across: only pairs of different families or models.
        measure: this measure; else ckasim.
        kind: measures of this kind only.
        model: only this model, or these.
        family: only this family, or these.
        corpus: on this corpus; else the one with the most scores.
        source: own, or a name of imported results; else our own, if there are any.
        origin: own, or the name of a bundle or remote: only what this store, or that one, measured; else all.
        configuration: of the measure: default, wu2020, or as `status` names it.
        pooling: last, first, mean; of attention drop, keep-mass.
        limit: rows, at most; None for all.
        Raises LayeratlasError, by name: BadRequest, NothingYet.

        Example: store.measures(across="families")
        """
        asked = Asked(
            measures=names(measure), kind=kind, models=names(model), families=names(family), corpus=corpus,
            source=source, origin=origin, configuration=configuration, pooling=pooling, limit=limit,
        )
        return self._answer("measures", asked, across=across)

    def consistency(
        self, *, tolerance: float | None = None, measure: Names = None,
        kind: Literal["activations", "attention"] | None = None, model: Names = None, family: Names = None,
        corpus: str | None = None, source: str | None = None, origin: str | None = None,
        configuration: str | None = None, pooling: str | None = None, limit: int | None = 20,
    ) -> Answer:
        """Scores that break a law that must hold: a range, a symmetry, neuronsim at most mixedsim.

        tolerance: how exact a value is; else as its source says.
        measure: this measure; else ckasim.
        kind: measures of this kind only.
        model: only this model, or these.
        family: only this family, or these.
        corpus: on this corpus; else the one with the most scores.
        source: own, or a name of imported results; else our own, if there are any.
        origin: own, or the name of a bundle or remote: only what this store, or that one, measured; else all.
        configuration: of the measure: default, wu2020, or as `status` names it.
        pooling: last, first, mean; of attention drop, keep-mass.
        limit: rows, at most; None for all.
        Raises LayeratlasError, by name: BadRequest, NothingYet.

        Example: store.consistency(source="wu2020-ewt")
        """
        asked = Asked(
            measures=names(measure), kind=kind, models=names(model), families=names(family), corpus=corpus,
            source=source, origin=origin, configuration=configuration, pooling=pooling, limit=limit,
        )
        return self._answer("consistency", asked, tolerance=tolerance)

    def disagreements(
        self, *, measure: Names = None, kind: Literal["activations", "attention"] | None = None,
        model: Names = None, family: Names = None, corpus: str | None = None, source: str | None = None,
        origin: str | None = None, configuration: str | None = None, pooling: str | None = None,
        limit: int | None = 20,
    ) -> Answer:
        """Scores of others that differ from those that stand here, by more than noise; origin says whose.

        measure: this measure; else ckasim.
        kind: measures of this kind only.
        model: only this model, or these.
        family: only this family, or these.
        corpus: on this corpus; else the one with the most scores.
        source: own, or a name of imported results; else our own, if there are any.
        origin: own, or the name of a bundle or remote: only what this store, or that one, measured; else all.
        configuration: of the measure: default, wu2020, or as `status` names it.
        pooling: last, first, mean; of attention drop, keep-mass.
        limit: rows, at most; None for all.
        Raises LayeratlasError, by name: BadRequest, NothingYet.

        Example: store.disagreements(measure="ckasim")
        """
        asked = Asked(
            measures=names(measure), kind=kind, models=names(model), families=names(family), corpus=corpus,
            source=source, origin=origin, configuration=configuration, pooling=pooling, limit=limit,
        )
        return self._answer("disagreements", asked)

    def coverage(
        self, *, measure: Names = None, kind: Literal["activations", "attention"] | None = None,
        model: Names = None, family: Names = None, corpus: str | None = None, source: str | None = None,
        origin: str | None = None, configuration: str | None = None, pooling: str | None = None,
        limit: int | None = 40,
    ) -> Answer:
        """What has been scored and what is missing, for every pair of models under every measure; the gaps first.

        measure: this measure; else ckasim.
        kind: measures of this kind only.
        model: only this model, or these.
        family: only this family, or these.
        corpus: on this corpus; else the one with the most scores.
        source: own, or a name of imported results; else our own, if there are any.
        origin: own, or the name of a bundle or remote: only what this store, or that one, measured; else all.
        configuration: of the measure: default, wu2020, or as `status` names it.
        pooling: last, first, mean; of attention drop, keep-mass.
        limit: rows, at most; None for all.
        Raises LayeratlasError, by name: BadRequest, NothingYet.

        Example: store.coverage()
        """
        asked = Asked(
            measures=names(measure), kind=kind, models=names(model), families=names(family), corpus=corpus,
            source=source, origin=origin, configuration=configuration, pooling=pooling, limit=limit,
        )
        return self._answer("coverage", asked)
    # [[[end]]]
