"""Models that transformers runs, encoders and decoders alike, as an Encoder.

Windows are padded on the right under an attention mask: positions then count from the first token in every family,
causal models never see the padding, and the mask hides it from the others.

Layer 0 is the embedding layer's output as it enters the first block. The last layer is what the model gives as its
last hidden state: GPT-2, Llama, T5, Mamba and others have a final norm after their last block, and it is included.
Of an encoder-decoder the encoder is run, or with `part = "decoder"` both on the same sentence: each token of the
decoder then sees those before it, and the whole sentence through the encoder.
"""

from __future__ import annotations

import inspect
from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from layeratlas.extract.encoders.adapting import adapted, require_peft
from layeratlas.extract.encoders.base import Hidden, Piece, Shape
from layeratlas.extract.encoders.footprint import Footprint
from layeratlas.extract.encoders.hooks import HOOKS, Hook, Probe, States, text_config
from layeratlas.extract.encoders.loading import Source, loading, prepare, source_of, unusable
from layeratlas.extract.encoders.probing import lengthened, together
from layeratlas.extract.encoders.rehearsal import rehearse
from layeratlas.extract.encoders.sites import sites_of
from layeratlas.extract.foreign import foreign
from layeratlas.extract.locate import Located
from layeratlas.extract.memory import available
from layeratlas.extract.tokens import WordTokenizer
from layeratlas.store.errors import AttentionMissing, BadRequest, LayeratlasError
from layeratlas.store.identity import Settings, Site
from layeratlas.store.kinds import kind_of

#: model_type → family, where the literature has another name for it; all others are called as their configuration does.
FAMILIES = {
    "openai-gpt": "gpt", "gpt_neox": "gpt-neox", "gpt_neo": "gpt-neo", "deberta-v2": "deberta",
    "xlm-roberta": "roberta",
}  # fmt: skip


def load(located: Located, settings: Settings, device: str, kinds: Collection[str]) -> TransformerEncoder:
    """Load a transformers model for extraction. Raises LayeratlasError when its files do not allow it."""
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    require_peft(located)
    with loading(located):
        prepare(located.model_type)
    with source_of(located) as source:
        dtype = getattr(torch, settings.precision)
        refused = rehearse(located, source, dtype)
        if refused is not None:
            raise unusable(located, refused)
        with loading(located):
            config, tokenizer = source.config(), source.tokenizer()
            tokens = WordTokenizer(tokenizer, located.spec.name)
            shown = [kind for kind in kinds if kind in HOOKS and HOOKS[kind].fits(config)]
            how = {key: value for kind in shown for key, value in HOOKS[kind].loading.items()}
            if located.spec.part is not None and not config.is_encoder_decoder:
                raise BadRequest(f"{located.spec.name} is no encoder-decoder: leave part out")
            model = _model(located, source, config, dtype, how)
            model = adapted(model, located) if located.adapter else model
            if model.config.is_encoder_decoder and not source.decoder and hasattr(model, "get_encoder"):
                model = _encoder_of(model)
            pad = next((i for i in (tokenizer.pad_token_id, getattr(config, "pad_token_id", None)) if i is not None), 0)
            model = model.eval().to(device)
    encoder = TransformerEncoder(
        model, tokens, name=located.spec.name, pad=pad, device=device, kinds=shown, decoder=source.decoder,
        site=settings.site,
    )  # fmt: skip
    if source.ignored:
        encoder.shape = replace(encoder.shape, remarks=(*encoder.shape.remarks, source.ignored))
    return encoder


def _encoder_of(model: Any) -> Any:
    """Return the encoder of an encoder-decoder; some do not know their own configuration (FSMT)."""
    encoder = model.get_encoder()
    if not hasattr(encoder, "config"):
        encoder.config = model.config
    return encoder


def _model(located: Located, source: Source, config: Any, dtype: torch.dtype, how: dict[str, str]) -> Any:
    if located.spec.untrained:
        return source.control(config, located.spec.seed, dtype, how)
    return source.trained(config, dtype, how)


