"""Training from scratch: seeded, restartable, the best checkpoint kept."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Generator, Tensor
from torch.optim import AdamW, Optimizer

from zoo import text
from zoo.evaluate import figures, mean_loss
from zoo.families import Learner, new_learner
from zoo.objectives import Model
from zoo.readme import write_card
from zoo.specs import Base, folder_of
from zoo.streams import Stream

RUNS = Path(__file__).parent / ".runs"
_LOOK_EVERY = 250  # steps between looks at the validation loss
_LOOK_ROWS = 160  # rows of 64 pieces of one look
_WARM_UP = 0.06  # of all steps

console = Console(stderr=True)


@dataclass
class Run:
    """Where a training stands: what is saved every look and taken up again after an interruption."""

    learner: Learner
    optimizer: Optimizer
    draw: Generator
    steps: int
    step: int = 0
    seconds: float = 0.0
    best_loss: float = float("inf")
    best_step: int = 0
    best: dict[str, Tensor] = field(default_factory=dict)


def train(base: Base, steps: int | None = None, folder: Path | None = None) -> Path:
    """Trains one base model into its folder; `steps` shortens the training. Takes up an interrupted one."""
    folder = folder or folder_of(base.name)
    run = _start(base, steps or base.steps)
    checkpoint = RUNS / f"{base.name}-{run.steps}.pt"
    if checkpoint.exists():
        _resume(run, checkpoint)
    _train(run, run.learner.stream(text.training_sentences()), checkpoint)
    run.learner.model.load_state_dict(run.best)
    _finish(run, folder)
    checkpoint.unlink(missing_ok=True)
    return folder


def device() -> torch.device:
    """The GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def optimizer_for(model: Model, learning_rate: float) -> AdamW:
    """AdamW; biases, gains and other vectors do not decay."""
    matrices = [weight for weight in model.parameters() if weight.dim() > 1]
    vectors = [weight for weight in model.parameters() if weight.dim() <= 1]
    groups = [{"params": matrices, "weight_decay": 0.05}, {"params": vectors, "weight_decay": 0.0}]
    return AdamW(groups, lr=learning_rate, betas=(0.9, 0.98))


def learning_share(step: int, steps: int) -> float:
    """Part of the peak learning rate at a step: up in a line, down in a line to a fiftieth."""
    rise = max(1, round(_WARM_UP * steps))
    return (step + 1) / rise if step < rise else max(0.02, (steps - step) / (steps - rise))


def set_rate(optimizer: Optimizer, rate: float) -> None:
    """Gives every group of parameters the same learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def descend(model: Model, optimizer: Optimizer, loss: Tensor) -> None:
    """One step against the gradient of the loss, at most 1 long before the learning rate."""
    torch.autograd.backward(loss)
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()


@contextmanager
def progress(title: str, total: int, done: int = 0) -> Iterator[Any]:
    """A bar on stderr; yields a function that advances it by one and shows a note."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    with Progress(*columns, TextColumn("{task.fields[note]}"), TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task(title, total=total, completed=done, note="")
        yield lambda note: bar.update(task, advance=1, note=note)


def half_precision() -> torch.autocast:
    """bfloat16 arithmetic with float32 weights, up to twice as fast; not on a CPU that would have to imitate it."""
    known = torch.cpu.get_capabilities()
    can = any(name.endswith("bf16") and found is True for name, found in known.items())
    return torch.autocast(device().type, torch.bfloat16, enabled=device().type != "cpu" or can)


def train_step(run: Run, stream: Stream) -> float:
    """One batch; returns its loss in nats a piece."""
    model, rows = run.learner.model, stream.crops(run.draw)
    set_rate(run.optimizer, run.learner.base.learning_rate * learning_share(run.step, run.steps))
    # Dropout draws from the global generator: seeding it by step makes a resumed run the same run.
    torch.manual_seed(run.learner.base.seed * 1_000_003 + run.step)
    with half_precision():
        loss = run.learner.objective.predict(model, rows._replace(ids=rows.ids.to(device())), run.draw).loss()
    descend(model, run.optimizer, loss)
    run.step += 1
    return float(loss.detach())


def _start(base: Base, steps: int) -> Run:
    learner = new_learner(base)
    learner.model.to(device()).train()
    draw = torch.Generator().manual_seed(base.seed)
    return Run(learner, optimizer_for(learner.model, base.learning_rate), draw, steps)


def _train(run: Run, stream: Stream, checkpoint: Path) -> None:
    validation = run.learner.stream(text.validation_sentences())
    with progress(run.learner.base.name, run.steps, run.step) as advance:
        began = time.monotonic() - run.seconds
        while run.step < run.steps:
            advance(f"loss {train_step(run, stream):.2f}")
            if run.step % _LOOK_EVERY == 0 or run.step == run.steps:
                run.seconds = time.monotonic() - began
                _look(run, validation)
                _save(run, checkpoint)


def _look(run: Run, validation: Stream) -> None:
    """Measures the validation loss and remembers the weights if they are the best so far."""
    loss = mean_loss(run.learner, validation, _LOOK_ROWS)
    console.print(f"{run.learner.base.name} step {run.step}: validation {loss:.4f}, {run.seconds:.0f} s")
    if loss < run.best_loss:
        run.best_loss, run.best_step = loss, run.step
        run.best = {name: value.detach().cpu().clone() for name, value in run.learner.model.state_dict().items()}


def _save(run: Run, checkpoint: Path) -> None:
    checkpoint.parent.mkdir(exist_ok=True)
    state = {name: getattr(run, name) for name in ("step", "seconds", "best_loss", "best_step", "best")}
    state |= {"model": run.learner.model.state_dict(), "optimizer": run.optimizer.state_dict()}
    partial = checkpoint.with_suffix(".partial")
    torch.save(state | {"draw": run.draw.get_state()}, partial)
    partial.rename(checkpoint)


def _resume(run: Run, checkpoint: Path) -> None:
    state = torch.load(checkpoint, weights_only=True, map_location="cpu")
    run.learner.model.load_state_dict(state.pop("model"))
    run.optimizer.load_state_dict(state.pop("optimizer"))
    run.draw.set_state(state.pop("draw"))
    for name, value in state.items():
        setattr(run, name, value)
    console.print(f"{run.learner.base.name}: taken up again at step {run.step}")


def _finish(run: Run, folder: Path) -> None:
    """Writes the folder; `zoo.json` last, since its presence says that the model is finished."""
    run.learner.model.cpu().eval()
    run.learner.save(folder)
    base = run.learner.base
    record = {
        "name": base.name,
        "family": base.family,
        "objective": base.objective,
        "finetuned_from": None,
        "seed": base.seed,
        "steps": run.steps,
        "kept_step": run.best_step,
        "trained_on": "WikiText-2 validation + test, EWT train",
        "minutes": round(run.seconds / 60, 1),
        "parameters": sum(weight.numel() for weight in run.learner.model.parameters()),
        **figures(run.learner),
        "validation_loss": round(run.best_loss, 4),
    }
    write_card(folder, record)
    (folder / "zoo.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
