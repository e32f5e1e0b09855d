"""Models that transformers runs, encoders and decoders alike, as an Encoder.

Windows are padded on the right under an attention mask: positions then count from the first token in every family,
causal models never see the padding, and the mask hides it from the others.

Layer 0 is the embedding layer's output as it enters the first block. The last layer is what the model gives as its
last hidden state: GPT-2, Llama, T5, Mamba and others have a final norm after their last block, and it is included.
Of an encoder-decoder model only the encoder is run.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pickle import UnpicklingError
from typing import Any

import torch

from layeratlas.extract.encoders.base import Hidden, Piece, Shape
from layeratlas.extract.encoders.hooks import HOOKS, Probe, States
from layeratlas.extract.locate import Located
from layeratlas.extract.locate.files import weight_files
from layeratlas.extract.tokens import WordTokenizer
from layeratlas.store.errors import LayeratlasError
from layeratlas.store.identity import Settings
from layeratlas.store.kinds import kind_of

_TEXT_ENCODERS = {"t5", "mt5", "umt5"}  # their encoders load without the decoder's weights
_UNUSED = ("pooler",)  # heads that no hidden state depends on: a checkpoint may lack them

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
    with _loading(located):
        remote = located.spec.trust_remote_code
        config = transformers.AutoConfig.from_pretrained(located.folder, trust_remote_code=remote)
        tokenizer = transformers.AutoTokenizer.from_pretrained(located.folder, trust_remote_code=remote)
        dtype = getattr(torch, settings.precision)
        shown = [kind for kind in kinds if kind in HOOKS and HOOKS[kind].fits(config)]
        how = {key: value for kind in shown for key, value in HOOKS[kind].loading.items()}
        model = (_control if located.spec.untrained else _trained)(located, config, dtype, how)
    encoder = model.get_encoder() if config.is_encoder_decoder and hasattr(model, "get_encoder") else model
    tokens = WordTokenizer(tokenizer, located.spec.name)
    pad = next((i for i in (tokenizer.pad_token_id, config.pad_token_id) if i is not None), 0)
    return TransformerEncoder(
        encoder.eval().to(device), tokens, name=located.spec.name, pad=pad, device=device, kinds=shown
    )


class TransformerEncoder:
    """A transformers model and its tokenizer behind the Encoder protocol."""

    def __init__(
        self, model: Any, tokens: WordTokenizer, *, name: str, pad: int, device: str, kinds: Collection[str]
    ) -> None:
        self._model, self._tokens, self._pad, self._device = model, tokens, pad, device
        title = f"{name} ({type(model).__name__})"
        shown = dict.fromkeys([_DEPTH, *kinds])
        self._hooks = {kind: HOOKS[kind](model, title) for kind in shown}
        accepted = inspect.signature(model.forward).parameters
        asked = (*(switch for hook in self._hooks.values() for switch in hook.switches), "return_dict")
        switches = {**dict.fromkeys(asked, True), "use_cache": False, "use_mems": False}
        anything = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in accepted.values())
        always = asked if anything else ()
        self._switches = {key: value for key, value in switches.items() if key in accepted or key in always}
        self._types = "token_type_ids" in accepted and tokens.prefix_types is not None
        self.pieces = tokens.pieces
        self.specials = len(tokens.prefix) + len(tokens.suffix)
        self.window = position_limit(model)
        self.shape = self._learn()

    def run(self, windows: Sequence[Sequence[Piece]], wanted: Mapping[str, Sequence[int]]) -> Hidden:
        """Run one batch; memory: every layer of the batch, for as long as the result lives."""
        shown = self._pass([list(window) for window in windows], wanted)
        chosen = {
            kind: {layer: shown[kind][layer - kind_of(kind).first_layer] for layer in layers}
            for kind, layers in wanted.items()
        }
        return Hidden(chosen, len(self._tokens.prefix))

    def _show(self, kind: str, windows: list[list[Piece]]) -> States:
        return self._pass(windows, [kind])[kind]

    def _pass(self, windows: list[list[Piece]], kinds: Iterable[str]) -> dict[str, States]:
        """Return all states of these kinds."""
        inputs = self._inputs(windows)
        with torch.inference_mode():
            output = self._model(**inputs, **self._switches)
            return {kind: self._hooks[kind].states(inputs, output) for kind in kinds}

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

    def _learn(self) -> Shape:
        """Learn from a small window what the model has of every kind."""
        window = [piece for word in self._tokens.pieces([_PROBE_WORDS])[0] for piece in word]
        blocks, units = _blocks(self._model.config), dict[str, dict[int, int]]()
        for kind, hook in self._hooks.items():
            show = partial(self._show, kind)
            probe = Probe(window, len(self._tokens.prefix), len(window) + self.specials, blocks, show)
            units[kind] = dict(enumerate(hook.learn(probe), start=kind_of(kind).first_layer))
            blocks = max(units[_DEPTH])
        parameters = sum(parameter.numel() for parameter in self._model.parameters())
        causal = any(hook.causal for hook in self._hooks.values())
        return Shape(type(self._model).__name__, max(units[_DEPTH]), parameters, units, causal)


_DEPTH = "activations"  # by which it is learned how many layers there are
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
