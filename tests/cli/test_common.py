"""Finding the application: what is wrong with a path is said in one line, with what to type."""

import sys
from pathlib import Path

import pytest

from fq.cli.examination import examine
from tests.cli.conftest import Fq

COMMANDS = [("queues",), ("stack", "add"), ("send", "add", "1"), ("worker",)]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("nowhere:app", "no module 'nowhere' here ({here}): expected module:app, such as tasks:app for tasks.py"),
        ("nowhere.deeper:app", "no module 'nowhere' here ({here}): expected module:app, such as tasks:app for tasks.py"),
        ("tasks:ap", "found nothing at tasks:ap, expected an App: did you mean tasks:app?"),
        ("tasks:other", "found 3 at tasks:other, expected an App: did you mean tasks:app?"),
        ("tasks:app.actors.x", "found nothing at tasks:app.actors.x, expected an App: did you mean tasks:app?"),
        ("empty", "found nothing at empty:app, expected an App: empty has no App in it; write `app = fq.App()` there"),
        ("broken:app", "broken cannot be imported ({here}/broken.py, line 2): ZeroDivisionError: division by zero"),
        ("invalid:app", "invalid cannot be imported: SyntaxError: '(' was never closed (invalid.py, line 1)"),
        ("needs:app", "needs cannot be imported: No module named 'not_installed'"),
        (
            "misspelt:app",
            "misspelt cannot be imported ({here}/misspelt.py, line 3): OptionError: actor add: unknown option max_retrys: did you mean",
        ),
        (
            "twice:app",
            "twice cannot be imported ({here}/twice.py, line 5): DeclarationError: found two actors called add: twice.add and twice.add;",
        ),
        (
            "badurl:app",
            "badurl cannot be imported ({here}/badurl.py, line 2): ConfigError: found 'jobs.db' as the URL of a broker, expected memory://",
        ),
        ("tasks.py:app", "found the file tasks.py, expected a module: did you mean tasks:app?"),
        ("./deep/tasks.py", "found './deep/tasks.py', expected an application: type module:app, such as tasks:app for tasks.py"),
        ("deep/tasks.py", "found the file deep/tasks.py, expected a module: did you mean deep.tasks:app?"),
        ("", "found '', expected an application: type module:app, such as tasks:app for tasks.py"),
        (":app", "found ':app', expected an application: type module:app, such as tasks:app for tasks.py"),
    ],
)
def test_a_path_without_an_app_is_refused(fq: Fq, project: Path, command: tuple[str, ...], path: str, said: str) -> None:
    (project / "empty.py").write_text("")
    (project / "broken.py").write_text("one = 1\none / 0\n")
    (project / "invalid.py").write_text("f(\n")
    (project / "needs.py").write_text("import not_installed")
    declaration = "from fq import App\napp = App('memory://')\n@app.actor\ndef add(): ...\n"
    (project / "misspelt.py").write_text(declaration.replace("actor", "actor(max_retrys=3)"))
    (project / "twice.py").write_text(declaration + "@app.actor\ndef add(): ...\n")
    (project / "badurl.py").write_text("from fq import App\napp = App('jobs.db')")

    ran = fq(command[0], path, *command[1:])

    assert ran.exit_code == 2
    assert ran.stdout == ""
    assert ran.stderr.startswith("Error: " + said.format(here=Path.cwd()))
    assert ran.stderr.count("\n") == 1


def test_a_layer_in_the_wrong_place_is_said_with_the_drawing(fq: Fq, project: Path) -> None:
    (project / "upside.py").write_text("from fq import *\napp = App('memory://', middleware=compose(retries(), age_limit(max_age=5)))")
    ran = fq("stack", "upside:app", "add")

    assert ran.exit_code == 2
    assert ran.stderr == (
        f"Error: upside cannot be imported ({project}/upside.py, line 2): "
        "StackError: AgeLimit must be outside Retries: an expired message must not be retried\n"
        "Retries(max_retries=20, min_backoff=15000, max_backoff=604800000)\n"
        "  AgeLimit(max_age=5)\n"
        "    actor\n"
    )


@pytest.mark.parametrize("path", ["tasks:app", "tasks", "package.tasks:app", "package.tasks:inner.app"])
def test_an_app_is_found_by_module_and_attribute_and_app_is_its_usual_name(fq: Fq, project: Path, path: str) -> None:
    (project / "package").mkdir()
    (project / "package" / "tasks.py").write_text((project / "tasks.py").read_text() + "\nclass inner:\n    app = app\n")

    assert fq("stack", path, "add").exit_code == 0


def test_the_working_directory_is_where_modules_are_looked_for_first(fq: Fq, project: Path) -> None:
    (project / "json_tasks.py").write_text((project / "tasks.py").read_text())

    assert fq("stack", "json_tasks:app", "add").exit_code == 0
    assert sys.path[0] == str(project)


def test_an_app_without_actors_has_nothing_to_run(fq: Fq, project: Path) -> None:
    (project / "idle.py").write_text("from fq import App\napp = App('memory://')")
    ran = fq("worker", "idle:app")

    assert (ran.exit_code, ran.stderr) == (
        2,
        "Error: idle:app has no actors: declare one with @app.actor, or import the modules that do\n",
    )


@pytest.mark.parametrize("command", [("queues",), ("send", "add", "1")], ids=lambda command: command[0])
def test_a_broker_that_cannot_be_used_is_said_in_one_line(fq: Fq, project: Path, command: tuple[str, ...]) -> None:
    (project / "tasks.py").write_text((project / "tasks.py").read_text().replace("sqlite:///jobs.db", "sqlite:///missing/jobs.db"))
    ran = fq(command[0], "tasks:app", *command[1:])

    assert ran.exit_code in (2, 3)
    assert ran.stderr.startswith("Error: ")
    assert f"{project}/missing" in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_a_file_called_fq_is_told_from_fq_itself(fq: Fq, project: Path) -> None:
    assert "fq itself is not an application" in fq("worker", "fq:app").stderr
    (project / "fq.py").write_text("app = 1\n")
    ran = fq("queues", "fq:app")

    assert ran.exit_code == 2
    assert (
        f"{project / 'fq.py'} cannot be imported, because fq itself has that name: put the app into a module with another name"
        in ran.stderr
    )


def test_a_worker_with_a_broker_in_memory_says_that_other_programs_do_not_reach_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    source = "from fq import App\n\napp = App({!r})\n\n\n@app.actor\ndef add(a: int) -> int:\n    return a\n"
    for name, url in [("in_memory", "memory://"), ("in_file", "sqlite:///jobs.db")]:
        Path(f"{name}.py").write_text(source.format(url))
        examine(f"{name}:app", [], None)
        sys.modules.pop(name)

    (said,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert said.startswith("a broker in memory is inside of one process")
