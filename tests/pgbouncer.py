"""PgBouncer in transaction mode, in front of the PostgreSQL server of the tests: each transaction may get another connection."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg

from tests.postgres_server import postgres_url
from tests.wait_until import wait_until

PROGRAM = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")

WHY_NOT = "pgbouncer is not installed: apt-get install pgbouncer"

SETTINGS = """
[databases]
* = host={host} port={server_port} user=postgres

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 5
"""


@contextmanager
def pgbouncer(folder: Path) -> Iterator[str]:
    """Run PgBouncer on a free port; yield the URL of the database behind it."""
    assert PROGRAM is not None
    place = {name: values[0] for name, values in parse_qs(urlsplit(postgres_url()).query).items()}
    host = Path(place["host"])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = folder / "pgbouncer.ini"
    settings.write_text(SETTINGS.format(host=host, server_port=place.get("port", "5432"), port=port))
    command = [PROGRAM, "-q", str(settings)]
    if os.geteuid() == 0:  # it refuses to run as root
        command[1:1] = ["-u", "nobody" if host.owner() == "root" else host.owner()]
        for part in (settings, *settings.parents[:4]):
            part.chmod(part.stat().st_mode | 0o055)
    with (folder / "pgbouncer.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
    try:
        wait_until(lambda: process.poll() is not None or answers(url), what="PgBouncer's start")
        yield url
    finally:
        process.kill()
        process.wait()


def answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True
