"""Every architecture of transformers that a small model can be built of: what `extract` makes of it.

    python bench/architectures.py [--only bert gpt2 …] [--processes 2] [--out docs/architectures.csv]

Each is a small random model with a tokenizer trained here, extracted as `layeratlas extract --attention` does, and
held against transformers run by hand, one sentence at a time, with words found by character offsets. Batches of up to
4,096 tokens are held against sentences alone. docs/architectures.md shows the table.
"""

from __future__ import annotations

import argparse
import csv
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import numpy as np  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from extract_tiny import SENTENCES, save_tokenizer  # noqa: E402

from layeratlas.extract.encoders import load  # noqa: E402
from layeratlas.extract.locate import locate  # noqa: E402
from layeratlas.extract.runner import extract, plan  # noqa: E402
from layeratlas.store.artifacts import activations, attention  # noqa: E402
from layeratlas.store.errors import LayeratlasError  # noqa: E402
from layeratlas.store.files import Remembered  # noqa: E402
from layeratlas.store.identity import Settings  # noqa: E402
from layeratlas.store.progress import Silent  # noqa: E402
from layeratlas.store.store import Store  # noqa: E402
from layeratlas.store.study import CorpusSpec, ModelSpec, Study  # noqa: E402

PATIENCE = 240  # seconds for one architecture
LARGEST = 30_000_000  # parameters of what counts as small
CLOSE = 1e-4  # of the layer's largest value: more than this is another number

#: What makes a configuration small, under the names that configurations have for it.
_SIZES: dict[int, tuple[str, ...]] = {
    1: ("first_k_dense_replace", "num_nextn_predict_layers", "n_shared_experts", "n_group", "topk_group", "head_ratio",
        "encoder_sparse_step", "num_mem_blocks", "num_kv_shared_layers"),
    2: ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "num_encoder_layers", "num_decoder_layers",
        "encoder_layers", "decoder_layers", "num_experts_per_tok", "num_key_value_heads", "num_kv_heads", "kv_heads",
        "decoder_num_key_value_heads", "moe_topk", "moe_k", "num_codebooks", "depth", "mamba_n_groups", "n_groups"),
    4: ("num_attention_heads", "n_head", "n_heads", "num_heads", "encoder_attention_heads", "decoder_attention_heads",
        "n_routed_experts", "num_local_experts", "num_experts", "moe_num_experts", "state_size", "num_buckets",
        "mamba_d_state", "decoder_num_attention_heads", "encoder_num_attention_heads"),
    8: ("head_dim", "d_kv", "attention_head_size", "qk_rope_head_dim", "qk_nope_head_dim", "v_head_dim", "kv_channels",
        "rotary_dim", "global_head_dim", "linear_key_head_dim", "linear_value_head_dim", "index_head_dim"),
    32: ("hidden_size", "d_model", "n_embd", "emb_dim", "dim", "embedding_size", "kv_lora_rank", "q_lora_rank",
         "word_embed_proj_dim", "projection_dim", "lru_width", "hidden_size_per_layer_input", "encoder_hidden_size"),
    64: ("intermediate_size", "ffn_dim", "encoder_ffn_dim", "decoder_ffn_dim", "n_inner", "d_inner", "d_ff",
         "hidden_dim", "feed_forward_size", "moe_intermediate_size", "ffn_hidden_size",
         "shared_expert_intermediate_size"),
    128: ("max_position_embeddings", "n_positions", "max_seq_len", "n_ctx", "max_sequence_length", "image_size"),
    16: ("patch_size",),
}  # fmt: skip
_SMALL = {name: size for size, names in _SIZES.items() for name in names}
#: What a few configurations need beside.
_OWN: dict[str, dict[str, Any]] = {
    "reformer": {"axial_pos_embds": False, "attn_layers": ["local", "lsh"], "lsh_attn_chunk_length": 16,
                 "local_attn_chunk_length": 16, "is_decoder": False},
    "longformer": {"attention_window": 8},
    "led": {"attention_window": 8},
    "deberta": {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "position_biased_input": False},
    "deberta-v2": {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "position_biased_input": False},
    "funnel": {"block_sizes": [1, 1], "num_decoder_layers": 1},
    "luke": {"entity_vocab_size": 64, "entity_emb_size": 32},
    "mamba2": {"num_heads": 8, "head_dim": 8, "n_groups": 1},
    "canine": {"num_hash_buckets": 64},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]]},
}  # fmt: skip


