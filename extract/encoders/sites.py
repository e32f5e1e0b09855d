"""What stands within a block: what its attention adds, what its MLP adds, and the residual stream between the two.

A transformer's block adds two parts to its input x. Where is learned from one small window, by structure alone: which
modules' outputs, added up, give what other modules are given, and the block's own output. Three ways are known:

- norms first (GPT-2, Llama, T5):  middle = x + attention,  block = middle + MLP
- norms last (BERT, GPT):          middle = norm(x + attention),  block = norm(middle + MLP)
- side by side (GPT-NeoX, GPT-J):  block = x + attention + MLP; there is no middle

A block whose parts do not add up so is refused. Parts are what is added: behind a norm or a gate of their own, if any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import nn

from layeratlas.extract.encoders.hooks import HiddenStates, Probe, States
from layeratlas.store.errors import LayeratlasError
from layeratlas.store.identity import Site

_ATTENTION = ("attn", "attention")  # what the modules of attention are called, or are in


@dataclass(frozen=True)
class _Call:
    """One module's run in a forward pass: what it was given and what it gave, each [windows, tokens, neurons]."""

    name: str
    module: nn.Module
    given: torch.Tensor
    gave: torch.Tensor
    last: int = 0  # the number of the last call within it


@dataclass(frozen=True)
class _Parts:
    """Of one block, the modules whose output is each site; None in place of a site that it has not."""

    attention: nn.Module
    mlp: nn.Module
    middle: tuple[nn.Module, bool] | None  # and whether its output is meant, not what it is given

    def of(self, site: Site) -> tuple[nn.Module, bool] | None:
        return {"attention": (self.attention, True), "mlp": (self.mlp, True), "residual-mid": self.middle}.get(site)


class Sites(HiddenStates):
    """Activations of a site within the blocks: [windows, tokens, neurons] of every block, from block 1."""

    first_layer = 1
    site: Site
    _watched: list[tuple[nn.Module, bool]]

    def __init__(self, model: Any, title: str) -> None:
        super().__init__(model, title)
        self._watched, self._seen = [], list[torch.Tensor]()

    def states(self, inputs: dict[str, torch.Tensor], output: Any) -> States:
        """Return the site in every block, or, while its place is not known yet, what `HiddenStates` does."""
        if not self._watched:
            return super().states(inputs, output)
        seen, self._seen = self._seen, []
        if len(seen) != len(self._watched):
            raise LayeratlasError(f"{self._title} ran {self.site} of {len(seen)} of {len(self._watched)} blocks")
        return tuple(seen)

    def learn(self, probe: Probe) -> tuple[int, ...]:
        """Find the site in every block. Raises LayeratlasError where the parts of a block do not add up."""
        super().learn(probe)
        with _Recorder(self._model) as recorder:
            states = probe.show([probe.window])
        places = []
        for block, (calls, given, gave) in enumerate(self._blocks(recorder.calls, states), start=1):
            parts = _parts(calls, given, gave)
            place = parts.of(self.site) if parts else None
            if place is None:
                raise LayeratlasError(
                    f"{self._title} has no site '{self.site}' in block {block}: "
                    + (
                        "attention and MLP run side by side, there is nothing between"
                        if parts
                        else "it is not its input, plus what one attention adds, plus what one MLP adds"
                    )
                )
            places.append(place)
        self._watch(places)
        return tuple(state.shape[-1] for state in probe.show([probe.window]))

    def _blocks(
        self, calls: Sequence[_Call], states: States
    ) -> Iterator[tuple[Sequence[_Call], torch.Tensor, torch.Tensor]]:
        """Yield what ran in each block, what it was given and what it gave: its layer, the last before a final norm."""
        start = 0
        for block, (before, after) in enumerate(pairwise(states), start=1):
            last = block == len(states) - 1
            found = next(
                (
                    at
                    for at in range(start, len(calls))
                    if calls[at].last > at and _same(calls[at].given, before) and (last or _same(calls[at].gave, after))
                ),
                None,
            )
            if found is None:
                raise LayeratlasError(f"{self._title} has no module for block {block} alone: no site within is known")
            start = calls[found].last + 1
            yield calls[found + 1 : start], calls[found].given, calls[found].gave

    def _watch(self, places: Sequence[tuple[nn.Module, bool]]) -> None:
        """From now on keep what these modules give, or are given, in every forward pass."""
        self._watched = list(places)
        self._model.register_forward_pre_hook(lambda *_: self._seen.clear())
        for module, output in dict.fromkeys(places):
            if output:
                module.register_forward_hook(lambda _module, _given, gave: self._keep(_tensor(gave)))
            else:
                module.register_forward_pre_hook(
                    lambda _module, given, named: self._keep(_first(given, named)), with_kwargs=True
                )

    def _keep(self, states: torch.Tensor | None) -> None:
        if states is not None:
            self._seen.append(states)


