"""A model, its objective and its text, put together for one entry of the zoo."""

import copy
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoTokenizer,
    BertConfig,
    GPT2Config,
    LlamaConfig,
    PreTrainedTokenizerFast,
    XLNetConfig,
    XLNetLMHeadModel,
)

from layeratlas.extract.encoders import elmo
from zoo import text
from zoo.layers import save_reference
from zoo.objectives import BothDirections, MaskedWords, Model, NextWord, Objective, Permutation
from zoo.specs import POSITIONS, Base
from zoo.starts import basis, look_at_neighbours, shift, waves
from zoo.streams import Stream, frequent_words, lexicon, piece_stream, word_stream
from zoo.text import Words
from zoo.vocabularies import train_tokenizer

_ELMO_WORDS = 4096
# Wider than the usual 0.02, which suits widths near 768: weights of 1/sqrt(width) size start to learn sooner.
_INITIAL = 0.05
# Four to eight visits to the text do not overfit models this small: the validation loss falls to the last steps.
# Drawing the random numbers of dropout was a fifth of a step's time, better spent on more steps.
_NO_DROPOUT = 0.0
# What transformers writes into a tokenizer's settings about how it was loaded here.
_ORIGIN_NOTES = ("is_local", "local_files_only")


@dataclass(frozen=True)
class Learner:
    """Everything one base model learns with. `tokenizer` is None for ELMo, which spells its words itself."""

    base: Base
    model: Model
    tokenizer: PreTrainedTokenizerFast | None
    objective: Objective
    vocabulary: int

    def stream(self, sentences: list[Words]) -> Stream:
        """Sentences as the model reads them."""
        if self.tokenizer is not None:
            return piece_stream(self.tokenizer, sentences)
        return word_stream(_all_words(tuple(self.model.vocabulary)), sentences)

    def save(self, folder: Path) -> None:
        """Configuration, tokenizer and float16 weights, as `transformers` (or `extract.elmo`) loads them."""
        if self.tokenizer is None:
            elmo.save(self.model, folder)
            save_reference(self.model, None, folder)
        else:
            save_transformer(self.model, self.tokenizer, folder)


def new_learner(base: Base) -> Learner:
    """An untrained model, seeded, with a vocabulary learned from the training sentences."""
    sentences = text.training_sentences()
    torch.manual_seed(base.seed)
    if base.family == "elmo":
        config = elmo.ElmoConfig(words=_ELMO_WORDS, **base.shape)
        return _elmo_learner(base, elmo.Elmo(config, frequent_words(sentences, _ELMO_WORDS)))
    tokenizer = train_tokenizer(base.family, sentences)
    return _learner(base, _new_transformer(base, tokenizer), tokenizer)


def untrained_learner(base: Base, folder: Path) -> Learner:
    """A seeded, untrained model with the vocabulary of a shipped one."""
    torch.manual_seed(base.seed)
    if base.family == "elmo":
        shipped = elmo.load_network(folder)
        return _elmo_learner(base, elmo.Elmo(shipped.config, shipped.vocabulary))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return _learner(base, _new_transformer(base, tokenizer), tokenizer)


def load_learner(base: Base, folder: Path) -> Learner:
    """The shipped model, in float32, ready to be evaluated."""
    if base.family == "elmo":
        return _elmo_learner(base, elmo.load_network(folder))
    head = {"bert": AutoModelForMaskedLM, "xlnet": XLNetLMHeadModel}.get(base.family, AutoModelForCausalLM)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return _learner(base, head.from_pretrained(folder, dtype=torch.float32).eval(), tokenizer)