@dataclass
class Row:
    """What is known of one architecture. outcome: `extracted`, `refused`, or `TRACEBACK`, `WRONG`, which may not be."""

    architecture: str
    outcome: str
    layers: str = ""
    difference: str = ""  # from transformers run by hand, of each layer's largest value
    batches: str = ""  # padded, equal, alone
    batch_difference: str = ""
    attention: str = ""
    sites: str = ""  # within a block
    said: str = ""


def config_of(architecture: str, tokenizer: Any, changes: dict[str, Any]) -> Any:
    """Return a small configuration of an architecture. Raises what transformers raises where there is none."""
    kind = transformers.CONFIG_MAPPING[architecture]
    return _shrunk(kind, {**_OWN.get(architecture, {}), **changes}, tokenizer)


def _shrunk(kind: Any, own: dict[str, Any], tokenizer: Any) -> Any:
    default = kind()
    known = default.to_dict()
    there = {name for name in _SMALL if type(known.get(name)) is int}
    small = {name: min(_SMALL[name], known[name]) for name in there}
    small |= {name: _SMALL[name] for name in _SMALL.keys() - there if _can_be_set(type(default), name)}
    small |= {name: small.get(mapped, _SMALL.get(name)) for name, mapped in (kind.attribute_map or {}).items()
              if mapped in small and name in known}  # fmt: skip
    words = {"vocab_size": len(tokenizer)} if "vocab_size" in known or hasattr(default, "vocab_size") else {}
    specials = {
        name: tokenizer.pad_token_id if name == "pad_token_id" else tokenizer.sep_token_id
        for name, value in known.items()
        if name.endswith("_token_id") and (name == "pad_token_id" or type(value) is int)
    }
    parts = {
        name: _shrunk(type(getattr(default, name)), {}, tokenizer).to_dict()
        for name in default.sub_configs
        if isinstance(getattr(default, name, None), transformers.PreTrainedConfig)
    }
    return kind(**{**small, **words, **specials, **parts, **own})


def _can_be_set(kind: Any, name: str) -> bool:
    found = getattr(kind, name, None)
    return found is not None and getattr(found, "fset", found) is not None


def build(architecture: str, folder: Path) -> None:
    """Save a small random model. Raises whatever transformers raises for what a configuration alone does not make.

    Keys and values have half the heads where that can be run, else all of them.
    """
    tokenizer = save_tokenizer("BertTokenizer", folder)
    model = _model(config_of(architecture, tokenizer, {}))
    if not _runs(model) and hasattr(model.config, "num_key_value_heads"):
        model = _model(config_of(architecture, tokenizer, {"num_key_value_heads": _SMALL["num_attention_heads"]}))
    model.save_pretrained(folder)


def _runs(model: Any) -> bool:
    try:
        with torch.inference_mode():
            model.eval()(input_ids=torch.tensor([[5, 6, 7]]))
    except Exception:  # whatever its code raises
        return False
    return True


def _model(config: Any) -> Any:
    with torch.device("meta"):
        size = sum(p.numel() for p in transformers.AutoModel.from_config(config).parameters())
    if size > LARGEST:
        raise ValueError(f"its configuration makes {size:,} parameters")
    torch.manual_seed(0)
    model = transformers.AutoModel.from_config(config)
    for parameter in model.parameters():
        if parameter.ndim > 1:  # initial weights are so small that layers would hardly differ
            parameter.data = torch.randn_like(parameter) * 0.2
    return model


