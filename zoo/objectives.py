"""What each model learns to predict. An objective hides something, asks for it, and returns logits beside the truth.

Special pieces (boundaries, padding, the unknown) are never asked for: they would only flatter the figures.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import Generator, Tensor, nn

Model = Any  # transformers' head classes have no common typed interface


class Rows(NamedTuple):
    """Consecutive pieces of text, ids [batch, pieces], the first of which stands at position `offset`."""

    ids: Tensor
    offset: int = 0


class Predicted(NamedTuple):
    """Logits [asked, vocabulary] and what was really there, [asked]."""

    logits: Tensor
    targets: Tensor

    def loss(self) -> Tensor:
        """Mean surprise in nats."""
        return nn.functional.cross_entropy(self.logits.float(), self.targets)


class Objective(Protocol):
    """Asks a model for pieces it cannot see."""

    def predict(self, model: Model, rows: Rows, draw: Generator) -> Predicted:
        """Predictions for the pieces asked of these rows; `draw` chooses whatever is random."""


@dataclass(frozen=True)
class NextWord:
    """Each piece from those before it."""

    special: Tensor

    def predict(self, model: Model, rows: Rows, draw: Generator) -> Predicted:
        """All ordinary pieces but the first of each row."""
        extra = {"position_ids": positions(rows)} if model.config.model_type == "gpt2" else {}
        logits = model(input_ids=rows.ids, use_cache=False, **extra).logits[:, :-1]
        targets = rows.ids[:, 1:]
        asked = ~torch.isin(targets, self.special.to(targets.device))
        return Predicted(logits[asked], targets[asked])


@dataclass(frozen=True)
class MaskedWords:
    """Hidden pieces from all the others (Devlin et al. 2019).

    While training, one hidden piece in ten shows itself and one in ten another piece, so that the top layer also
    learns at pieces that are not masks, which is all that extraction ever shows it. Evaluation hides every one.
    """

    special: Tensor
    mask: int
    vocabulary: int

    def predict(self, model: Model, rows: Rows, draw: Generator) -> Predicted:
        """A quarter of the ordinary pieces while training, 15 % in evaluation."""
        asked = _choose(rows.ids, self.special, 0.25 if model.training else 0.15, draw)
        shown = self.disguise(rows.ids, asked, draw) if model.training else rows.ids.masked_fill(asked, self.mask)
        states = model.bert(input_ids=shown, position_ids=positions(rows)).last_hidden_state
        return Predicted(model.cls(states[asked]), rows.ids[asked])  # the head only where it is asked: half the time

    def disguise(self, ids: Tensor, asked: Tensor, draw: Generator) -> Tensor:
        """Ids with 80 % of those asked masked, 10 % replaced and 10 % kept."""
        fate = torch.rand(ids.shape, generator=draw).to(ids.device)
        # Every tokenizer of the zoo numbers its special pieces first.
        other = torch.randint(len(self.special), self.vocabulary, ids.shape, generator=draw).to(ids.device)
        shown = torch.where(asked & (fate < 0.8), torch.full_like(ids, self.mask), ids)
        return torch.where(asked & (fate >= 0.9), other, shown)


@dataclass(frozen=True)
class Permutation:
    """The last pieces of a random factorisation order, each from those before it in that order (Yang et al. 2019)."""

    special: Tensor
    share: int = 4  # one piece in four is asked; the paper's K is 6 or 7, more is learned per step here

    def predict(self, model: Model, rows: Rows, draw: Generator) -> Predicted:
        """The asked pieces through XLNet's query stream, which sees where they stand but not what they are."""
        order = torch.rand(rows.ids.shape, generator=draw).argsort(dim=1).to(rows.ids.device)
        places = order[:, -(rows.ids.shape[1] // self.share) :]  # [batch, asked], in factorisation order
        hidden, mapping = _permuted(places, rows.ids.shape[1])
        logits = model(input_ids=rows.ids, perm_mask=hidden, target_mapping=mapping, use_mems=False).logits
        targets = rows.ids.gather(1, places)
        asked = ~torch.isin(targets, self.special.to(targets.device))
        return Predicted(logits[asked], targets[asked])


@dataclass(frozen=True)
class BothDirections:
    """The next word from those before it and the previous word from those after it (Peters et al. 2018).

    Rows hold word numbers; `spelling` [lexicon, characters] has their characters. Only the first `classes` words of
    the lexicon can be predicted, the first `special` of them are never asked for.
    """

    spelling: Tensor
    classes: int
    special: int

    def predict(self, model: Model, rows: Rows, draw: Generator) -> Predicted:
        """Forward predictions of every row, then backward ones."""
        words, place = torch.unique(rows.ids, return_inverse=True)  # the CNN spells each word of the batch once
        vectors = model.word_vectors(self.spelling[words.cpu()].to(rows.ids.device))[place]
        ahead, behind = model.states(vectors)[-1].chunk(2, dim=-1)
        states = torch.cat([ahead[:, :-1], behind[:, 1:]])
        targets = torch.cat([rows.ids[:, 1:], rows.ids[:, :-1]])
        asked = (targets >= self.special) & (targets < self.classes)
        return Predicted(model.next_word(model.dropout(states[asked])), targets[asked])


def positions(rows: Rows) -> Tensor:
    """Position of every piece, [batch, pieces]."""
    batch, pieces = rows.ids.shape
    return torch.arange(rows.offset, rows.offset + pieces, device=rows.ids.device).expand(batch, pieces)


def _choose(ids: Tensor, special: Tensor, share: float, draw: Generator) -> Tensor:
    """True at a random share of the ordinary pieces, [batch, pieces]."""
    lots = torch.rand(ids.shape, generator=draw).to(ids.device)
    return (lots < share) & ~torch.isin(ids, special.to(ids.device))


def _permuted(places: Tensor, pieces: int) -> tuple[Tensor, Tensor]:
    """XLNet's masks for the asked `places` [batch, asked], given in factorisation order.

    `perm_mask` [batch, query, key] is 1 where the query must not see the key; pieces that are not asked are seen by
    all and see none of the asked. `target_mapping` [batch, asked, pieces] says which piece each prediction is for.
    """
    batch, asked = places.shape
    rank = torch.full((batch, pieces), -1, device=places.device)  # not asked: before everything
    rank.scatter_(1, places, torch.arange(asked, device=places.device).expand(batch, asked))
    hidden = (rank[:, None, :] >= rank[:, :, None]) & (rank[:, None, :] >= 0)
    return hidden.float(), nn.functional.one_hot(places, pieces).float()
