"""ELMo as AllenNLP keeps it, `options.json` and `weights.hdf5` (Peters et al. 2018): highways, projected LSTMs.

The weights are TensorFlow's: kernels are [input, output], gates stand in the order input, candidate, forget, output,
and the forget gate has a bias of one on top. A sentence stands between two boundary words, whose states are dropped.
Each sentence begins with a state of zeros. AllenNLP carries the state on: row i of a batch goes on from where row i of
the batch before ended. `stateful` does that with batches of one sentence, in the corpus's order, as `embed_sentence`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import conv1d, linear, relu

from layeratlas.extract.encoders.elmo import ElmoEncoder, reorder, reversal
from layeratlas.extract.foreign import foreign
from layeratlas.extract.locate import ALLENNLP, Located
from layeratlas.extract.locate.files import allennlp_files, read_json
from layeratlas.store.errors import BadRequest, MissingPackage
from layeratlas.store.identity import Settings

FAMILIES = {ALLENNLP: "elmo"}
STATEFUL = True

_Memory = tuple[Tensor, Tensor]  # a layer's state, [windows, width], and its cell
_BEGIN_SENTENCE, _END_SENTENCE, _BEGIN_WORD, _END_WORD, _PADDING = range(256, 261)  # before one is added to all
_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": relu, "tanh": torch.tanh}
_PACKED = 64  # times that datasets may be larger than the file that holds them


class Network:
    """The network in float32; layers are the word vector, twice, and each LSTM layer (forward, then backward half)."""

    def __init__(self, options: dict[str, Any], weights: Weights, *, stateful: bool = False) -> None:
        self._stateful = stateful
        self._carried: dict[tuple[int, int], _Memory] = {}  # by direction and layer
        characters, lstm = options["char_cnn"], options["lstm"]
        self.width, self.layers = int(lstm["projection_dim"]), int(lstm["n_layers"])
        self.spelled = int(characters["max_characters_per_token"])
        self._activation = _ACTIVATIONS[characters["activation"]]
        self._clips = float(lstm.get("cell_clip") or torch.inf), float(lstm.get("proj_clip") or torch.inf)
        self._skips = bool(lstm.get("use_skip_connections", True))
        embedding = weights["char_embed"]
        self._embedding = torch.cat([embedding.new_zeros(1, embedding.shape[1]), embedding])
        self._filters = [
            (weights[f"CNN/W_cnn_{i}"][0].permute(2, 1, 0), weights[f"CNN/b_cnn_{i}"])
            for i in range(len(characters["filters"]))
        ]
        self._highways = [
            [weights[f"CNN_high_{i}/{name}"] for name in ("W_transform", "b_transform", "W_carry", "b_carry")]
            for i in range(int(characters["n_highway"]))
        ]
        self._projection = weights["CNN_proj/W_proj"], weights["CNN_proj/b_proj"]
        self._lstms = [
            [weights.lstm(f"RNN_{direction}/RNN/MultiRNNCell/Cell{layer}/LSTMCell") for layer in range(self.layers)]
            for direction in (0, 1)
        ]
        self.size = weights.read

    def to(self, device: str) -> Network:
        """Move the weights to a device."""
        for name, value in vars(self).items():
            setattr(self, name, _moved(value, device))
        return self

    def begin(self) -> None:
        """Begin with states of zeros."""
        self._carried = {}

    def encode(self, words: Sequence[str]) -> Tensor:  # [words, characters]
        """Return the character ids of words; bytes of UTF-8, cut to fit."""
        return torch.tensor([self._spell(word.encode()[: self.spelled - 2]) for word in words]).view(-1, self.spelled)

    def __call__(self, char_ids: Tensor, lengths: Tensor) -> list[Tensor]:  # each [windows, words, 2 * width]
        """Return every layer of windows whose words have these characters, [windows, words, characters]."""
        windows, words, _ = char_ids.shape
        padded = char_ids.new_zeros(windows, words + 2, self.spelled)
        padded[:, 1 : words + 1] = char_ids
        padded[:, 0] = torch.tensor(self._spell([_BEGIN_SENTENCE]))
        padded[torch.arange(windows), lengths + 1] = torch.tensor(self._spell([_END_SENTENCE])).to(char_ids.device)
        vectors = self._vectors(padded)
        order = reversal(vectors, lengths + 2)
        forward = self._run(0, vectors)
        backward = [reorder(layer, order) for layer in self._run(1, reorder(vectors, order))]
        halves = [(vectors, vectors), *zip(forward, backward, strict=True)]
        return [torch.cat(both, dim=-1)[:, 1 : words + 1] for both in halves]

    def _spell(self, letters: Sequence[int]) -> list[int]:
        spelled = [_BEGIN_WORD, *letters, _END_WORD]
        return [letter + 1 for letter in spelled + [_PADDING] * (self.spelled - len(spelled))]

    def _vectors(self, characters: Tensor) -> Tensor:  # [windows, words, width]
        letters = self._embedding[characters.flatten(0, 1)].transpose(1, 2)  # [words, embedding, characters]
        found = torch.cat(
            [self._activation(conv1d(letters, weight, bias).amax(dim=2)) for weight, bias in self._filters], dim=1
        )
        for transform, transform_bias, carry, carry_bias in self._highways:
            gate = torch.sigmoid(found @ carry + carry_bias)
            found = gate * relu(found @ transform + transform_bias) + (1 - gate) * found
        weight, bias = self._projection
        return (found @ weight + bias).view(*characters.shape[:2], self.width)

    def _run(self, direction: int, inputs: Tensor) -> list[Tensor]:
        found: list[Tensor] = []
        for number, layer in enumerate(self._lstms[direction]):
            start = self._carried.get((direction, number))
            states, end = self._lstm(layer, inputs, start)
            if self._stateful:
                self._carried[direction, number] = end
            inputs = states + inputs if found and self._skips else states
            found.append(inputs)
        return found

    def _lstm(
        self,
        layer: Sequence[Tensor],
        inputs: Tensor,  # [windows, words, width]
        start: _Memory | None,
    ) -> tuple[Tensor, _Memory]:  # [windows, words, width]
        """Run one direction's layer: gates of the input and of the projected state, both clipped as in training."""
        of_input, of_state, bias, projection = layer
        cell_clip, state_clip = self._clips
        given = linear(inputs, of_input, bias)
        zeros = inputs.new_zeros(len(inputs), self.width), inputs.new_zeros(len(inputs), projection.shape[1])
        state, cell = start or zeros
        states = []
        for step in range(inputs.shape[1]):
            enter, candidate, forget, leave = (given[:, step] + linear(state, of_state)).chunk(4, dim=1)
            cell = torch.sigmoid(enter) * torch.tanh(candidate) + torch.sigmoid(forget) * cell
            cell = cell.clamp(-cell_clip, cell_clip)
            state = linear(torch.sigmoid(leave) * torch.tanh(cell), projection).clamp(-state_clip, state_clip)
            states.append(state)
        return torch.stack(states, dim=1), (state, cell)