def by_hand(folder: Path) -> list[list[np.ndarray]]:  # each sentence, each layer [words, neurons]
    """Run transformers on the running text of each sentence and take the last token of every word."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    config = transformers.AutoConfig.from_pretrained(folder)
    kind = (
        transformers.AutoModelForTextEncoding if config.model_type in ("t5", "mt5", "umt5") else transformers.AutoModel
    )
    model = kind.from_pretrained(folder).eval()
    if config.is_encoder_decoder and hasattr(model, "get_encoder"):
        model = model.get_encoder()
    found = []
    for sentence in SENTENCES:
        text = " ".join(sentence)
        given = tokenizer(text, return_tensors="pt", return_offsets_mapping=True)
        ends = np.cumsum([len(word) + 1 for word in sentence]) - 1
        offsets = given.pop("offset_mapping")[0].tolist()
        last = [max(i for i, (a, b) in enumerate(offsets) if b > a and b <= end) for end in ends]
        found.append([state[0, last].float().numpy() for state in _states(model, config.model_type, given)])
    return found


def _states(model: Any, model_type: str, given: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    import inspect

    accepted = inspect.signature(model.forward).parameters
    inputs = {name: value for name, value in given.items() if name != "token_type_ids" or name in accepted}
    torch.manual_seed(0)
    with torch.inference_mode():
        plain = {"use_cache": False} if "use_cache" in accepted else {}
        output = model(**inputs, output_hidden_states=True, return_dict=True, **plain)
        states = list(output.hidden_states)
        if model_type in ("mamba", "mamba2", "falcon_mamba", "rwkv"):  # [block 1, …, the final norm]
            states = [model.get_input_embeddings()(inputs["input_ids"]), *states[:-2], states[-1]]
        last = getattr(output, "last_hidden_state", None)
    return states if last is None else [*states[:-1], last]


def examine(architecture: str) -> Row:
    """Build, extract and compare one architecture."""
    with tempfile.TemporaryDirectory(prefix="architectures-") as scratch:
        folder = Path(scratch) / architecture
        try:
            build(architecture, folder)
        except Exception as error:
            return Row(architecture, "not built", said=f"{type(error).__name__}: {error}"[:200].replace("\n", " "))
        try:
            return _extracted(architecture, folder, Path(scratch))
        except Exception as error:  # what this bench is for: there may be none
            return Row(architecture, "TRACEBACK", said=f"{type(error).__name__}: {error}"[:300].replace("\n", " "))


def _extracted(architecture: str, folder: Path, scratch: Path) -> Row:
    (scratch / "text.txt").write_text("\n".join(" ".join(sentence) for sentence in SENTENCES), "utf-8")
    stores = {}
    notes: list[str] = []
    for tokens in (4096, 1):
        store, progress = Store(scratch / f"store-{tokens}"), Silent()
        asked = Study(
            (ModelSpec(str(folder), folder.name),), (CorpusSpec(scratch / "text.txt", "text"),), batch_tokens=tokens,
            kinds=("activations", "attention"),
        )  # fmt: skip
        summary = extract(store, asked, plan(store, asked), device="cpu", progress=progress, run="bench")
        if summary.failures:
            reason = summary.failures[0].reason.replace(f" from {folder}", "")
            return Row(architecture, "TRACEBACK" if "\n" in reason else "refused", said=reason)
        stores[tokens], notes = store, progress.notes
    many, alone = (
        {row.layer: row for row in store.artifacts() if row.kind == "activations"} for store in stores.values()
    )
    own = {layer: _rows(stores[4096], row) for layer, row in sorted(many.items())}
    row = Row(architecture, "extracted", layers=str(len(own)))
    apart = max(_apart(own[layer], _rows(stores[1], alone[layer])) for layer in own)
    expected = [np.concatenate(parts) for parts in zip(*by_hand(folder), strict=True)]
    if len(expected) != len(own):
        return Row(architecture, "WRONG", said=f"{len(own)} layers, by hand {len(expected)}")
    by_layer = [_apart(own[layer], wanted) for layer, wanted in zip(own, expected, strict=True)]
    row.difference, row.batch_difference = f"{max(by_layer):.0e}", f"{apart:.0e}"
    row.batches, row.said = _batches(notes), ""
    row.sites = _sites(folder)
    row.attention, wrong = _attention(stores, notes)
    if max(*by_layer, apart) > CLOSE or wrong:
        row.outcome = "WRONG"
        row.said = "layers " + ", ".join(f"{i}: {x:.0e}" for i, x in enumerate(by_layer) if x > CLOSE)
    return row


def _sites(folder: Path) -> str:
    """Return which sites within its blocks a model shows."""
    found = []
    for site in ("attention", "mlp", "residual-mid"):
        located = locate(ModelSpec(str(folder), folder.name), Remembered(folder.parent / "remembered.json"))
        try:
            load(located, Settings(site=site), "cpu", ["activations"])
        except LayeratlasError:
            if not found:  # where one part is not found, none is
                break
        else:
            found.append(site)
    return ", ".join(found) or "none"


def _rows(store: Store, row: Any) -> np.ndarray:
    return np.concatenate(list(activations.read_chunks(store.root / row.path, rows=10_000)))


def _apart(one: np.ndarray, other: np.ndarray) -> float:
    """Return the largest difference, of the layer's largest value."""
    return float(np.abs(one - other).max() / np.abs(other).max()) if one.shape == other.shape else np.inf


