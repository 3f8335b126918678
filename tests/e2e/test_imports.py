"""What ``import fq`` imports, in fresh interpreters: the names are lazy, and users pay only for what they use."""

import subprocess
import sys
from pathlib import Path

import pytest

import fq
from tests import public_names
from tests.sampling import sample

NEVER_TO_SEND = {
    *("click", "django", "flask", "hiredis", "importlib.metadata", "jinja2", "msgspec", "numpy", "opentelemetry", "prometheus_client"),
    *("psycopg", "pydantic", "redis", "rich", "sentry_sdk", "sqlalchemy", "starlette", "uvicorn", "uvloop", "watchfiles"),
    *("fq.brokers.memory", "fq.brokers.redis", "fq.class_style", "fq.cli", "fq.limits", "fq.observe", "fq.testing", "fq.web"),
    *("fq.worker.executors", "fq.worker.inline", "fq.worker.job", "fq.worker.process", "fq.worker.supervisor"),
}
"""What a program that sends messages to a SQLite file does not use."""

SENDS = """
from fq import App
app = App("sqlite:///jobs.db")
@app.actor
def add(a: int, b: int) -> int:
    return a + b
add.send(1, 2)
app.send_many([add.call(3, 4), add.call(5, 6)])
"""


def run(program: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def modules_after(program: str, folder: Path) -> set[str]:
    ran = run(f"{program}\nimport sys\nprint(*sys.modules)", folder)
    assert ran.returncode == 0, ran.stderr
    return set(ran.stdout.split())


def test_import_fq_alone_imports_next_to_nothing(tmp_path: Path) -> None:
    modules = modules_after("import fq", tmp_path)

    assert {name for name in modules if name.partition(".")[0] == "fq"} == {"fq", "fq.runtime", "fq.runtime.lazy_names"}
    assert not {"attrs", "asyncio", "cattrs", "returns"} & modules


def test_who_sends_to_sqlite_imports_neither_worker_nor_redis_nor_pages(tmp_path: Path) -> None:
    modules = modules_after(SENDS, tmp_path)

    assert "fq.brokers.sqlite" in modules
    assert NEVER_TO_SEND & modules == set()


@pytest.mark.parametrize(("url", "not_used"), [("memory://", "sqlite"), ("redis://localhost", "memory"), ("redis://localhost", "sqlite")])
def test_an_app_imports_only_the_broker_of_its_url(tmp_path: Path, url: str, not_used: str) -> None:
    assert f"fq.brokers.{not_used}" not in modules_after(f"from fq import App\nApp({url!r})", tmp_path)


def test_an_actor_is_not_interrupted_while_it_imports_a_lazy_name(tmp_path: Path) -> None:
    program = """
import sys, fq
from fq.runtime.interrupt_mask import current
class Shield:
    swallowed = masked = False
    def mask(self): self.masked = True
    def unmask(self): self.masked = False
    def checkpoint(self): pass
class Watch:
    def find_spec(self, name, path=None, target=None):
        seen.add(current.shield.masked)
seen = set()
sys.meta_path.insert(0, Watch())
current.shield = Shield()
from fq import Barrier, Retries
print(seen, current.shield.masked)
"""
    ran = run(program, tmp_path)

    assert (ran.stdout, ran.returncode) == ("{True} False\n", 0), ran.stderr


def test_each_module_with_public_names_can_be_the_first_that_is_imported(tmp_path: Path) -> None:
    program = """
import os, sys, attrs, asyncio, returns.pipeline, cattrs
for name in sys.argv[1:]:
    pid = os.fork()
    if not pid:
        exec(f"from fq import {name}")
        os._exit(0)
    if os.waitpid(pid, 0)[1]:
        print(name)
"""
    first_names = [names[0] for names in public_names.homes(public_names.INIT.read_text(encoding="utf-8")).values()]
    ran = run(program, tmp_path, *sample(first_names, 5))

    assert (ran.stdout, ran.stderr) == ("", "")


def test_a_star_import_has_all_names_and_dir_shows_them(tmp_path: Path) -> None:
    shown = run("from fq import *\nprint(*sorted(vars()))", tmp_path).stdout.split()

    assert set(fq.__all__) <= set(shown)
    assert set(fq.__all__) <= set(dir(fq))


def test_the_packages_with_public_names_are_there_without_an_import(tmp_path: Path) -> None:
    ran = run("import fq\nprint(fq.limits.Barrier.__name__, fq.errors.FqError.__name__)", tmp_path)

    assert ran.stdout == "Barrier FqError\n"


def test_a_name_that_fq_does_not_have_is_an_attribute_error(tmp_path: Path) -> None:
    with pytest.raises(AttributeError, match="module 'fq' has no attribute 'Ap'"):
        fq.Ap  # noqa: B018
    assert "Did you mean: 'App'?" in run("import fq\nfq.Ap", tmp_path).stderr


def test_the_lists_of_names_are_those_of_the_imports() -> None:
    source = public_names.INIT.read_text(encoding="utf-8")

    assert public_names.written(source) == source, "type: make names"


@pytest.mark.parametrize("url", ["memory://", "sqlite:///jobs.db"])
def test_without_what_windows_lacks_fq_is_imported_and_sends_and_runs(tmp_path: Path, url: str) -> None:
    script = Path(__file__).with_name("windows_like.py")
    ran = subprocess.run([sys.executable, script, url], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    assert (ran.stdout, ran.returncode) == ("sent and ran\n", 2), ran.stderr
    assert "Sending works here" in ran.stderr
