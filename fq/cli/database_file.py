"""``fq backup`` and ``fq shrink``: what is done with the file of a SQLite broker as a whole."""

from pathlib import Path

import click

from fq.brokers import SqliteBroker
from fq.cli.common import Refused, app_path, load_app, plain_errors

MUCH = 2**29
"""More than this to be written anew, in bytes, takes long enough to ask first."""


@click.command()
@app_path
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def backup(app_path: str, file: Path) -> None:
    """
    Copy the SQLite database of APP to FILE, while it is in use.

    FILE is one whole database, readable for its owner alone; a file of that name is replaced once the copy is on the disk. To restore it, stop all that
    uses the database, move that and its -wal and -shm away, and put the copy in its place.
    """
    with plain_errors():
        broker = _sqlite(app_path, "backup", "let Redis save itself (BGSAVE, or an append-only file)")
        broker.backup(file)
        click.echo(f"{file}, {_megabytes(file.stat().st_size)}")


@click.command()
@app_path
@click.option("--yes", is_flag=True, help="Do not ask, however long it will take.")
def shrink(app_path: str, yes: bool) -> None:
    """
    Give back to the disk what a backlog has left free in the SQLite database of APP.

    What remains is written anew, and nobody else can write meanwhile: a second for some 100 MB of it.
    """
    with plain_errors():
        broker = _sqlite(app_path, "shrink", "it has no file")
        before = broker.room()
        if before.size - before.free > MUCH and not yes:
            click.confirm(
                f"{_megabytes(before.size - before.free)} are to be written anew, and nobody can write meanwhile: go on?", abort=True
            )
        after = broker.shrink()
        click.echo(f"{broker.path}: {_megabytes(before.size)} before, {_megabytes(after.size)} now")


def _sqlite(app_path: str, command: str, instead: str) -> SqliteBroker:
    broker = load_app(app_path).broker
    if not isinstance(broker, SqliteBroker):
        raise Refused(f"fq {command} is for SQLite, and found {broker}: {instead}")
    return broker


def _megabytes(size: int) -> str:
    return f"{size / 1024**2:,.1f} MB"