def sites_of(site: Site) -> type[HiddenStates]:
    """Return the hook that shows a site of the blocks."""
    return HiddenStates if site == "block" else type("Sites", (Sites,), {"site": site})


class _Recorder:
    """Keeps every call of a model's modules whose input and output are states of the same shape, in order."""

    def __init__(self, model: nn.Module) -> None:
        self._model, self._open, self._handles = model, list[int](), list[Any]()
        self._calls: list[_Call | None] = []

    @property
    def calls(self) -> list[_Call]:
        """The calls, outer before inner."""
        through = list(accumulate(call is not None for call in self._calls))  # how many are kept up to each
        return [replace(call, last=through[call.last] - 1) for call in self._calls if call is not None]

    def __enter__(self) -> _Recorder:
        for name, module in self._model.named_modules():
            if name and not isinstance(module, nn.ModuleList):
                self._handles += [
                    module.register_forward_pre_hook(self._begin, with_kwargs=True),
                    module.register_forward_hook(self._end(name), with_kwargs=True),
                ]
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()

    def _begin(self, _module: nn.Module, _given: Any, _named: Any) -> None:
        self._open.append(len(self._calls))
        self._calls.append(None)

    def _end(self, name: str) -> Callable[..., None]:
        def end(module: nn.Module, given: Any, named: Any, gave: Any) -> None:
            number = self._open.pop()
            before, after = _first(given, named), _tensor(gave)
            if before is not None and _is_states(after):
                self._calls[number] = _Call(name, module, before.clone(), after.clone(), len(self._calls) - 1)

        return end


def _parts(calls: Sequence[_Call], given: torch.Tensor, gave: torch.Tensor) -> _Parts | None:
    """Find the parts of a block in what ran within it."""
    for at, call in enumerate(calls):
        if not any(sign in call.name.lower() for sign in _ATTENTION) or call.gave.shape != given.shape:
            continue
        added = given + call.gave
        for reader_at in range(at + 1, len(calls)):
            reader = calls[reader_at]
            if not _same(reader.given, added):
                continue
            mlp = _behind(calls[reader_at:], added, gave)  # norms first
            if mlp is not None:
                return _Parts(call.module, mlp, (reader.module, False))
            normed = calls[reader_at].gave
            mlp = _behind(calls[reader_at + 1 :], normed, gave, normed=True)
            if mlp is not None:
                return _Parts(call.module, mlp, (reader.module, True))
        mlp = _behind([one for one in calls if "attn" not in one.name and "attention" not in one.name], added, gave)
        if mlp is not None:
            return _Parts(call.module, mlp, None)
    return None


def _behind(
    calls: Sequence[_Call], middle: torch.Tensor, gave: torch.Tensor, *, normed: bool = False
) -> nn.Module | None:
    """Return the module whose output, added to the middle, is the block's; `normed`: behind a last norm."""
    for at, call in enumerate(calls):
        if call.gave.shape != gave.shape:
            continue
        total = middle + call.gave
        if normed:
            if any(_same(norm.given, total) and _same(norm.gave, gave) for norm in calls[at + 1 :]):
                return call.module
        elif _same(total, gave):
            return call.module
    return None


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    if one.shape != other.shape:
        return False
    allowed = torch.finfo(one.dtype).eps ** 0.5 * other.float().abs().mean()
    return bool((one.float() - other.float()).abs().max() <= allowed)


def _first(given: Any, named: dict[str, Any]) -> torch.Tensor | None:
    """Return the states that a module is given, by place or by name."""
    return next((value for value in (*given, *named.values()) if _is_states(value)), None)


def _tensor(gave: Any) -> Any:
    return next(iter(gave), None) if isinstance(gave, tuple | list) else gave


def _is_states(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.is_floating_point() and value.ndim == 3