def _batches(notes: Sequence[str]) -> str:
    for sign, name in (
        ("random numbers", "alone, one seed"),
        ("run alone", "alone"),
        ("equal length", "equal lengths"),
    ):
        if any(sign in note for note in notes):
            return name
    return "any"


def _attention(stores: dict[int, Store], notes: Sequence[str]) -> tuple[str, bool]:
    """Return how many heads there are, and whether a row does not sum to one or depends on the batch."""
    rows = [row for row in stores[4096].artifacts() if row.kind == "attention"]
    if not rows:
        why = next((note for note in notes if "attention" in note), "none")
        return ("none" if "has no attention" in why else "not whole"), False
    wrong = False
    for row in rows:
        for chunk in attention.read_chunks(stores[4096].root / row.path, rows=10_000):
            wrong |= not all(np.allclose(sentence.sum(-1), 1, atol=1e-4) for sentence in chunk)
    return f"{rows[0].units} heads", wrong


def _in_child(architecture: str) -> Row:
    """Run one in a process of its own, a copy of this one: what hangs or crashes ends there."""
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(architecture, sending))
    process.start()
    sending.close()
    row = None
    try:
        if receiving.poll(PATIENCE):
            row = receiving.recv()
    except EOFError:
        pass
    process.kill() if row is None else process.join(20)
    process.join()
    return row or Row(architecture, "TRACEBACK", said=f"no answer in {PATIENCE} s, or it crashed ({process.exitcode})")


def _send(architecture: str, sending: Any) -> None:
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 2)
    torch.set_num_threads(1)
    sending.send(examine(architecture))


def _with_former(rows: list[Row], file: Path) -> list[Row]:
    """Return the rows, and those of other architectures that the file has already."""
    found = {row.architecture: row for row in rows}
    if file.exists():
        with file.open(encoding="utf-8") as opened:
            former = (Row(**one) for one in csv.DictReader(opened))
            found = {**{row.architecture: row for row in former}, **found}
    return [found[name] for name in sorted(found)]


def main() -> None:
    """Examine all, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", help="of transformers' model types; other rows of the file stay")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "architectures.csv")
    options = parser.parse_args()
    from transformers.models.auto.modeling_auto import MODEL_MAPPING_NAMES

    transformers.logging.set_verbosity_error()
    names = options.only or sorted(MODEL_MAPPING_NAMES)
    with ThreadPoolExecutor(options.processes) as pool:
        rows = []
        for row in pool.map(_in_child, names):
            rows.append(row)
            print(*(f"{key}={value}" for key, value in asdict(row).items() if value), flush=True)
    rows = _with_former(rows, options.out) if options.only else rows
    with options.out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows if row.outcome != "not built")


if __name__ == "__main__":
    main()
