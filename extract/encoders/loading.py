"""How transformers loads a model's folder: configuration, tokenizer, weights; nothing that the identity does not know.

What a broken or hostile folder makes the libraries do is tried in a process of its own first (`rehearsal.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from layeratlas.extract.foreign import foreign
from layeratlas.extract.locate import Located
from layeratlas.extract.locate.adapters import lies_in
from layeratlas.extract.locate.files import ADAPTER, TOKENIZER, matching, weight_files
from layeratlas.store.errors import LayeratlasError

_TEXT_ENCODERS = {"t5", "mt5", "umt5"}  # their encoders load without the decoder's weights
_UNUSED = ("pooler",)  # heads that no hidden state depends on: a checkpoint may lack them


@dataclass(frozen=True)
class Source:
    """Where the libraries read a model from, and its tokenizer.

    remote: the model's own code may run. decoder: of an encoder-decoder the decoder is meant. ignored: what to say of
    files that lie there and are not read.
    """

    folder: Path
    tokens: Path
    remote: bool = False
    decoder: bool = False
    ignored: str = ""

    def config(self) -> Any:
        """Return the configuration as transformers reads it."""
        import transformers

        return transformers.AutoConfig.from_pretrained(self.folder, **self._how())

    def tokenizer(self) -> Any:
        """Return the tokenizer. Raises ValueError when it has no vocabulary."""
        import transformers

        found = transformers.AutoTokenizer.from_pretrained(self.tokens, **self._how())
        if not set(found.get_vocab()) - set(found.all_special_tokens):
            raise ValueError(
                "it has no tokenizer files, so every word would be unknown: copy tokenizer.json (or vocab.txt, "
                "merges.txt, *.model) of the model into its folder"
            )
        return found

    def auto(self, config: Any) -> Any:
        """Return the class that makes the model."""
        import transformers

        alone = config.model_type in _TEXT_ENCODERS and not self.decoder
        return transformers.AutoModelForTextEncoding if alone else transformers.AutoModel

    def trained(self, config: Any, dtype: torch.dtype, how: dict[str, str]) -> Any:
        """Return the model with its weights, all of them. Raises ValueError for a checkpoint that lacks some."""
        safe = any(file.suffix == ".safetensors" for file in weight_files(self.folder))
        model, report = self.auto(config).from_pretrained(
            self.folder, config=config, dtype=dtype, use_safetensors=safe, weights_only=True, output_loading_info=True,
            **self._how(), **how,
        )  # fmt: skip
        missing = sorted(key for key in report["missing_keys"] if not any(part in key for part in _UNUSED))
        if missing:
            raise ValueError(
                f"the checkpoint lacks {len(missing)} of the model's weights ({', '.join(missing[:3])}, …), which "
                "would be random: take a whole checkpoint, or set untrained = true"
            )
        return model

    def control(self, config: Any, seed: int, dtype: torch.dtype, how: dict[str, str]) -> Any:
        """Initialise at random, from the seed alone; the caller's random state stays as it was."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = self.blank(config, how)
        for parameter in model.parameters():  # buffers, such as rotary frequencies, keep their precision
            parameter.data = parameter.data.to(dtype)
        return model

    def blank(self, config: Any, how: dict[str, str]) -> Any:
        """Return the model as its configuration alone makes it, on the device that is current."""
        return self.auto(config).from_config(config, dtype=torch.float32, trust_remote_code=self.remote, **how)

    def _how(self) -> dict[str, Any]:
        return {"trust_remote_code": self.remote, "local_files_only": True}


def prepare(model_type: str) -> None:
    """Import what transformers needs for such models: a copy of this process then has it."""
    import transformers

    _ = transformers.AutoTokenizer, transformers.AutoModelForTextEncoding
    known = transformers.CONFIG_MAPPING
    if model_type in known:
        transformers.MODEL_MAPPING.get(known[model_type], None)


@contextmanager
def source_of(located: Located) -> Iterator[Source]:
    """Give the folder to load from: the model's own, or links to its files where an adapter's are among them.

    transformers would apply an adapter that it finds if peft is installed, and not if it is not.
    """
    spec, folder = located.spec, located.folder
    tokens = located.adapter if located.adapter and matching(located.adapter, TOKENIZER) else folder
    if not any((folder / name).exists() for name in ADAPTER):
        yield Source(folder, tokens, spec.trust_remote_code, spec.part == "decoder")
        return
    ignored = f"{folder.name} holds an adapter beside the model, which is not applied" if lies_in(folder) else ""
    with TemporaryDirectory(prefix="layeratlas-") as scratch:
        links = Path(scratch)
        for file in folder.iterdir():
            if file.is_file() and file.name not in ADAPTER:
                (links / file.name).symlink_to(file.resolve())
        tokens = links if tokens == folder else tokens
        yield Source(links, tokens, spec.trust_remote_code, spec.part == "decoder", ignored)


@contextmanager
def loading(located: Located) -> Iterator[None]:
    """Say in one line whatever the libraries raise for files that they cannot load."""
    with foreign(lambda reason: f"{_cannot(located)}: {reason}", memory=True):
        yield


def unusable(located: Located, reason: str) -> LayeratlasError:
    """Return the error that says, in one line, why a model cannot be loaded."""
    return LayeratlasError(f"{_cannot(located)}: {reason}")


def _cannot(located: Located) -> str:
    return f"{located.spec.name} cannot be loaded from {located.folder}"
