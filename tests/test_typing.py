"""What mypy says to someone who makes a mistake: the text, which ``tests/typing/api.py`` cannot show."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

HEAD = """
from fq import App, retries

app = App("memory://")

@app.actor
def add(a: int, b: int) -> int:
    return a + b

@app.actor
async def fetch(url: str) -> bytes:
    return url.encode()

@app.actor
def parse(page: bytes) -> list[str]:
    return page.decode().split()
"""

MISTAKES = {
    'add.send("1", 2)': 'Argument 1 to "send" of "Actor" has incompatible type "str"; expected "int"',
    "add.send(1)": 'Missing positional argument "b" in call to "send" of "Actor"',
    "add.send(1, 2, c=3)": 'Unexpected keyword argument "c" for "send" of "Actor"',
    "add.call(1, 2).with_options(max_retrys=3)": (
        'Unexpected keyword argument "max_retrys" for "with_options" of "Call"; did you mean "max_retries"?'
    ),
    "add.call(1, 2).with_options(time_limit='1s')": (
        'Argument "time_limit" to "with_options" of "Call" has incompatible type "str"; expected "int | timedelta | float"'
    ),
    "app.actor(max_retrys=3)": (
        'Unexpected keyword argument "max_retrys" for overloaded function "__call__" of "ActorDecorator"; did you mean "max_retries"?'
    ),
    "retries(max_retrys=3)": 'Unexpected keyword argument "max_retrys" for "retries"; did you mean "max_retries"?',
    'fetch.call("a") | add': 'Unsupported operand types for | ("Call[bytes]" and "Actor[[int, int], int, int]")',
    'fetch.call("a").then(add, 2)': 'Argument 1 to "then" of "Call" has incompatible type "Actor[[int, int], int, int]"',
    "fetch.call('a').then(parse, limit=3)": 'Unexpected keyword argument "limit" for "then" of "Call"',
}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What mypy says about each mistake, all notes included: one run for all of them."""
    snippet = tmp_path_factory.mktemp("typing") / "snippet.py"
    snippet.write_text(HEAD + "\n".join(MISTAKES) + "\n")
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "mypy.ini"), "--no-error-summary", str(snippet)]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    first = HEAD.count("\n") + 1
    lines = [(int(found[1]), found[2]) for found in re.finditer(r"snippet\.py:(\d+): (.*)", output)]
    return {mistake: "\n".join(text for line, text in lines if line == first + at) for at, mistake in enumerate(MISTAKES)}


@pytest.mark.xdist_group("mypy")  # so that mypy runs once
@pytest.mark.parametrize("mistake", MISTAKES)
def test_mypy_says_what_is_wrong(said: dict[str, str], mistake: str) -> None:
    assert MISTAKES[mistake] in said[mistake]
