"""The setting ``FQ``, and which modules are looked at for actors and tasks."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured, SynchronousOnlyOperation
from django.test import override_settings

from fq import App, Retries, default_middleware
from fq.django import DatabaseConnections, project
from fq.django import app as project_app
from fq.django.application import default_stack, make_app, on_commit
from fq.django.discovery import discover, import_task, task_modules
from fq.django.settings import FqSettings, read_settings


def short_stack(stack):
    """Return *stack* without retries."""
    return stack.without(Retries)


def no_stack(stack):
    """Return nothing that is a stack."""
    return 3


def hidden(name: str, value: object) -> object:
    """Return nothing of an argument."""
    return "..."


@contextmanager
def fq(**given: object) -> Iterator[None]:
    with override_settings(FQ=given):
        yield


def test_without_a_url_all_processes_use_one_file_beside_manage_py(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FQ_URL", raising=False)
    with fq(), override_settings(BASE_DIR=tmp_path):
        assert read_settings().url == f"sqlite:///{tmp_path}/fq.db"
    monkeypatch.setenv("FQ_URL", "redis://elsewhere")
    with fq():
        assert read_settings().url == "redis://elsewhere"


def test_every_key_has_its_effect() -> None:
    here = "tests.django.test_settings"
    with fq(URL="memory://", STACK=f"{here}.short_stack", QUEUES=["night"], REDACT=f"{here}.hidden", TASK_MODULES=["jobs"], ACCESS=hidden):
        found = read_settings()
        app = make_app(found)

    assert str(app.broker) == "memory://"
    assert app.stack == default_stack.without(Retries)
    assert app.queues == ("night",)
    assert (app.registry.redact, found.task_modules, found.access) == (hidden, ("jobs",), hidden)


def test_the_stack_may_be_a_value() -> None:
    assert make_app(FqSettings("memory://", stack=default_middleware)).stack == default_middleware
    assert DatabaseConnections in make_app(FqSettings("memory://")).stack


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"URI": "memory://"}, r"FQ: found the key 'URI': did you mean 'URL'\?"),
        ({"url": "memory://"}, r"FQ: found the key 'url': did you mean 'URL'\?"),
        ({"COLOUR": 1}, "FQ: found the key 'COLOUR': the keys are URL, STACK"),
        ({"URL": 3}, r"FQ\['URL'\]: found 3, expected a URL such as"),
        ({"URL": "localhost"}, r"FQ\['URL'\]: found 'localhost', expected a URL"),
        ({"QUEUES": "mail"}, r"FQ\['QUEUES'\]: found 'mail', expected a list of names"),
        ({"STACK": 3}, r"FQ\['STACK'\]: found 3, expected a stack"),
        ({"STACK": "nowhere.stack"}, r"FQ\['STACK'\]: 'nowhere.stack' cannot be imported"),
        ({"REDACT": 3}, r"FQ\['REDACT'\]: found 3, expected True, False, or a function"),
        ({"ACCESS": 3}, r"FQ\['ACCESS'\]: found 3, expected a function of a request"),
    ],
)
def test_a_key_or_a_value_that_fq_does_not_know_is_refused_by_name(given: dict[str, object], text: str) -> None:
    with override_settings(FQ=given), pytest.raises(ImproperlyConfigured, match=text):
        read_settings()


def test_a_setting_that_is_no_dict_is_refused() -> None:
    with (
        override_settings(FQ="redis://localhost"),
        pytest.raises(ImproperlyConfigured, match="FQ: found 'redis://localhost', expected a dict"),
    ):
        read_settings()


def test_what_the_app_itself_refuses_names_the_setting() -> None:
    with pytest.raises(ImproperlyConfigured, match="FQ: found 'ftp://x'"):
        make_app(FqSettings("ftp://x"))
    with pytest.raises(ImproperlyConfigured, match=r"FQ\['STACK'\]: .*no_stack.* returned 3, expected a stack"):
        make_app(FqSettings("memory://", stack=no_stack))


def test_a_worker_knows_the_tasks_of_all_installed_apps() -> None:
    assert project.app is project_app
    assert {"confirm", "shop.tasks.total", "shop.tasks.count"} <= set(project_app.actors)
    assert list(task_modules()) == ["shop.tasks"]
    assert discover() == ("shop.tasks",)


def test_other_modules_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with fq(TASK_MODULES=["views", "tests.django.sample_tasks"]):
        found = list(task_modules())

    assert {"django.contrib.admin.views", "shop.views"} < set(found)
    assert found[-1] == "tests.django.sample_tasks"


def test_a_module_that_is_not_there_is_refused() -> None:
    with fq(TASK_MODULES=["shop.jobs"]), pytest.raises(ImproperlyConfigured, match=r"FQ\['TASK_MODULES'\]: there is no module 'shop.jobs'"):
        list(task_modules())
    with fq(TASK_MODULES=["nowhere.at.all"]), pytest.raises(ImproperlyConfigured, match=r"'nowhere\.at\.all'"):
        list(task_modules())


LATE = """
from shop.tasks_api import task


@task
def late(n: int) -> int:
    return -n
"""


def test_a_worker_imports_a_task_of_an_installed_app_that_it_does_not_know(
    app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shop

    (tmp_path / "late_jobs.py").write_text(LATE)
    monkeypatch.setattr(shop, "__path__", [*shop.__path__, str(tmp_path)])
    from shop.late_jobs import late  # as a view does

    sent = late.enqueue(3)
    del sys.modules["shop.late_jobs"]
    del app.registry._actors["shop.late_jobs.late"], app.registry._plans["shop.late_jobs.late"]
    app.run_until_idle()
    sent.refresh()

    assert sent.return_value == -3


def test_what_is_no_installed_app_is_not_imported_for_a_message() -> None:
    before = "antigravity" in sys.modules
    import_task("antigravity.fly")
    import_task("shop.nothing.here")
    import_task("shop.nothing")

    assert ("antigravity" in sys.modules) is before


def test_async_code_is_told_that_transactions_are_sync() -> None:
    import asyncio

    async def story() -> None:
        on_commit(lambda: None, None)

    with pytest.raises(SynchronousOnlyOperation, match="sync_to_async"):
        asyncio.run(story())
