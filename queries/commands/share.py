"""The commands that share: pull, push, export, import, and the names of remotes."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from layeratlas.queries.commands.completing import names_of
from layeratlas.queries.commands.options import Bytes, format_option, store_option
from layeratlas.queries.core.visible import visible
from layeratlas.store.kinds import KINDS
from layeratlas.store.store import Store

if TYPE_CHECKING:
    from layeratlas.store.sharing.share import How, Shared

_FILTERS = (
    click.option(
        "--model",
        "models",
        multiple=True,
        help="Only this model; repeatable, as all filters.",
        shell_complete=names_of("model"),
    ),
    click.option("--corpus", "corpora", multiple=True, help="Only on this corpus.", shell_complete=names_of("corpus")),
    click.option("--layer", "layers", type=click.IntRange(min=0), multiple=True, help="Only this layer."),
    click.option("--kind", "kinds", type=click.Choice(tuple(KINDS)), multiple=True, help="Only this kind."),
    click.option(
        "--measure",
        "measures",
        multiple=True,
        help="Of scores only those of this measure.",
        shell_complete=names_of("measure"),
    ),
    click.option("--scores-only", is_flag=True, help="No artifacts: seconds, and every question can be asked."),
    click.option("--artifacts-only", is_flag=True, help="No scores."),
)
_dry_run = click.option("--dry-run", is_flag=True, help="Say what would be copied, with its bytes.")
_rename = click.option("--rename", "renames", multiple=True, help="OLD=NEW: what to call what arrives; repeatable.")


def _filtered(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say what is meant, as one argument: `selection`."""

    @functools.wraps(command)
    def with_selection(**given: Any) -> Any:
        from layeratlas.store.sharing.selection import Selection

        names = [name for name in Selection.__dataclass_fields__ if name in given]
        return command(selection=Selection(**{name: given.pop(name) for name in names}), **given)

    wrapped: Callable[..., Any] = with_selection
    for option in reversed(_FILTERS):
        wrapped = option(wrapped)
    return wrapped


@click.command()
@click.argument("remote")
@_filtered
@_rename
@_dry_run
@store_option
def pull(store: Store, remote: str, selection: Any, **how: Any) -> None:
    """Take from REMOTE what this store lacks: a remote's name, another store's folder, a bundle, s3://…, hf://….

    Only what is missing travels. Credentials come from the environment or the profile.

    Example: layeratlas pull s3://lab/atlas --scores-only
    """
    from layeratlas.store.sharing import share

    _say(share.pull(store, remote, selection, _how(**how)))


@click.command()
@click.argument("remote")
@_filtered
@_rename
@_dry_run
@store_option
def push(store: Store, remote: str, selection: Any, **how: Any) -> None:
    """Give REMOTE what it lacks: a remote's name, another store's folder, s3://…, hf://….

    Example: layeratlas push s3://lab/atlas --model bert-tiny
    """
    from layeratlas.store.sharing import share

    _say(share.push(store, remote, selection, _how(**how)))


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@_filtered
@click.option("--without-text", is_flag=True, help="Leave the corpus's words out; rows keep their numbers.")
@click.option("--sign", "key", type=click.Path(dir_okay=False, path_type=Path), help="With this SSH key.")
@click.option("--by", help="Who made it; else the user's name.")
@click.option("--force", is_flag=True, help="Replace FILE.")
@store_option
def export(store: Store, file: Path, selection: Any, *, without_text: bool, **how: Any) -> None:
    """Write one file, NAME.atlas.zip, that a collaborator can import, or publish on a dataset hub.

    Example: layeratlas export bert.atlas.zip --model bert-tiny --without-text
    """
    from layeratlas.store.sharing import share

    _say(share.export(store, file, selection, text=not without_text, progress=_progress(), **how))


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_filtered
@_rename
@_dry_run
@click.option("--require-signature", is_flag=True, help="Refuse what no allowed signer has signed.")
@click.option(
    "--allowed-signers", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Who may sign, as ssh-keygen reads it; else $LAYERATLAS_ALLOWED_SIGNERS or ~/.ssh/allowed_signers.",
)  # fmt: skip
@click.option("--largest", type=Bytes(), help="Refuse what takes more, on disk or in memory, as 20GB.")
@store_option
def import_(
    store: Store, file: Path, selection: Any, *, require_signature: bool, allowed_signers: Path | None,
    largest: int | None, **how: Any,
) -> None:  # fmt: skip
    """Check a bundle, then take from it what this store lacks. A bundle that fails a check leaves the store as it is.

    Example: layeratlas import bert.atlas.zip
    """
    from layeratlas.store.sharing import share

    _say(share.import_bundle(
        store, file, selection, _how(**how), require_signature=require_signature, allowed_signers=allowed_signers,
        largest=largest,
    ))  # fmt: skip


@click.group()
def remote() -> None:
    """Names for places that are pulled from and pushed to, kept in this store. Never a credential.

    Example: layeratlas remote add lab s3://lab/atlas
    """


@remote.command("add")
@click.argument("name")
@click.argument("address")
@store_option
def remote_add(store: Store, name: str, address: str) -> None:
    """Call the place at ADDRESS by a NAME.

    Example: layeratlas remote add lab 's3://lab/atlas?endpoint_override=minio.lab:9000'
    """
    from layeratlas.store.sharing import share

    share.add_remote(store, name, address)


@remote.command("remove")
@click.argument("name")
@store_option
def remote_remove(store: Store, name: str) -> None:
    """Forget a NAME; what is at its place stays.

    Example: layeratlas remote remove lab
    """
    from layeratlas.store.sharing import share

    share.remove_remote(store, name)


@remote.command("list")
@format_option
@store_option
def remote_list(store: Store, form: str) -> None:
    """All names, and their places.

    Example: layeratlas remote list
    """
    from layeratlas.queries.core.table import Table
    from layeratlas.queries.terminal import render

    render.render(Table("Remotes", ("name", "address"), sorted(store.settings.remotes.items())), form)


SHARING = (export, import_, pull, push, remote)


def _how(**given: Any) -> How:
    from layeratlas.store.sharing.share import How

    return How(progress=_progress(), **given)


def _progress() -> Any:
    from layeratlas.queries.terminal.progress import TerminalProgress

    return TerminalProgress()


def _say(done: Shared) -> None:
    for line in done.lines():
        click.echo(visible(line), err=True)
    if done.exit_code:
        sys.exit(done.exit_code)
