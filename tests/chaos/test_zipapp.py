"""A worker that runs from a zip file, with all of its code in it: its children and what watches files find it there, too."""

import compileall
import os
import shutil
import signal
import sys
import zipapp
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from py_compile import PycInvalidationMode
from subprocess import Popen
from textwrap import dedent

import pytest

from fq import App
from tests.chaos.harness import ROOT
from tests.wait_until import wait_until

TASKS = """
    import os
    from fq import App
    app = App(os.environ["FQ_URL"])

    @app.actor(max_retries=0)
    def where() -> list[object]:
        import fq
        return [os.getpid(), __file__, fq.__file__]
"""


@pytest.fixture(scope="module")
def zipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zip file with fq and an application in it."""
    source = tmp_path_factory.mktemp("source")
    target = tmp_path_factory.mktemp("zipped") / "app.pyz"
    (source / "zipped.py").write_text(dedent(TASKS))
    (source / "__main__.py").write_text("from fq.cli import main\nmain(prog_name='fq')\n")
    shutil.copytree(ROOT / "fq", source / "fq", ignore=shutil.ignore_patterns("__pycache__"))
    compileall.compile_dir(source / "fq", quiet=1, legacy=True, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
    (source / "fq" / "__init__.pyc").unlink()  # or it would be its __file__
    zipapp.create_archive(source, target)
    return target


@pytest.fixture
def archive(zipped: Path, tmp_path: Path) -> Path:
    """A copy of it, in a folder of its own."""
    (tmp_path / "there").mkdir()
    return Path(shutil.copy(zipped, tmp_path / "there"))


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    app = App(f"sqlite:///{tmp_path}/jobs.db")
    yield app
    app.broker.close()


@pytest.fixture
def started() -> Iterator[list["Popen[bytes]"]]:
    """Workers, which are stopped at the end."""
    started: list[Popen[bytes]] = []
    yield started
    for process in started:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


@pytest.mark.xdist_group("zipapp")  # so that the file is made once
@pytest.mark.parametrize("flags", [(), ("--spawn",), ("--spawn", "--watch", ".")], ids=["fork", "spawn", "watch"])
def test_a_worker_in_a_zip_file_starts_its_children_and_reloads(
    archive: Path, app: App, started: list["Popen[bytes]"], tmp_path: Path, flags: tuple[str, ...]
) -> None:
    @app.actor(max_retries=0)
    def where() -> list[object]:
        raise NotImplementedError

    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "app.pyz", "worker", "zipped:app", "--processes", "1", "--heartbeat", "500", *flags]
    log = tmp_path / "log"
    with log.open("wb") as output:
        here = {"FQ_URL": f"sqlite:///{tmp_path}/jobs.db"}
        started.append(Popen(command, cwd=archive.parent, env={**environment, **here}, stdout=output, stderr=output))
    first, *files = where.send().get(60_000).unwrap()

    assert [Path(str(file)).relative_to(archive) for file in files] == [Path("zipped.py"), Path("fq/__init__.py")]
    for _ in range(4):
        archive.write_bytes(archive.read_bytes()) if "--watch" in flags else started[0].send_signal(signal.SIGHUP)
        with suppress(AssertionError):  # what watches may not have begun
            wait_until(lambda: where.send().get(60_000).unwrap()[0] != first, timeout=40, what="the reload")
            return
    pytest.fail(f"it does not reload: {log.read_text()}")
