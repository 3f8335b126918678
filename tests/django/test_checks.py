"""The system checks, and the commands of ``manage.py fq``."""

import io

import pytest
from click.testing import CliRunner
from django.apps import apps
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError
from django.test import override_settings

from fq import App, default_middleware
from fq.brokers import MemoryBroker, SqliteBroker
from fq.cli.main import main
from fq.django.checks import TAG
from fq.django.commands import project_commands
from fq.django.management.commands.fq import Command, without_django_options
from tests.django import conftest, sample_tasks


def found(deploy: bool = False) -> list[str]:
    """Return the ids of what the checks find, and of what, without those about the tasks of the tests."""
    messages = run_checks(tags=[TAG], include_deployment_checks=deploy)
    return [str(message.id) for message in messages if "tests.django" not in message.msg and not message.msg.startswith("look")]


def test_a_good_project_has_no_findings(app: App) -> None:
    assert found() == []


def test_a_broker_in_memory_is_an_error_in_production_alone(app: App) -> None:
    assert isinstance(app.broker, MemoryBroker)
    assert found(deploy=True) == ["fq.E001"]


def test_a_broker_in_a_file_of_its_own_is_none(app: App) -> None:
    with app.using_broker(SqliteBroker(conftest.STATE / "own.db")):
        assert found(deploy=True) == []


def test_the_file_of_a_database_is_no_place_for_messages(app: App) -> None:
    with app.using_broker(SqliteBroker(conftest.STATE / "db.sqlite3")):
        (message,) = run_checks(tags=[TAG])[:1]

    assert (message.id, message.is_serious()) == ("fq.E002", True)
    assert "db.sqlite3" in message.msg


def test_a_stack_that_leaves_connections_open_is_warned_of(app: App) -> None:
    stack = app.stack
    app.edit_stack(lambda _: default_middleware)
    try:
        assert found() == ["fq.W001"]
    finally:
        app.edit_stack(lambda _: stack)


def test_a_task_that_no_worker_imports_is_warned_of(app: App) -> None:
    warned = [message for message in run_checks(tags=[TAG]) if message.id == "fq.W002"]

    assert any(sample_tasks.double.module_path in message.msg for message in warned)
    assert not any("shop." in message.msg for message in warned)
    with override_settings(FQ={"URL": "memory://", "TASK_MODULES": ["tasks", "tests.django.sample_tasks"]}):
        assert not any(sample_tasks.double.module_path in message.msg for message in run_checks(tags=[TAG]))


def test_the_backend_asks_for_the_app_to_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    from fq.django.checks import check_installed

    assert check_installed() == []
    monkeypatch.setattr(apps, "is_installed", lambda name: name != "fq.django")
    assert [message.id for message in check_installed()] == ["fq.W003"]


# The commands.


def test_all_commands_of_fq_are_there_without_the_argument_app() -> None:
    group = project_commands()

    assert set(group.commands) == set(main.commands)
    for command in group.commands.values():
        assert "app_path" not in [param.name for param in command.params]
        assert " APP" not in (command.help or "")
    assert all("app_path" in [param.name for param in main.commands[name].params] for name in ("ls", "worker"))


def test_a_command_is_about_the_app_of_the_project(app: App) -> None:
    sent = sample_tasks.double.enqueue(4)
    out = io.StringIO()
    call_command("fq", "ls", "--json", stdout=out)

    assert sent.id in out.getvalue()
    assert "shop.tasks.total" in CliRunner().invoke(project_commands(), ["actors", "--json"]).output


def test_an_error_of_a_command_is_one_of_django(app: App) -> None:
    with pytest.raises(CommandError, match="no actor called nothing"):
        call_command("fq", "stack", "nothing")


def test_the_command_line_has_the_exit_codes_and_the_help_of_fq(app: App, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, code in ((["--help"], 0), (["stack", "nothing"], 2), (["queues", "--settings", "project.settings"], 0)):
        with pytest.raises(SystemExit) as ended:
            Command().run_from_argv(["manage.py", "fq", *arguments])
        assert ended.value.code == code
    out, err = capsys.readouterr()

    assert "Usage: manage.py fq" in out
    assert "no actor called nothing" in err


def test_the_options_of_django_are_left_to_django() -> None:
    assert without_django_options(["--settings=a.b", "worker", "--pythonpath", "x", "-p", "2"]) == ["worker", "-p", "2"]
    assert without_django_options(["ls", "--settings"]) == ["ls"]


def test_a_worker_does_not_start_in_a_project_with_an_error(app: App, capsys: pytest.CaptureFixture[str]) -> None:
    with app.using_broker(SqliteBroker(conftest.STATE / "db.sqlite3")):
        with pytest.raises(SystemCheckError, match="are one file"):
            call_command("fq", "worker")
        with pytest.raises(SystemExit) as ended:
            Command().run_from_argv(["manage.py", "fq", "worker"])

    assert ended.value.code == 2
    assert "are one file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("debug", "arguments", "watched"),
    [(True, [], True), (True, ["--noreload"], False), (False, [], False), (True, ["--watch", "."], "."), (False, ["--watch", "."], ".")],
)
def test_the_worker_of_a_project_that_is_developed_reloads(monkeypatch, debug: bool, arguments: list[str], watched: bool | str) -> None:
    given: list[str | None] = []
    worker = main.commands["worker"]
    monkeypatch.setattr(worker, "callback", lambda watch, **_: given.append(watch))
    with override_settings(DEBUG=debug):
        result = CliRunner().invoke(project_commands(), ["worker", *arguments])

    assert (result.exit_code, result.output) == (0, "")
    assert given == [str(conftest.PROJECT) if watched is True else watched or None]


def test_without_watchfiles_the_worker_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[str | None] = []
    worker = main.commands["worker"]
    monkeypatch.setattr(worker, "callback", lambda watch, **_: given.append(watch))
    monkeypatch.setattr("fq.django.commands.find_spec", lambda _: None)
    with override_settings(DEBUG=True):
        result = CliRunner().invoke(project_commands(), ["worker"])

    assert "pip install 'fq[watch]'" in result.output
    assert given == [None]
