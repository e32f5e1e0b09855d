"""Tiny models of every family, saved as folders: random weights, and the family's own tokenizer, trained here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers

torch.set_num_threads(1)  # threads only get in one another's way on models this small
transformers.logging.disable_progress_bar()

TEXTS = [
    "The cats saw 42 dogs , too !",
    "A cat sat on the mat , and then it slept .",
    "He does n't know the café in 1984 .",
    "Unbelievable things happen to extraordinary people .",
    "It In No Extraordinary Things Mat unbelievable",
]
SENTENCES = [
    text.split()
    for text in (
        "The cats saw 42 dogs , too !",
        "It slept .",
        "Extraordinary cats happen to know unbelievable dogs , and then the people slept on the mat .",
        "No",
        "He does n't know .",
        "Things happen to people , the cats know things , and the dogs too .",
        "Mat",
        "In 1984 the cats saw 42 extraordinary , unbelievable things !",
    )
]

_BLOCKS = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
_GPT = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 64}
_DEBERTA = {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "position_biased_input": False}

#: family → (configuration class, its settings, tokenizer class)
FAMILIES: dict[str, tuple[str, dict[str, Any], str]] = {
    "bert": ("BertConfig", _BLOCKS, "BertTokenizer"),
    "roberta": ("RobertaConfig", {**_BLOCKS, "max_position_embeddings": 66}, "RobertaTokenizer"),
    "gpt": ("OpenAIGPTConfig", _GPT, "OpenAIGPTTokenizer"),
    "gpt2": ("GPT2Config", _GPT, "GPT2Tokenizer"),
    "xlnet": ("XLNetConfig", {"d_model": 16, "n_layer": 2, "n_head": 2, "d_inner": 32}, "XLNetTokenizer"),
    # XLM's own tokenizer needs sacremoses; GPT's cuts like it: byte pairs with </w> at the end of a word
    "xlm": (
        "XLMConfig",
        {"emb_dim": 16, "n_layers": 2, "n_heads": 2, "max_position_embeddings": 64},
        "OpenAIGPTTokenizer",
    ),
    "electra": ("ElectraConfig", {**_BLOCKS, "embedding_size": 8}, "BertTokenizer"),
    "albert": ("AlbertConfig", {**_BLOCKS, "embedding_size": 8}, "AlbertTokenizer"),
    "distilbert": ("DistilBertConfig", {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32}, "BertTokenizer"),
    "deberta": ("DebertaConfig", {**_BLOCKS, **_DEBERTA}, "DebertaTokenizer"),
    "deberta-v2": ("DebertaV2Config", {**_BLOCKS, **_DEBERTA}, "DebertaV2Tokenizer"),
    "t5": ("T5Config", {"d_model": 16, "num_layers": 2, "num_heads": 2, "d_ff": 32, "d_kv": 8}, "T5Tokenizer"),
    "llama": ("LlamaConfig", _BLOCKS, "LlamaTokenizer"),
    "gpt-neox": ("GPTNeoXConfig", {**_BLOCKS, "max_position_embeddings": 64}, "GPTNeoXTokenizer"),
    "mamba": ("MambaConfig", {"num_hidden_layers": 2, "state_size": 4}, "GPTNeoXTokenizer"),
}
_OWN_WIDTH = {"gpt", "gpt2", "xlnet", "xlm", "distilbert", "t5"}


def save_tokenizer(name: str, folder: Path) -> Any:
    """Train a tokenizer of a family on TEXTS, save it, and return it."""
    words = sorted({word for text in TEXTS for word in text.split()})
    texts = [*words, *words] if name == "LlamaTokenizer" else [*TEXTS, *TEXTS]  # Llama's learns across spaces
    tokenizer = getattr(transformers, name)().train_new_from_iterator(texts, vocab_size=300, show_progress=False)
    tokenizer.save_pretrained(folder)
    return tokenizer


def save_model(family: str, folder: Path, *, seed: int = 0, **changes: Any) -> Path:
    """Save a tiny random model of a family with its tokenizer; return the folder."""
    configuration, settings, tokenizer_class = FAMILIES[family]
    tokenizer = save_tokenizer(tokenizer_class, folder)
    width = {} if family in _OWN_WIDTH else {"hidden_size": 16}
    specials = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": tokenizer.pad_token_id}
    if specials["pad_token_id"] is None:
        del specials["pad_token_id"]
    config = getattr(transformers, configuration)(
        **{"vocab_size": len(tokenizer), **specials, **width, **settings, **changes}
    )
    torch.manual_seed(seed)
    model = _model(config)
    for parameter in model.parameters():  # initial weights are so small that layers would hardly differ
        parameter.data = torch.randn_like(parameter) * 0.3
    model.save_pretrained(folder)
    return folder


def _model(config: Any) -> Any:
    return (
        transformers.T5EncoderModel(config) if config.model_type == "t5" else transformers.AutoModel.from_config(config)
    )
