"""A real browser: Debian's Chromium, by Playwright's client. Tests are skipped, with the reason, where there is none."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> str:
    """Return the path of a Chromium; skips the test if there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    return found


@contextmanager
def opened() -> Iterator[object]:
    """Yield a browser."""
    path = chromium()
    playwright = pytest.importorskip("playwright.sync_api", reason="no Playwright here: pip install playwright")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def served(folder: Path, *arguments: str, environment: dict[str, str] | None = None) -> Iterator[str]:
    """Run ``fq web`` in *folder*, and yield the link that it prints."""
    command = [sys.executable, "-m", "fq", "web", "web_tasks:app", "--port", "0", *arguments]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})})
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "http" in line, f"fq web printed {line!r}"
        yield line.partition(": http")[1].removeprefix(": ") + line.partition(": http")[2].strip()
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()