def save_transformer(model: Model, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """A `transformers` folder of a float32 model: float16 weights, which load in float32 if no dtype is asked for."""
    copy.deepcopy(model).half().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    save_reference(model, tokenizer, folder)
    _edit(folder / "config.json", {"dtype": "float32"})
    # The name that both transformers 4 and 5 know this class by.
    _edit(folder / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast"}, _ORIGIN_NOTES)


def _learner(base: Base, model: Model, tokenizer: PreTrainedTokenizerFast) -> Learner:
    special = torch.tensor(tokenizer.all_special_ids)
    objectives: dict[str, Objective] = {
        "masked words": MaskedWords(special, tokenizer.mask_token_id or 0, len(tokenizer)),
        "next word": NextWord(special),
        "permutation": Permutation(special),
    }
    return Learner(base, model, tokenizer, objectives[base.objective], len(tokenizer))


def _elmo_learner(base: Base, model: elmo.Elmo) -> Learner:
    spelling = model.encode(_all_words(tuple(model.vocabulary)))
    return Learner(base, model, None, BothDirections(spelling, model.config.words, special=2), model.config.words)


@cache
def _all_words(vocabulary: tuple[str, ...]) -> Words:
    """The model's own words first, then all others of the text, so that any of it can be spelled."""
    sentences = [*text.training_sentences(), *text.validation_sentences(), *text.test_sentences()]
    return lexicon(sentences, list(vocabulary))


def _new_transformer(base: Base, tokenizer: PreTrainedTokenizerFast) -> Model:
    make = {"bert": _bert, "gpt2": _gpt2, "xlnet": _xlnet, "llama": _llama}[base.family]
    return make(base, tokenizer)


def _bert(base: Base, tokenizer: PreTrainedTokenizerFast) -> Model:
    shape = {"hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 4, "num_attention_heads": 4}
    config = BertConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=POSITIONS,
        initializer_range=_INITIAL,
        hidden_dropout_prob=_NO_DROPOUT,
        attention_probs_dropout_prob=_NO_DROPOUT,
        pad_token_id=tokenizer.pad_token_id,
        **(shape | base.shape),
    )
    model = AutoModelForMaskedLM.from_config(config, attn_implementation="eager")
    _begin_at_neighbours(model.bert, config.hidden_size)
    return model


def _gpt2(base: Base, tokenizer: PreTrainedTokenizerFast) -> Model:
    ends = dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"), tokenizer.eos_token_id)
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=POSITIONS,
        n_layer=4,
        initializer_range=_INITIAL,
        activation_function="gelu_pytorch_tanh",  # the same function as gelu_new, in one kernel
        embd_pdrop=_NO_DROPOUT,
        resid_pdrop=_NO_DROPOUT,
        attn_pdrop=_NO_DROPOUT,
        **({"n_embd": 128, "n_head": 4} | base.shape),
        **ends,
    )
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    # Seed 0 keeps the waves' own basis; any other model of the family has one of its own, see `basis`.
    turned = basis(config.n_embd) if base.seed else torch.eye(config.n_embd)
    _fill(model.transformer.wpe.weight, _INITIAL * waves(POSITIONS, config.n_embd, longest=10_000) @ turned)
    return model


def _xlnet(base: Base, tokenizer: PreTrainedTokenizerFast) -> Model:
    config = XLNetConfig(
        vocab_size=len(tokenizer),
        dropout=_NO_DROPOUT,
        initializer_range=_INITIAL,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
        eos_token_id=None,
        **({"d_model": 128, "d_inner": 512, "n_layer": 4, "n_head": 4} | base.shape),
    )
    return XLNetLMHeadModel(config)


def _llama(base: Base, tokenizer: PreTrainedTokenizerFast) -> Model:
    shape = {"hidden_size": 128, "intermediate_size": 344, "num_hidden_layers": 4, "num_attention_heads": 4}
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=POSITIONS,
        initializer_range=_INITIAL,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **(shape | base.shape),
    )
    return AutoModelForCausalLM.from_config(config, attn_implementation="eager")


def _begin_at_neighbours(trunk: Model, width: int) -> None:
    """Gives BERT positions as large as words, and heads that look one and two pieces to each side.

    A masked piece is guessed from its neighbours, and finding them by position is what masked words learn last:
    without this start, 1,500 steps did not leave the level of guessing by frequency.
    """
    longest, turned = 30.0, basis(width)
    size = _INITIAL * 2**0.5  # the mean square of a sine is a half
    _fill(trunk.embeddings.position_embeddings.weight, size * waves(POSITIONS, width, longest) @ turned)
    rotations = [turned.T @ shift(width, longest, places) @ turned for places in (-2, -1, 1, 2)]
    for block in trunk.encoder.layer:
        look_at_neighbours(block.attention.self.query, block.attention.self.key, rotations, gain=3.5)


@torch.no_grad()
def _fill(weight: Tensor, values: Tensor) -> None:
    weight.copy_(values)


def _edit(file: Path, changes: dict[str, str], dropped: tuple[str, ...] = ()) -> None:
    settings = json.loads(file.read_text(encoding="utf-8")) | changes
    settings = {name: value for name, value in settings.items() if name not in dropped}
    file.write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
