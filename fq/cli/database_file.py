"""``fq backup`` and ``fq shrink``: commands for the database file of a SQLite broker."""

from pathlib import Path

import click

from fq.brokers import SqliteBroker
from fq.cli.common import UsageError, app_path, as_json, confirm, load_app, plain_errors, print_json

CONFIRM_ABOVE_BYTES = 2**29
"""Rewriting more than this takes long enough to ask first."""


@click.command()
@app_path
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@as_json
def backup(app_path: str, file: Path, as_json: bool) -> None:
    """
    Copy the SQLite database of APP to FILE.

    The database may be in use. FILE is a complete database, readable by its owner only; an existing FILE is replaced once the copy is on disk.

    To restore the copy, stop every process that uses the database, move the database and its -wal and -shm files away, and put the copy in its
    place.
    """
    with plain_errors():
        broker = _sqlite(app_path, "backup", "use the persistence of Redis (BGSAVE, or an append-only file)")
        broker.backup(file)
        if as_json:
            print_json({"file": str(file), "bytes": file.stat().st_size})
        else:
            click.echo(f"{file}, {_megabytes(file.stat().st_size)}")


@click.command()
@app_path
@click.option("--yes", is_flag=True, help="Do not ask, even if it takes long.")
@as_json
def shrink(app_path: str, yes: bool, as_json: bool) -> None:
    """
    Give free space in the SQLite file of APP back to the disk.

    The database is rewritten, at about 100 MB a second; meanwhile nothing else can write to it. Asks first if more than 512 MB are rewritten.
    """
    with plain_errors():
        broker = _sqlite(app_path, "shrink", "this broker has no database file")
        before = broker.room()
        if before.size - before.free > CONFIRM_ABOVE_BYTES and not yes:
            confirm(f"Rewrite {_megabytes(before.size - before.free)}? Nothing else can write to the database meanwhile.")
        after = broker.shrink()
        if as_json:
            print_json({"file": str(broker.path), "bytes_before": before.size, "bytes_after": after.size})
        else:
            click.echo(f"{broker.path}: {_megabytes(before.size)} before, {_megabytes(after.size)} after")


def _sqlite(app_path: str, command: str, instead: str) -> SqliteBroker:
    broker = load_app(app_path).broker
    if not isinstance(broker, SqliteBroker):
        raise UsageError(f"fq {command} works on SQLite, found {broker}: {instead}")
    return broker


def _megabytes(size: int) -> str:
    return f"{size / 1024**2:,.1f} MB"
