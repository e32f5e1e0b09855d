"""Models that transformers runs, encoders and decoders alike, as an Encoder.

Windows are padded on the right under an attention mask: positions then count from the first token in every family,
causal models never see the padding, and the mask hides it from the others.

Layer 0 is the embedding layer's output as it enters the first block. The last layer is what the model gives as its
last hidden state: GPT-2, Llama, T5, Mamba and others have a final norm after their last block, and it is included.
Of an encoder-decoder model only the encoder is run.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pickle import UnpicklingError
from typing import Any

import torch

from layeratlas.extract.encoder import Hidden, Piece, Shape
from layeratlas.extract.models import Located, weight_files
from layeratlas.extract.tokens import WordTokenizer
from layeratlas.store.errors import AttentionMissing, BadRequest, LayeratlasError
from layeratlas.store.identity import Settings

_TEXT_ENCODERS = {"t5", "mt5", "umt5"}  # their encoders load without the decoder's weights
_UNUSED = ("pooler",)  # heads that no hidden state depends on: a checkpoint may lack them


def load(located: Located, settings: Settings, device: str, attention: bool = False) -> TransformerEncoder:
    """Load a transformers model for extraction. Raises LayeratlasError when its files do not allow it."""
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    with _loading(located):
        remote = located.spec.trust_remote_code
        config = transformers.AutoConfig.from_pretrained(located.folder, trust_remote_code=remote)
        tokenizer = transformers.AutoTokenizer.from_pretrained(located.folder, trust_remote_code=remote)
        dtype = getattr(torch, settings.precision)
        attention = attention and _has_attention(config)
        how = {"attn_implementation": "eager"} if attention else {}  # sdpa and flash never make the weights
        model = (_control if located.spec.untrained else _trained)(located, config, dtype, how)
    encoder = model.get_encoder() if config.is_encoder_decoder and hasattr(model, "get_encoder") else model
    tokens = WordTokenizer(tokenizer, located.spec.name)
    pad = next((i for i in (tokenizer.pad_token_id, config.pad_token_id) if i is not None), 0)
    return TransformerEncoder(
        encoder.eval().to(device), tokens, name=located.spec.name, pad=pad, device=device, attention=attention
    )


class TransformerEncoder:
    """A transformers model and its tokenizer behind the Encoder protocol."""

    def __init__(
        self, model: Any, tokens: WordTokenizer, *, name: str, pad: int, device: str, attention: bool = False
    ) -> None:
        self._model, self._tokens, self._name, self._pad, self._device = model, tokens, name, pad, device
        accepted = inspect.signature(model.forward).parameters
        switches = {"output_hidden_states": True, "return_dict": True, "use_cache": False, "use_mems": False}
        always: tuple[str, ...] = ()
        if attention:
            switches["output_attentions"] = True
        if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in accepted.values()):
            always = ("output_hidden_states", "return_dict", "output_attentions")
        self._switches = {key: value for key, value in switches.items() if key in accepted or key in always}
        self._types = "token_type_ids" in accepted and tokens.prefix_types is not None
        self.pieces = tokens.pieces
        self.specials = len(tokens.prefix) + len(tokens.suffix)
        self.window = position_limit(model)
        self._embeds_apart = False
        self.shape = self._probe()
        if attention:
            self.shape = replace(self.shape, **self._probe_attention())

    def run(self, windows: Sequence[Sequence[Piece]], layers: Sequence[int], attention: Sequence[int] = ()) -> Hidden:
        """Run one batch; memory: every layer of the batch, for as long as the result lives."""
        with torch.inference_mode():
            states, weights = self._pass([list(window) for window in windows])
        found = {layer: weights[layer - 1] for layer in attention}
        return Hidden({layer: states[layer] for layer in layers}, len(self._tokens.prefix), found)

    def _states(self, windows: list[list[Piece]]) -> tuple[torch.Tensor, ...]:  # each [windows, tokens, neurons]
        """Return every layer, the embeddings first."""
        return self._pass(windows)[0]

    def _pass(self, windows: list[list[Piece]]) -> tuple[tuple[torch.Tensor, ...], tuple[torch.Tensor, ...]]:
        """Return every layer's states, the embeddings first, and every block's attention, if the model shows it."""
        inputs = self._inputs(windows)
        output = self._model(**inputs, **self._switches)
        states = output.hidden_states
        if not states:
            raise LayeratlasError(f"{self._name} ({type(self._model).__name__}) gives no hidden states in transformers")
        if self._embeds_apart:  # [block 1, …, block L, final norm]: the normed one is the last block's, as elsewhere
            states = (self._model.get_input_embeddings()(inputs["input_ids"]), *states[:-2], states[-1])
        weights = output.attentions if "output_attentions" in self._switches else ()
        return tuple(states), tuple(_one_stream(block) for block in weights or ())

    def _inputs(self, windows: list[list[Piece]]) -> dict[str, torch.Tensor]:  # each [windows, tokens]
        tokens = self._tokens
        full = [[*tokens.prefix, *window, *tokens.suffix] for window in windows]
        longest = max(map(len, full))
        inputs = {
            "input_ids": [ids + [self._pad] * (longest - len(ids)) for ids in full],
            "attention_mask": [[1] * len(ids) + [0] * (longest - len(ids)) for ids in full],
        }
        if self._types and tokens.prefix_types is not None and tokens.suffix_types is not None:
            types = [[*tokens.prefix_types, *[0] * len(window), *tokens.suffix_types] for window in windows]
            inputs["token_type_ids"] = [row + [0] * (longest - len(row)) for row in types]
        return {key: torch.tensor(value, device=self._device) for key, value in inputs.items()}

    def _probe(self) -> Shape:
        """Learn the layers from two small windows, and whether the first of them is the embeddings.

        Embeddings do not depend on other tokens. A first hidden state that does is the first block's output (Mamba in
        transformers): the embeddings are then taken from the embedding table.
        """
        first, second, *rest = (piece for word in self._tokens.pieces([_PROBE_WORDS])[0] for piece in word)
        with torch.inference_mode():
            states = self._states([[first, second, *rest], [second, second, *rest]])
        blocks = _blocks(self._model.config)
        if blocks is not None and len(states) != blocks + 1:
            raise LayeratlasError(
                f"{self._name} ({type(self._model).__name__}) gives {len(states)} hidden states for {blocks} blocks: "
                f"expected {blocks + 1}, the embeddings and one a block"
            )
        last = len(self._tokens.prefix) + len(rest) + 1
        self._embeds_apart = not torch.equal(states[0][0, last], states[0][1, last])
        if self._embeds_apart:
            with torch.inference_mode():
                states = self._states([[first, second, *rest]])
        parameters = sum(parameter.numel() for parameter in self._model.parameters())
        return Shape(type(self._model).__name__, tuple(state.shape[-1] for state in states), parameters)

    def _probe_attention(self) -> dict[str, Any]:
        """Learn the heads of every block, and whether a token sees later ones, from one small window."""
        window = [piece for word in self._tokens.pieces([_PROBE_WORDS])[0] for piece in word]
        with torch.inference_mode():
            weights = self._pass([window])[1]
        tokens = len(window) + self.specials
        for block, own in enumerate(weights, start=1):
            if own is None or own.ndim != 4 or own.shape[2:] != (tokens, tokens):
                got = "none" if own is None else list(own.shape)
                raise AttentionMissing(
                    f"{self._name} ({type(self._model).__name__}) gives no attention [windows, heads, {tokens}, "
                    f'{tokens}] in block {block}, but {got}: extract it with kinds = ["activations"]'
                )
        if len(weights) != self.shape.layers:
            raise AttentionMissing(
                f"{self._name} ({type(self._model).__name__}) gives attention of {len(weights)} blocks, expected "
                f'{self.shape.layers}: extract it with kinds = ["activations"]'
            )
        later = (own.triu(diagonal=1) for own in weights)
        return {"heads": tuple(own.shape[1] for own in weights), "causal": not any(part.any() for part in later)}


_PROBE_WORDS = ("The", "cats", "saw", "dogs", ",", "too")


def position_limit(model: Any) -> int | None:
    """Return the most tokens that a model has positions for, None when its positions are relative or it has none.

    RoBERTa and its kin start counting behind the padding's id: as many positions less.
    """
    config = model.config
    limit = getattr(config, "max_position_embeddings", None)
    if not isinstance(limit, int) or limit <= 0 or getattr(config, "position_biased_input", True) is False:
        return None
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            return limit - int(module.padding_idx) - 1
    return limit


def _has_attention(config: Any) -> bool:
    """Whether an architecture has attention at all: Mamba, for one, has not."""
    return bool(getattr(config, "num_attention_heads", None))


def _one_stream(block: Any) -> Any:
    """XLNet with two streams gives a pair a block: the content's comes first."""
    return block[0] if isinstance(block, tuple | list) else block


