"""The Python blocks of docs/postgres.md run, on the server of the tests in place of those that the page names."""

import re
import sys
from pathlib import Path
from types import ModuleType

import psycopg
import pytest

from tests.postgres_server import postgres_url

PAGE = Path(__file__).parents[3] / "docs" / "postgres.md"

BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)

ACTOR = """
import psycopg

seen = []


@app.actor
def welcome(name):
    seen.append(name)
"""


def blocks(url: str) -> list[str]:
    """Return the blocks, with the URL of the tests. The pool is left out: see test_pgbouncer.py."""
    places = {
        'psycopg.connect("postgresql://shop@db.example/shop")': f'psycopg.connect("{postgres_url()}")',
        "postgresql://shop@db.example/shop": url,
        "postgresql://shop@pool.example:6432/shop?": f"{url}&",
    }
    texts = BLOCK.findall(PAGE.read_text())
    for found, ours in places.items():
        texts = [text.replace(found, ours) for text in texts]
    assert not any(".example" in text for text in texts)
    return texts


def test_every_block_of_the_page_runs(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("tasks")
    monkeypatch.setitem(sys.modules, "tasks", module)
    with psycopg.connect(postgres_url(), autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS users (name text)")
    first, *others = blocks(url)
    exec(first, vars(module))
    exec(ACTOR, vars(module))
    for text in others:
        app = vars(module)["app"]
        exec(text, vars(module))
        app.run_until_idle()
        app.broker.close()

    assert vars(module)["seen"] == ["ada"]
    assert len(others) == 2
