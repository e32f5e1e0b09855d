"""Command line of the zoo: `python -m zoo train llama-tiny`."""

import click

from zoo.specs import BASES, folder_of


@click.group()
def main() -> None:
    """Train and evaluate the models that simcat ships."""


@main.command()
@click.argument("names", nargs=-1, type=click.Choice(list(BASES)))
@click.option("--all", "everything", is_flag=True, help="Every base model that is not there yet.")
@click.option("--steps", type=int, help="Stop after so many steps instead of the model's own number.")
def train(names: tuple[str, ...], everything: bool, steps: int | None) -> None:
    """Train base models from scratch."""
    from zoo.train import train as train_one

    wanted = [name for name in BASES if not (folder_of(name) / "zoo.json").exists()] if everything else names
    for name in wanted:
        train_one(BASES[name], steps)


if __name__ == "__main__":
    main()
