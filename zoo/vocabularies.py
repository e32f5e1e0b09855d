"""One kind of tokenizer a family, each trained on the same sentences as the models."""

import io
from collections.abc import Callable, Iterable

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from zoo.text import UNKNOWN, Words

SIZE = 3072  # small, because embeddings are a third of such a small model's weights


def train_tokenizer(family: str, sentences: Iterable[Words]) -> PreTrainedTokenizerFast:
    """The family's tokenizer, learned from whole words; gives `word_ids()` for words that are already split."""
    text = [" ".join(word for word in words if word != UNKNOWN) for words in sentences]
    return _KINDS[family](text)


def _wordpiece(text: list[str]) -> PreTrainedTokenizerFast:
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.WordPiece(_wordpieces(text, special), unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = _surround(tokenizer, "[CLS] $A [SEP]")
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return _wrap(tokenizer, mask_token="[MASK]", **names)


def _wordpieces(text: list[str], special: list[str]) -> dict[str, int]:
    """WordPiece's vocabulary, the same on every run.

    Left alone, the trainer numbers the letters inside words in the random order of a hash table and breaks ties by
    number. Naming them all beforehand settles it.
    """
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    inside = [f"##{letter}" for letter in sorted(set("".join(text)) - {" "})]
    trainer = trainers.WordPieceTrainer(vocab_size=SIZE, special_tokens=[*special, *inside], show_progress=False)
    tokenizer.train_from_iterator(text, trainer)
    return tokenizer.get_vocab()


def _byte_bpe(text: list[str]) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", UNKNOWN]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(text, trainer)
    end = dict.fromkeys(("bos_token", "eos_token", "pad_token"), "<|endoftext|>")
    return _wrap(tokenizer, unk_token=UNKNOWN, **end)


def _unigram(text: list[str]) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.Unigram(_unigram_pieces(text), unk_id=1))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = _surround(tokenizer, "$A <sep> <cls>")
    names = {"pad_token": "<pad>", "unk_token": UNKNOWN, "cls_token": "<cls>", "sep_token": "<sep>"}
    # On the left, as XLNet has it: its classifier reads the last position, which must not be padding.
    return _wrap(tokenizer, mask_token="<mask>", padding_side="left", **names)


def _unigram_pieces(text: list[str]) -> list[tuple[str, float]]:
    """Pieces and their log probabilities from SentencePiece, whose trainer cuts this text into a tenth fewer pieces
    than that of `tokenizers` (43,867 for EWT test against 48,367)."""
    from sentencepiece import SentencePieceProcessor, SentencePieceTrainer  # only training a vocabulary needs it

    written = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(text),
        model_writer=written,
        model_type="unigram",
        vocab_size=SIZE,
        character_coverage=0.9999,
        max_sentence_length=20_000,
        num_threads=1,  # more would make the result depend on the machine
        minloglevel=1,
        pad_id=0,
        unk_id=1,
        bos_id=-1,
        eos_id=-1,
        pad_piece="<pad>",
        unk_piece=UNKNOWN,
        control_symbols=["<cls>", "<sep>", "<mask>"],
    )
    learned = SentencePieceProcessor(model_proto=written.getvalue())
    return [(learned.id_to_piece(piece), learned.get_score(piece)) for piece in range(len(learned))]


def _metaspace_bpe(text: list[str]) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN, fuse_unk=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    special = ["<pad>", UNKNOWN, "<s>", "</s>"]
    trainer = trainers.BpeTrainer(vocab_size=SIZE, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(text, trainer)
    tokenizer.post_processor = _surround(tokenizer, "<s> $A")
    return _wrap(tokenizer, pad_token="<pad>", unk_token=UNKNOWN, bos_token="<s>", eos_token="</s>")


_KINDS: dict[str, Callable[[list[str]], PreTrainedTokenizerFast]] = {
    "bert": _wordpiece,
    "gpt2": _byte_bpe,
    "xlnet": _unigram,
    "llama": _metaspace_bpe,
}


def _surround(tokenizer: Tokenizer, template: str) -> processors.TemplateProcessing:
    special = [piece for piece in template.split() if piece != "$A"]
    numbered = [(piece, tokenizer.token_to_id(piece)) for piece in special]
    return processors.TemplateProcessing(single=template, special_tokens=numbered)


def _wrap(tokenizer: Tokenizer, **names: str) -> PreTrainedTokenizerFast:
    # No token types: GPT-2 would add them to the words as if they were words themselves.
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_input_names=["input_ids", "attention_mask"], model_max_length=256, **names
    )
