"""ELMo: a forward and a backward language model over word vectors made from characters (Peters et al. 2018).

An architecture that transformers does not have, as extraction runs it. Words go in, one vector a word and layer comes
out, so nothing has to be pooled: a word is one piece.

    network = load_network(folder)
    states = network(network.encode("The lobster is blue".split())[None])   # 3 tensors, [1, 4, 2 * width]
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import relu
from torch.nn.utils.rnn import pad_sequence

from layeratlas.extract.encoders.base import Hidden, Piece, Shape
from layeratlas.extract.locate import Located
from layeratlas.store.errors import BadRequest, LayeratlasError
from layeratlas.store.identity import Settings

FAMILIES = {"simcat-elmo": "elmo"}

_PADDING, _BEGIN, _END, _BOUNDARY = 0, 257, 258, 259  # bytes are 1…256
_ALPHABET = 260
BOUNDARY_WORD = ""  # what a sentence begins and ends with; no real word is empty


@dataclass(frozen=True)
class ElmoConfig:
    """Sizes of the network. `words` is how many words the language model tells apart."""

    words: int
    width: int = 128
    characters: int = 24
    character_width: int = 16
    filters: tuple[int, ...] = (16, 32, 64, 64, 64)  # filters of 1, 2, … characters
    dropout: float = 0.1
    model_type: str = "simcat-elmo"


class Elmo(nn.Module):
    """Character CNN, two LSTM layers in each direction, and the next-word layer both directions share."""

    def __init__(self, config: ElmoConfig, vocabulary: Sequence[str]) -> None:
        super().__init__()
        self.config = config
        self.vocabulary = vocabulary
        self.characters = nn.Embedding(_ALPHABET, config.character_width, padding_idx=_PADDING)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(config.character_width, filters, kernel_size=size)
            for size, filters in enumerate(config.filters, start=1)
        )
        self.highway = nn.Linear(sum(config.filters), 2 * sum(config.filters))
        self.projection = nn.Linear(sum(config.filters), config.width)
        self.forwards = nn.ModuleList(_lstm(config) for _ in range(2))
        self.backwards = nn.ModuleList(_lstm(config) for _ in range(2))
        self.dropout = nn.Dropout(config.dropout)
        self.next_word = nn.Linear(config.width, config.words)
        self.width, self.layers = config.width, len(self.forwards)
        self.size = sum(parameter.numel() for parameter in self.parameters())

    def begin(self) -> None:
        """Every sentence begins with states of zeros."""

    def encode(self, words: Sequence[str]) -> Tensor:
        """Character ids of words, [words, characters]; bytes of UTF-8, cut to fit."""
        return torch.tensor([self._spell(word) for word in words], dtype=torch.long).view(-1, self.config.characters)

    def forward(self, char_ids: Tensor, lengths: Tensor | None = None) -> list[Tensor]:
        """Layer 0 (the word vector, twice) and the two LSTM layers (forward, then backward half).

        `char_ids` is [batch, words, characters], `lengths` [batch] the real words of each row, all when None;
        each layer is [batch, words, 2 * width]. States of padding carry no meaning.
        """
        return self.states(self.word_vectors(char_ids), lengths)

    def word_vectors(self, char_ids: Tensor) -> Tensor:
        """Context-free vectors, [..., width], of char ids [..., characters]."""
        letters = self.characters(char_ids.flatten(0, -2)).transpose(1, 2)  # [words, character_width, characters]
        features = torch.cat([relu(convolve(letters).amax(dim=2)) for convolve in self.convolutions], dim=1)
        change, gate = self.highway(features).chunk(2, dim=1)
        gate = torch.sigmoid(gate)
        features = gate * relu(change) + (1 - gate) * features
        vectors: Tensor = self.projection(features).float()  # also under autocast
        return vectors.view(*char_ids.shape[:-1], self.config.width)

    def states(self, vectors: Tensor, lengths: Tensor | None = None) -> list[Tensor]:
        """All layers, each [batch, words, 2 * width], from word vectors [batch, words, width]."""
        order = reversal(vectors, lengths)
        forward = self._run(self.forwards, vectors)
        backward = [reorder(layer, order) for layer in self._run(self.backwards, reorder(vectors, order))]
        first = torch.cat([vectors, vectors], dim=-1)
        return [first, *(torch.cat(halves, dim=-1) for halves in zip(forward, backward, strict=True))]

    def _run(self, stack: nn.ModuleList, vectors: Tensor) -> list[Tensor]:
        """One direction's layers; each sentence begins with a boundary word, whose own states are dropped."""
        boundary = self.word_vectors(self.encode([BOUNDARY_WORD]).to(vectors.device))
        inputs = torch.cat([boundary.expand(len(vectors), 1, -1), vectors], dim=1)
        with torch.autocast(inputs.device.type, enabled=False):  # many CPUs have no LSTM of bfloat16
            first, _ = stack[0](self.dropout(inputs))
            second, _ = stack[1](self.dropout(first))
        return [first[:, 1:], (first + second)[:, 1:]]  # the skip connection of Peters et al.

    def _spell(self, word: str) -> list[int]:
        if word == BOUNDARY_WORD:
            spelled = [_BOUNDARY]
        else:
            letters = [byte + 1 for byte in word.encode("utf-8")[: self.config.characters - 2]]
            spelled = [_BEGIN, *letters, _END]
        return spelled + [_PADDING] * (self.config.characters - len(spelled))