class TransformerEncoder:
    """A transformers model and its tokenizer behind the Encoder protocol."""

    def __init__(
        self, model: Any, tokens: WordTokenizer, *, name: str, pad: int, device: str, kinds: Collection[str],
        decoder: bool = False, site: Site = "block",
    ) -> None:  # fmt: skip
        """`decoder`: of an encoder-decoder, its decoder's states are meant. site: what activations are of."""
        self._model, self._tokens, self._pad, self._device, self._decoder = model, tokens, pad, device, decoder
        self._title = f"{name} ({type(model).__name__})"
        self._asked, shown = list(kinds), dict.fromkeys([_DEPTH, *kinds])
        hooks: dict[str, type[Hook]] = {**HOOKS, _DEPTH: sites_of(site)}
        self._hooks = {kind: hooks[kind](model, self._title) for kind in shown}
        self._draws = False
        accepted = inspect.signature(model.forward).parameters
        asked = (*(switch for hook in self._hooks.values() for switch in hook.switches), "return_dict")
        switches = {**dict.fromkeys(asked, True), "use_cache": False, "use_mems": False}
        anything = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in accepted.values())
        always = asked if anything else ()
        self._switches = {key: value for key, value in switches.items() if key in accepted or key in always}
        self._types = "token_type_ids" in accepted and tokens.prefix_types is not None
        self.pieces, self.unknown, self.cls = tokens.pieces, tokens.unknown, tokens.cls
        self._embedded = _embedded(model, self._title)
        self.specials = len(tokens.prefix) + len(tokens.suffix)
        self.window = position_limit(model)
        self.shape = self._learn()

    def run(self, windows: Sequence[Sequence[Piece]], wanted: Mapping[str, Sequence[int]]) -> Hidden:
        """Run one batch; memory: every layer of the batch, for as long as the result lives."""
        shown = self._pass([list(window) for window in windows], wanted)
        chosen = {
            kind: {layer: shown[kind][layer - self._first_layer(kind)] for layer in layers}
            for kind, layers in wanted.items()
        }
        return Hidden(chosen, len(self._tokens.prefix))

    def _first_layer(self, kind: str) -> int:
        own = self._hooks[kind].first_layer
        return kind_of(kind).first_layer if own is None else own

    def most_tokens(self, window: int | None) -> int | None:
        """Return the most tokens that there is memory for in one pass; None when any window that is allowed fits."""
        sizes = [size for size in (self.window, window) if size is not None]
        if sizes and min(sizes) <= _SMALL:
            return None
        free = available(self._device)
        if free is None:
            return None
        try:
            footprint = Footprint(self._model, self._run_alone)
        except (RuntimeError, NotImplementedError, TypeError):  # a model that cannot be watched
            return None
        longest = min(sizes, default=2**22)
        most = bisect_right(range(longest + 1), free, key=footprint.bytes) - 1
        return None if most >= longest else most

    def _run_alone(self, tokens: int) -> object:
        piece = self._tokens.pieces([_PROBE_WORDS[:1]])[0][0][0]
        return self._model(**self._inputs([[piece] * (tokens - self.specials)]), **self._switches)

    def _show(self, kind: str, windows: list[list[Piece]]) -> States:
        return self._pass(windows, [kind])[kind]

    def _pass(self, windows: list[list[Piece]], kinds: Iterable[str], *, seed: int = 0) -> dict[str, States]:
        """Return all states of these kinds. seed: of the random generator, for models that draw when they run.

        Raises LayeratlasError for whatever the model's own code raises.
        """
        inputs = self._inputs(windows)
        with foreign(self._cannot_be_run), torch.inference_mode():
            if self._draws or seed:
                with torch.random.fork_rng():
                    torch.manual_seed(seed)
                    output = self._model(**inputs, **self._switches)
            else:
                output = self._model(**inputs, **self._switches)
        shown = _Decoded(output) if self._decoder else output
        with torch.inference_mode():
            return {kind: self._hooks[kind].states(inputs, shown) for kind in kinds}

    def _cannot_be_run(self, reason: str) -> str:
        others = [name for name in inspect.signature(self._model.forward).parameters if name in _NOT_TEXT]
        return f"{self._title} cannot be run{f' on text alone, it takes {others[0]}' if others else ''}: {reason}"

    def _inputs(self, windows: list[list[Piece]]) -> dict[str, torch.Tensor]:  # each [windows, tokens]
        tokens = self._tokens
        full = [[*tokens.prefix, *window, *tokens.suffix] for window in windows]
        self._require_embedded(full)
        longest = max(map(len, full))
        inputs = {
            "input_ids": [ids + [self._pad] * (longest - len(ids)) for ids in full],
            "attention_mask": [[1] * len(ids) + [0] * (longest - len(ids)) for ids in full],
        }
        if self._types and tokens.prefix_types is not None and tokens.suffix_types is not None:
            types = [[*tokens.prefix_types, *[0] * len(window), *tokens.suffix_types] for window in windows]
            inputs["token_type_ids"] = [row + [0] * (longest - len(row)) for row in types]
        if self._decoder:  # it sees the sentence up to each token, and all of it through the encoder
            inputs |= {f"decoder_{key}": inputs[key] for key in ("input_ids", "attention_mask")}
        return {key: torch.tensor(value, device=self._device) for key, value in inputs.items()}

    def _require_embedded(self, windows: list[list[Piece]]) -> None:
        largest = max(max(window, default=0) for window in windows)
        if self._embedded is not None and largest >= self._embedded:
            raise LayeratlasError(
                f"{self._title} has embeddings of {self._embedded:,} tokens, its tokenizer gives token {largest:,}: "
                "the tokenizer's files are another model's"
            )

    def _learn(self) -> Shape:
        """Learn from small windows what the model has of every kind, and which windows may share a batch."""
        window = [piece for word in self._tokens.pieces([_PROBE_WORDS])[0] for piece in word]
        if self.window is not None:
            window = window[: max(2, self.window - self.specials)]
        long = lengthened(window, self._room)
        blocks, units, absent = _blocks(self._model.config, self._decoder), dict[str, dict[int, int]](), {}
        for kind, hook in self._hooks.items():
            show = partial(self._show, kind)
            probe = Probe(window, long, len(self._tokens.prefix), len(window) + self.specials, blocks, show)
            try:
                units[kind] = dict(enumerate(hook.learn(probe), start=self._first_layer(kind)))
            except AttentionMissing as error:
                absent[kind] = str(error)
            blocks = max(units[_DEPTH])
        if absent and not set(self._asked) & units.keys():
            raise AttentionMissing(f'{next(iter(absent.values()))}: extract it with kinds = ["activations"]')
        parameters = sum(parameter.numel() for parameter in self._model.parameters())
        causal = any(hook.causal for hook in self._hooks.values())
        shape = Shape(type(self._model).__name__, max(units[_DEPTH]), parameters, units, causal, absent=absent)
        return self._apart(shape, window)

    @property
    def _room(self) -> int | None:
        return None if self.window is None else self.window - self.specials

    def _apart(self, shape: Shape, window: list[Piece]) -> Shape:
        """Find out which windows may share a batch."""
        found = together(
            lambda given, seed: self._pass(given, shape.units, seed=seed), window, self._room, self.specials
        )
        self._draws = found.draws
        return replace(shape, batching=found.batching, remarks=found.remarks(shape.architecture))


