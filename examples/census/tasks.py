"""The actors. They are plain functions that process one file, and can be called directly."""

import ast
import asyncio
import tokenize
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from time import thread_time
from zlib import crc32

from attrs import frozen

from fq import App, Key, RetryAfter, get_current_message

app = App()  # at $FQ_URL, so that the demo and its workers use the same broker

RETRIES = Key("retries", int, 0)
"""The option with the number of retries so far."""


@frozen
class Count:
    """The contents of one source file, in numbers."""

    path: str
    lines: int
    functions: int
    classes: int
    imports: list[str]
    milliseconds: int
    attempts: int


# A file that is not Python is not retried. One that cannot be read is retried twice, since disks recover.
@app.actor(throws=SyntaxError, max_retries=2, min_backoff=50)
def count(path: str) -> Count:
    """Count the contents of the source file at *path*."""
    started, message = thread_time(), get_current_message()
    retries = RETRIES.get(message) if message else 0
    if message and not retries and is_unlucky(path):
        raise RetryAfter(100, "as if the disk had been busy")
    with tokenize.open(path) as file:
        source = file.read()
    nodes = list(ast.walk(ast.parse(source, path)))
    return Count(
        path=path,
        lines=source.count("\n"),
        functions=sum(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) for node in nodes),
        classes=sum(isinstance(node, ast.ClassDef) for node in nodes),
        imports=sorted(set(imported(nodes))),
        milliseconds=round((thread_time() - started) * 1_000),
        attempts=1 + retries,
    )


@app.actor
async def fingerprint(path: str) -> str:
    """Return a hash of the file at *path*. Hundreds of async actors run at once."""
    return sha256(await asyncio.to_thread(Path(path).read_bytes)).hexdigest()


def imported(nodes: list[ast.AST]) -> Iterator[str]:
    """Return the top-level modules that *nodes* import."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def is_unlucky(path: str) -> bool:
    """Is the file at *path* one of the few that fail at the first attempt in this demo? The choice is the same in each run."""
    return crc32(Path(path).name.encode()) % 50 == 0
