"""`chatter keygen`: a new key for a cluster."""

import os
from pathlib import Path

import click

from chatter import generate_key
from chatter.command.failures import BadOptions, CouldNotStart


@click.command()
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write the key to FILE, readable by you alone (mode 0600). "
    "A file that exists is left as it is.",
)
def keygen(out: Path | None) -> None:
    """Make a new key and print it.

    Whoever holds the key can read and send everything; nobody else can do either. Give the same key
    to all nodes of a cluster, as CHATTER_KEY or with --key-file.

    \b
        chatter keygen --out chatter.key
        export CHATTER_KEY="$(chatter keygen)"
    """
    key = generate_key()
    if out is None:
        click.echo(key)
        return
    write_key_file(out, key)
    click.echo(f"key written to {out}", err=True)


def write_key_file(path: Path, key: str) -> None:
    """A new file at `path` with the key and a newline, mode 0600 from its first moment.

    Raises:
        BadOptions: the file exists. Another key may stand in it, which nobody could bring back.
        CouldNotStart: the file can't be written there.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        # O_EXCL also refuses a symbolic link, so nobody can choose for us where the key goes.
        descriptor = os.open(path, flags, 0o600)
    except FileExistsError:
        raise BadOptions(
            f"{path} exists and may hold a key that is in use; choose another name or move it away"
        ) from None
    except OSError as error:
        raise CouldNotStart(f"can't write {path}: {error.strerror}") from None
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(key + "\n")
