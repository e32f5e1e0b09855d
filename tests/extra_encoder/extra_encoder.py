"""A recurrent network over characters, in plain torch: an example of an encoder of one's own.

Its folder has a config.json with `"model_type": "tiny-characters"`, and model.safetensors with the tensors of
`Characters`. A piece is one character's number; layer 0 holds the characters' embeddings, layers 1 … those of the GRU.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import torch
from safetensors.torch import load_file

from layeratlas.extract.encoders.base import Hidden, Piece, Shape
from layeratlas.extract.locate import Located
from layeratlas.store.identity import Settings

FAMILIES = {"tiny-characters": "character GRU"}


class Characters(torch.nn.Module):
    """Embeddings of characters under GRU layers of one width."""

    def __init__(self, characters: int, width: int, layers: int) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(characters, width)
        self.layers = torch.nn.ModuleList(torch.nn.GRU(width, width, batch_first=True) for _ in range(layers))

    def forward(self, pieces: torch.Tensor) -> list[torch.Tensor]:  # [windows, tokens] -> each [windows, tokens, width]
        """Return the embeddings, and what each layer makes of the one below."""
        states = [self.embedding(pieces)]
        for layer in self.layers:
            states.append(layer(states[-1])[0])
        return states


class Encoder:
    """What extraction needs of the network."""

    window = None  # sentences may have any length
    specials = 0

    def __init__(self, model: Characters, alphabet: str, device: str) -> None:
        self._model, self._device = model.to(device).eval(), device
        self._numbers = {character: number for number, character in enumerate(alphabet, start=1)}  # 0: any other
        width = model.embedding.embedding_dim
        layers = len(model.layers)
        parameters = sum(each.numel() for each in model.parameters())
        units = {"activations": dict.fromkeys(range(layers + 1), width)}
        self.shape = Shape("Characters", layers, parameters, units)

    def pieces(self, sentences: Sequence[Sequence[str]]) -> list[list[list[Piece]]]:
        """Cut words into characters."""
        return [[[self._numbers.get(c, 0) for c in word] for word in sentence] for sentence in sentences]

    @torch.inference_mode()
    def run(self, windows: Sequence[Sequence[Piece]], wanted: Mapping[str, Sequence[int]]) -> Hidden:
        """Run a batch: padding stands at the end, where a network that reads forwards does not see it."""
        longest = max(map(len, windows))
        padded = [[*window, *[0] * (longest - len(window))] for window in windows]
        states = self._model(torch.tensor(padded, device=self._device))
        return Hidden({"activations": {layer: states[layer] for layer in wanted["activations"]}}, first=0)


def load(located: Located, settings: Settings, device: str, kinds: Collection[str]) -> Encoder:
    """Load the network of a folder."""
    config = located.config
    model = Characters(len(config["alphabet"]) + 1, config["width"], config["layers"])
    model.load_state_dict(load_file(located.folder / "model.safetensors"))
    return Encoder(model, config["alphabet"], device)
