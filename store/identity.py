"""Identity: what changes a number, as canonical JSON, as a SHA-256 with its scheme's version.

Two things are the same exactly when their fingerprints are. Device, threads, batch size, time and package
versions do not belong here: they are provenance, kept on the run.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

SCHEME = "v1"
LATER = {"later": True}  # metadata of a field that older identities do not have: at its default it is no part
_LONGEST_NAME = 255  # bytes that file systems take of one name
_BEGINNING = 80  # bytes kept of a longer one

_PLACE = re.compile(r"[a-z]+/model=[A-Za-z0-9._~%+-]+/layer=[0-9]+/v[0-9]+-[0-9a-f]{64}\.parquet")

Pooling = Literal["last", "first", "mean", "sentence-mean", "cls"]
Site = Literal["block", "attention", "mlp", "residual-mid"]
SENTENCES = ("sentence-mean", "cls")  # poolings of whole sentences
SpecialTokens = Literal["drop", "keep-mass"]


def canonical_json(value: object) -> str:
    """Return the one JSON text of a value: sorted keys, compact; NaN and unknown types are refused.

    Dataclasses become objects, without fields marked LATER that have their default; tuples become arrays. Raises
    ValueError or TypeError.
    """
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def fingerprint(value: object) -> str:
    """Return `v1:` and the SHA-256 of a value's canonical JSON, in hexadecimal."""
    return f"{SCHEME}:{hashlib.sha256(canonical_json(value).encode()).hexdigest()}"


def plain(value: object) -> Any:
    """Return what canonical JSON is written of."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        given = ((field, getattr(value, field.name)) for field in dataclasses.fields(value))
        return {f.name: plain(own) for f, own in given if not (f.metadata.get("later") and own == f.default)}
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise TypeError(f"identity keys must be strings, got {list(value)!r}")
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"identity cannot hold {value}")
    if value is None or type(value) in (str, int, float, bool):
        return value
    raise TypeError(f"identity cannot hold a {type(value).__name__}: {value!r}")


@dataclass(frozen=True)
class Settings:
    """How activations are taken from a model; everything here changes what is stored.

    pooling: which sub-word stands for a word, or their mean; or what stands for a sentence: the mean of its words'
    tokens, or the token that BERT and its kin put before it.
    site: what of a block: its output, what its attention or its MLP adds, or what stands between the two.
    long_sentences: what happens to a sentence longer than the model's window: `split` at a word, or `refuse`.
    window: the most tokens a model sees at once, special tokens included; None is the model's own limit.
    precision: the dtype of the forward pass. storage: the dtype of the file.
    stateful: of AllenNLP's ELMo, each sentence goes on from the state in which the one before it ended.
    """

    pooling: Pooling = "last"
    long_sentences: Literal["split", "refuse"] = "refuse"
    window: int | None = None
    precision: Literal["float32", "float16", "bfloat16"] = "float32"
    storage: Literal["float32", "float16"] = "float32"
    site: Site = dataclasses.field(default="block", metadata=LATER)
    stateful: bool = dataclasses.field(default=False, metadata=LATER)

    @property
    def words_from_tokens(self) -> str:
        """How tokens became words, and of what: artifacts that differ in it are not compared."""
        return self.pooling if self.site == "block" else f"{self.pooling}@{self.site}"

    @property
    def by_sentence(self) -> bool:
        """Whether a row is a sentence, not a word."""
        return self.pooling in SENTENCES


@dataclass(frozen=True)
class AttentionSettings:
    """How attention is taken from a model; everything here changes what is stored.

    special_tokens: `drop` their mass and scale each row up to one, or `keep-mass`: a word keeps to itself what it gives
    to special tokens, so that the weights of other words stay as the model has them.
    The other fields are those of Settings.
    """

    special_tokens: SpecialTokens = "drop"
    long_sentences: Literal["split", "refuse"] = "refuse"
    window: int | None = None
    precision: Literal["float32", "float16", "bfloat16"] = "float32"

    @property
    def words_from_tokens(self) -> str:
        """How tokens became words: artifacts that differ in it are not compared."""
        return self.special_tokens


@dataclass(frozen=True)
class ImportedSettings:
    """What stands for settings in activations that were computed elsewhere.

    content: the SHA-256 of the layer's numbers, as they are stored. pooling: how they were made from tokens, as stated.
    """

    content: str
    pooling: str = "last"
    storage: str = "float32"

    @property
    def words_from_tokens(self) -> str:
        """How tokens became words: artifacts that differ in it are not compared."""
        return self.pooling


AnySettings = Settings | AttentionSettings | ImportedSettings


@dataclass(frozen=True)
class ArtifactIdentity:
    """One model × corpus × layer × kind. `weights` and `corpus` are fingerprints of contents, not of names."""

    weights: str
    corpus: str
    layer: int
    settings: AnySettings
    kind: str = "activations"  # of store.kinds
    version: int = 1  # raise it when extraction writes other numbers

    @property
    def artifact(self) -> str:
        """The artifact's fingerprint."""
        return fingerprint(self)


def artifact_path(identity: ArtifactIdentity, model: str) -> Path:
    """Return where an artifact stands, relative to the store."""
    return place_of(identity.artifact, identity.kind, identity.layer, model)


def place_of(artifact: str, kind: str, layer: int, model: str) -> Path:
    """Return where an artifact of this fingerprint stands, relative to the store."""
    return Path(kind) / _folder(model) / f"layer={layer}" / f"{artifact.replace(':', '-')}.parquet"


def is_place(name: str) -> bool:
    """Tell whether an artifact may stand under this name, below the folder of some kind."""
    return _PLACE.fullmatch(name) is not None


def _folder(model: str) -> str:
    """The folder of a model, by its name; of a long one by its beginning and its hash: the files hold it in full."""
    name = f"model={quote(model, safe='')}"
    if len(name) <= _LONGEST_NAME:
        return name
    beginning = model[:_BEGINNING]
    while len(quote(beginning, safe="")) > _BEGINNING:
        beginning = beginning[:-1]
    digest = hashlib.sha256(model.encode()).hexdigest()[:32]
    return f"model={quote(beginning, safe='')}+{digest}"  # no other folder has a plus: in a name it is written %2B


@dataclass(frozen=True)
class Configuration:
    """A measure with every parameter that changes its number. `presets` are names for it, not identity."""

    measure: str
    version: int
    parameters: dict[str, Any]
    symmetric: bool = dataclasses.field(default=False, compare=False)
    presets: tuple[str, ...] = dataclasses.field(default=(), compare=False)

    @property
    def configuration(self) -> str:
        """The configuration's fingerprint."""
        return fingerprint({"measure": self.measure, "version": self.version, "parameters": self.parameters})
