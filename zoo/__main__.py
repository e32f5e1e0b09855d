"""Command line of the zoo: `python -m zoo train llama-tiny`."""

from pathlib import Path

import click

from zoo.specs import BASES, FINETUNED, folder_of

_HERE = Path(__file__).parent


@click.group()
def main() -> None:
    """Train, fine-tune and evaluate the models that layeratlas ships. Finished models are the folders in zoo/models."""


@main.command()
@click.argument("names", nargs=-1, type=click.Choice(list(BASES)))
@click.option("--all", "everything", is_flag=True, help="Every base model that is not finished yet.")
@click.option("--steps", type=click.IntRange(min=1), help="So many steps instead of the model's own number.")
@click.option("--into", type=click.Path(path_type=Path), help="Write below this folder instead of zoo/models.")
def train(names: tuple[str, ...], everything: bool, steps: int | None, into: Path | None) -> None:
    """Train base models from scratch; an interrupted training is taken up again.

    Example: python -m zoo train llama-tiny
    """
    from zoo.train import train as train_one

    for name in _wanted(names, everything, list(BASES)):
        train_one(BASES[name], steps, into and into / name)


@main.command()
@click.argument("names", nargs=-1, type=click.Choice(list(FINETUNED)))
@click.option("--all", "everything", is_flag=True, help="Every copy that is not finished yet.")
@click.option("--epochs", type=click.IntRange(min=1), help="So many epochs instead of the copy's own number.")
@click.option("--into", type=click.Path(path_type=Path), help="Write below this folder instead of zoo/models.")
def finetune(names: tuple[str, ...], everything: bool, epochs: int | None, into: Path | None) -> None:
    """Fine-tune copies of finished base models.

    Example: python -m zoo finetune bert-tiny-pos
    """
    from zoo.finetune import finetune as finetune_one

    for name in _wanted(names, everything, list(FINETUNED)):
        finetune_one(FINETUNED[name], epochs, into and into / name)


@main.command()
@click.argument("names", nargs=-1, type=click.Choice(list(FINETUNED)))
@click.option("--all", "everything", is_flag=True, help="Every copy.")
@click.option("--seeds", type=click.IntRange(min=2), default=4, show_default=True, help="Of each number of layers.")
@click.option("--epochs", type=click.IntRange(min=1), help="So many epochs instead of the copy's own number.")
@click.option("--into", type=click.Path(path_type=Path), help="Write to this file instead of zoo/freezing.json.")
def freeze(names: tuple[str, ...], everything: bool, seeds: int, epochs: int | None, into: Path | None) -> None:
    """Fine-tune again with the lowest 0, 1, 2, … layers frozen; what was done before is not done again.

    Example: python -m zoo freeze bert-tiny-domain --seeds 4
    """
    from zoo import freeze as freezing

    if not names and not everything:
        raise click.UsageError(f"name a copy or say --all; there are {', '.join(FINETUNED)}")
    freezing.run(names or list(FINETUNED), seeds, epochs, into or freezing.RESULTS, click.echo)
    found = freezing.load(into or freezing.RESULTS)
    click.echo(f"{freezing.table(found)}\n\n{freezing.similarities(found)}")


@main.command("list")
def list_models() -> None:
    """Show every finished model with its figures."""
    from zoo.readme import table

    click.echo(table())


@main.command()
@click.argument("name", type=click.Choice([*BASES, *FINETUNED]))
def evaluate(name: str) -> None:
    """Measure a finished model again, on all of its test text."""
    from zoo.evaluate import figures
    from zoo.families import load_learner
    from zoo.finetune import accuracy, load_finetuned, load_task

    if name in BASES:
        found = figures(load_learner(BASES[name], folder_of(name)))
    else:
        copy = FINETUNED[name]
        found = {"accuracy": round(accuracy(*load_finetuned(copy, folder_of(name)), load_task(copy.task, "test")), 4)}
    for label, value in found.items():
        click.echo(f"{label}\t{value}")


@main.command()
def readme() -> None:
    """Write the table of models in zoo/README.md anew from their zoo.json files."""
    from zoo.readme import update

    update(_HERE / "README.md")


def _wanted(names: tuple[str, ...], everything: bool, known: list[str]) -> list[str]:
    if not names and not everything:
        raise click.UsageError(f"name a model or say --all; there are {', '.join(known)}")
    return [name for name in known if not (folder_of(name) / "zoo.json").exists()] if everything else list(names)


if __name__ == "__main__":
    main()