class Weights:
    """A file of weights; `read` counts the values that were taken from it.

    Raises ValueError for a dataset that stands elsewhere, or is larger than its file can hold.
    """

    def __init__(self, path: Path) -> None:
        import h5py

        self._file, self._size, self._hard = h5py.File(path, "r"), path.stat().st_size, h5py.HardLink
        self.read = 0

    def __getitem__(self, name: str) -> Tensor:
        parts = name.split("/")
        above = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
        links = [self._file.get(part, getlink=True) for part in above if part in self._file]
        if len(links) < len(parts):
            raise ValueError(f"it has no weights {name}")
        found = self._file[name] if all(isinstance(link, self._hard) for link in links) else None
        if found is None or found.external or found.is_virtual or found.nbytes > _PACKED * self._size:
            raise ValueError(f"the weights {name} do not stand in the file itself")
        self.read += found.size
        return torch.from_numpy(found[...]).float()

    def lstm(self, name: str) -> list[Tensor]:
        """Return a cell's weights of input and state, [4 * cell, …], its bias, and its projection, [width, cell]."""
        kernel, bias, projection = self[f"{name}/W_0"].T, self[f"{name}/B"].clone(), self[f"{name}/W_P_0"].T
        cell, width = projection.shape[1], projection.shape[0]
        bias[2 * cell : 3 * cell] += 1  # the forget gate's
        inputs = kernel.shape[1] - width
        return [part.contiguous() for part in (kernel[:, :inputs], kernel[:, inputs:], bias, projection)]


def load(located: Located, settings: Settings, device: str, kinds: Collection[str]) -> ElmoEncoder:
    """Load a folder's network; it has activations alone. Raises BadRequest, MissingPackage, LayeratlasError."""
    name = located.spec.name
    if settings.precision != "float32":
        raise BadRequest(f"{name} runs in float32 only, not {settings.precision}")
    if located.spec.untrained:
        raise BadRequest(f"{name}: an ELMo of AllenNLP has no untrained control here")
    options, weights = allennlp_files(located.folder)
    with foreign(lambda reason: f"{name} cannot be loaded from {located.folder}: {reason}", memory=True):
        try:
            import h5py  # noqa: F401
        except ImportError:
            raise MissingPackage(f"{name} has weights in HDF5: pip install 'layeratlas[elmo]' (or h5py)") from None
        network = Network(read_json(options), Weights(weights), stateful=settings.stateful)
        encoder = ElmoEncoder(network, device)
    if settings.stateful:
        encoder.shape = replace(encoder.shape, batching="ordered")
    return encoder


def _moved(value: Any, device: str) -> Any:
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, list | tuple):
        return type(value)(_moved(item, device) for item in value)
    return value