class BiLanguageModel(Protocol):
    """What an encoder needs of a network. width: of one direction; layers: of LSTMs; size: how many parameters."""

    width: int
    layers: int
    size: int

    def to(self, device: Any) -> Any:
        """Move it to a device; return it."""

    def begin(self) -> None:
        """Begin with states of zeros."""

    def encode(self, words: Sequence[str]) -> Tensor:
        """Return the characters of words, [words, characters]."""

    def __call__(self, char_ids: Tensor, lengths: Tensor) -> list[Tensor]:
        """Return every layer, [windows, words, 2 * width]."""


class ElmoEncoder:
    """A network as extraction takes it: every word is one piece, the number under which it was first met."""

    window: int | None = None
    specials = 0

    def __init__(self, network: BiLanguageModel, device: str) -> None:
        self._network, self._device = network.to(device), device
        self._words: dict[str, Piece] = {}
        self._spelled: list[str] = []
        units = dict.fromkeys(range(network.layers + 1), 2 * network.width)
        self.shape = Shape("Elmo", network.layers, network.size, {"activations": units})

    def begin(self) -> None:
        """Forget the state in which another corpus ended."""
        self._network.begin()

    def pieces(self, sentences: Sequence[Sequence[str]]) -> list[list[list[Piece]]]:
        """Number the words; memory grows with how many different ones there are."""
        return [[[self._number(word)] for word in sentence] for sentence in sentences]

    @torch.inference_mode()
    def run(self, windows: Sequence[Sequence[Piece]], wanted: Mapping[str, Sequence[int]]) -> Hidden:
        """Run one batch of windows and return the layers that are wanted."""
        spelled = [self._network.encode([self._spelled[piece] for piece in window]) for window in windows]
        lengths = torch.tensor([len(window) for window in windows])
        states = self._network(pad_sequence(spelled, batch_first=True).to(self._device), lengths)
        return Hidden({"activations": {layer: states[layer] for layer in wanted["activations"]}}, first=0)

    def _number(self, word: str) -> Piece:
        if word not in self._words:
            self._words[word] = len(self._spelled)
            self._spelled.append(word)
        return self._words[word]


def load(located: Located, settings: Settings, device: str, kinds: Collection[str]) -> ElmoEncoder:
    """Load a folder's network, or for a control initialise it from the seed; it has activations alone.

    Raises BadRequest, LayeratlasError.
    """
    if settings.precision != "float32":
        raise BadRequest(f"{located.spec.name} runs in float32 only, not {settings.precision}")
    try:
        with torch.random.fork_rng():
            torch.manual_seed(located.spec.seed)
            return ElmoEncoder(load_network(located.folder, trained=not located.spec.untrained), device)
    except (OSError, KeyError, TypeError, RuntimeError, ValueError) as error:
        raise LayeratlasError(f"{located.spec.name} cannot be loaded from {located.folder}: {error}") from error


def load_network(folder: Path, *, trained: bool = True) -> Elmo:
    """The network of a folder in float32, ready for use (no dropout); untrained, as the random generator stands."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["filters"] = tuple(config["filters"])
    vocabulary = (folder / "words.txt").read_text(encoding="utf-8").split("\n")
    model = Elmo(ElmoConfig(**config), vocabulary)
    if trained:
        weights = load_file(folder / "model.safetensors")
        model.load_state_dict({name: value.float() for name, value in weights.items()})
    return model.eval()


def save(model: Elmo, folder: Path) -> None:
    """Writes config.json, words.txt (the words it predicts, by frequency) and model.safetensors in float16."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(asdict(model.config), indent=2) + "\n", encoding="utf-8")
    (folder / "words.txt").write_text("\n".join(model.vocabulary), encoding="utf-8")
    weights = {name: value.detach().cpu().half().contiguous() for name, value in model.state_dict().items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def _lstm(config: ElmoConfig) -> nn.LSTM:
    return nn.LSTM(config.width, config.width, batch_first=True)


def reversal(vectors: Tensor, lengths: Tensor | None) -> Tensor:
    """Where each position's word comes from when every row is turned round within its own length, [batch, words]."""
    batch, words, _ = vectors.shape
    place = torch.arange(words, device=vectors.device).expand(batch, words)
    ends = torch.full_like(place, words) if lengths is None else lengths.to(vectors.device)[:, None].expand_as(place)
    return torch.where(place < ends, ends - 1 - place, place)


def reorder(rows: Tensor, order: Tensor) -> Tensor:
    return rows.gather(1, order[..., None].expand_as(rows))