def _blocks(config: Any) -> int | None:
    blocks = getattr(config, "num_hidden_layers", None)
    return blocks if isinstance(blocks, int) else None


@contextmanager
def _loading(located: Located) -> Iterator[None]:
    """Say in one line what the libraries raise for files that they cannot load."""
    from safetensors import SafetensorError

    try:
        yield
    except UnpicklingError as error:
        reason = "its pickled weights hold more than weights: convert them to safetensors"
        raise _unusable(located, reason) from error
    except (OSError, ValueError, ImportError, KeyError, RuntimeError, SafetensorError) as error:
        raise _unusable(located, str(error) or type(error).__name__) from error
    except Exception as error:
        if type(error) is not Exception:  # what the tokenizers library raises for a broken tokenizer.json
            raise
        raise _unusable(located, str(error) or type(error).__name__) from error


def _unusable(located: Located, reason: str) -> LayeratlasError:
    reason = " ".join(reason.split())
    return LayeratlasError(f"{located.spec.name} cannot be loaded from {located.folder}: {reason[:400]}")


def _auto(config: Any) -> Any:
    import transformers

    return transformers.AutoModelForTextEncoding if config.model_type in _TEXT_ENCODERS else transformers.AutoModel


def _trained(located: Located, config: Any, dtype: torch.dtype, how: dict[str, str]) -> Any:
    safe = any(file.suffix == ".safetensors" for file in weight_files(located.folder))
    model, report = _auto(config).from_pretrained(
        located.folder, config=config, dtype=dtype, use_safetensors=safe, weights_only=True, output_loading_info=True,
        trust_remote_code=located.spec.trust_remote_code, **how,
    )  # fmt: skip
    missing = sorted(key for key in report["missing_keys"] if not any(part in key for part in _UNUSED))
    if missing:
        raise ValueError(
            f"the checkpoint lacks {len(missing)} of the model's weights ({', '.join(missing[:3])}, …), which would be "
            "random: take a whole checkpoint, or set untrained = true"
        )
    return model


def _control(located: Located, config: Any, dtype: torch.dtype, how: dict[str, str]) -> Any:
    """Initialise at random, from the seed alone; the caller's random state stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(located.spec.seed)
        model = _auto(config).from_config(
            config, dtype=torch.float32, trust_remote_code=located.spec.trust_remote_code, **how
        )
    for parameter in model.parameters():  # buffers, such as rotary frequencies, keep their precision
        parameter.data = parameter.data.to(dtype)
    return model


def resolve_device(device: str) -> str:
    """Return the device meant by `auto`; refuse one that torch does not have. Raises BadRequest."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise BadRequest(
            f"there is no device '{device}' here ({str(error).splitlines()[0]}): use cpu or auto"
        ) from None
    return device