#: What models are given that is no text, as transformers calls it.
_NOT_TEXT = (
    "pixel_values", "pixel_values_videos", "input_features", "input_values", "audio_values", "past_values", "bbox",
    "inputs_embeds_image", "grid_thw", "query_embeds", "image_embeds",
)  # fmt: skip
_SMALL = 1024  # tokens: no model needs much memory for so many
_DEPTH = "activations"  # by which it is learned how many layers there are
_PROBE_WORDS = ("The", "cats", "saw", "dogs", ",", "too")


def position_limit(model: Any) -> int | None:
    """Return the most tokens that a model has positions for, None when its positions are relative or it has none.

    RoBERTa and its kin start counting behind the padding's id: as many positions less.
    """
    config = text_config(model.config)
    limit = getattr(config, "max_position_embeddings", None)
    if not isinstance(limit, int) or limit <= 0 or getattr(config, "position_biased_input", True) is False:
        return None
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            return limit - int(module.padding_idx) - 1
    return limit


def _blocks(config: Any, decoder: bool) -> int | None:
    names = ("num_decoder_layers", "decoder_layers", "num_hidden_layers") if decoder else ("num_hidden_layers",)
    found = [getattr(text_config(config), name, None) for name in names]
    return next((blocks for blocks in found if isinstance(blocks, int)), None)


def _embedded(model: Any, title: str) -> int | None:
    """Return how many tokens have an embedding; None where the model has no plain table of them."""
    with foreign(lambda reason: f"{title} does not say which its embeddings are: {reason}"):
        try:
            table = model.get_input_embeddings()
        except (NotImplementedError, AttributeError):
            return None
    return table.num_embeddings if isinstance(table, torch.nn.Embedding) else None


class _Decoded:
    """What a forward pass shows of the decoder, under the names that encoders have for it."""

    def __init__(self, output: Any) -> None:
        self.hidden_states = getattr(output, "decoder_hidden_states", None)
        self.attentions = getattr(output, "decoder_attentions", None)
        self.last_hidden_state = output.last_hidden_state
