"""Handles made from ids, and handles that were pickled, in this and in another process."""

import asyncio
import copy
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from returns.result import Failure, Success

from fq import App, ConfigError, Handle, Missing, ResultMissing, ResultTimeout, TimedOut
from fq.calls.app_path import app_at, app_path
from tests.calls.workflow_actors import WorkflowActors

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module `tests.calls.handle_tasks`, imported anew, with its app on a file."""
    monkeypatch.setenv("FQ_URL", f"sqlite:///{tmp_path}/jobs.db")
    monkeypatch.delitem(sys.modules, "tests.calls.handle_tasks", raising=False)
    import tests.calls.handle_tasks as module

    yield module
    module.app.broker.close()
    sys.modules.pop("tests.calls.handle_tasks", None)


def elsewhere(code: str, *arguments: str) -> str:
    """Return what *code* prints in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True, env=environment, timeout=60)
    return ran.stdout.strip()


SHAPES: dict[str, Callable[[Any], Any]] = {
    "call": lambda tasks: tasks.add.call(1, 2),
    "pipeline": lambda tasks: tasks.add.call(1, 2) | tasks.double,
    "group": lambda tasks: tasks.app.group([tasks.add.call(n, 1) for n in range(3)]),
    "group in a pipeline": lambda tasks: tasks.add.call(1, 2) | tasks.app.group([tasks.double, tasks.double]),
    "step after a group": lambda tasks: tasks.app.group(tasks.add.call(1, 2)) | tasks.when.call().with_options(pipe_ignore=True),
}
every_shape = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())


@every_shape
def test_a_call_makes_the_handle_anew_from_its_first_id(tasks: Any, shape: Callable[[Any], Any]) -> None:
    call = shape(tasks)
    sent = call.send()
    made = call.handle(sent.root_id)
    tasks.app.run_until_idle()

    assert made == sent
    assert tuple(made.message_ids()) == tuple(sent.message_ids())
    assert made.get(0) == sent.get(0)
    assert made.completed


@every_shape
def test_a_handle_that_was_pickled_is_as_it_was(tasks: Any, shape: Callable[[Any], Any]) -> None:
    sent = shape(tasks).send()
    back = pickle.loads(pickle.dumps(sent))
    tasks.app.run_until_idle()

    assert back == sent
    assert back.app is sent.app
    assert back.get(0) == sent.get(0)


def test_another_process_reads_a_pickled_handle(tasks: Any) -> None:
    handles = [SHAPES[name](tasks).send() for name in ("call", "pipeline", "group", "step after a group")]
    tasks.app.run_until_idle()
    read = "import pickle, sys; print([handle.get_result() for handle in pickle.loads(bytes.fromhex(sys.argv[1]))])"

    assert elsewhere(read, pickle.dumps(handles).hex()) == repr([3, 6, [1, 2, 3], datetime(2030, 1, 31, tzinfo=UTC)])


def test_another_process_reads_a_result_by_id(tasks: Any) -> None:
    sent, dated = tasks.add.send(1, 2), tasks.when.send()
    tasks.app.run_until_idle()
    read = (
        "import sys; from datetime import datetime; from tests.calls.handle_tasks import add, app; first, second = sys.argv[1:]; "
        "print(add.handle(first).get_result(), app.handle(second, returns=datetime).get_result().year, app.handle(first).get_result())"
    )

    assert elsewhere(read, sent.message_id, dated.message_id) == "3 2030 3"


def test_a_handle_from_an_id_loads_what_its_type_says(tasks: Any) -> None:
    dated = tasks.when.send()
    tasks.app.run_until_idle()

    assert tasks.app.handle(dated.message_id, returns=datetime).get(0) == Success(datetime(2030, 1, 31, tzinfo=UTC))
    assert tasks.app.handle(dated.message_id).get(0) == Success("2030-01-31T00:00:00+00:00")
    assert tasks.when.handle(dated.message_id) == dated
    assert pickle.loads(pickle.dumps(tasks.app.handle(dated.message_id, returns=datetime))).get(0) == dated.get(0)


def test_an_id_that_nobody_sent_is_unknown(tasks: Any) -> None:
    handle = tasks.app.handle("nope", returns=int)

    assert handle.status().state == "unknown"
    assert handle.get(0) == Failure(Missing("nope"))
    assert handle.get(5) == Failure(TimedOut(5))
    assert (handle.cancel(), handle.run_now(), handle.completed) == (False, False, False)
    with pytest.raises(ResultMissing, match="no result of message nope yet, or it has expired, or no message has this id"):
        handle.get_result()
    with pytest.raises(ResultTimeout, match="no result of message nope within 5 ms"):
        handle.get_result(block=True, timeout=5)


def test_the_group_of_an_id_that_nobody_sent_is_unknown(tasks: Any) -> None:
    call = SHAPES["group"](tasks)
    sent = call.send()

    assert call.handle("nope").status().state == "unknown"
    assert call.handle(sent.root_id).status().state == "running"
    assert tasks.app.handle(sent.root_id).status().state == "unknown", "a group has no message of its own"
    tasks.app.run_until_idle()
    assert call.handle(sent.root_id).status().state == "done"


def test_a_handle_shows_its_message_and_no_secrets(tasks: Any) -> None:
    handle = tasks.app.handle("m1", returns=int)

    assert repr(handle) == "TaskHandle(message_id='m1', actor_name='message')"
    assert "jobs.db" not in repr(SHAPES["group in a pipeline"](tasks).send())


def test_a_copy_of_a_handle_is_the_handle() -> None:
    actors = WorkflowActors(App("memory://"))
    handle = actors.add.send(1, 2)

    assert copy.copy(handle) is handle
    assert copy.deepcopy([handle])[0] is handle


def test_a_handle_whose_app_nobody_finds_cannot_be_pickled() -> None:
    app = App("memory://")

    @app.actor
    def add(a: int, b: int) -> int:
        return a + b

    with pytest.raises(ConfigError, match=r"cannot be pickled: .* call app.handle\(message_id\) there"):
        pickle.dumps(add.send(1, 2))


@pytest.mark.parametrize("path", ["no_such_module_of_fq:app", "tests.calls.handle_tasks:nothing", "json:dumps"])
def test_a_pickled_handle_whose_app_has_gone_says_what_to_call(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FQ_URL", "memory://")
    with pytest.raises(ConfigError, match=r"call app.handle\('m1'\)"):
        app_at(path, "m1")


def test_an_app_is_found_where_it_is_now(tasks: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert app_path(tasks.app) == "tests.calls.handle_tasks:app"

    monkeypatch.setattr(tasks, "moved", tasks.app, raising=False)
    monkeypatch.setattr(tasks, "app", None)
    assert app_path(tasks.moved) == "tests.calls.handle_tasks:moved"
    monkeypatch.undo()


def test_async_callers_have_all_that_a_handle_does(tasks: Any) -> None:
    async def session() -> list[object]:
        first, second = await tasks.app.asend_many([tasks.add.call(1, 2), tasks.add.call(3, 4).delay(3_600_000)])
        states = [(await handle.astatus()).state for handle in (first, second)]
        moved = [await second.areschedule(priority=3), await second.arun_now(), await first.acancel()]
        await asyncio.to_thread(tasks.app.run_until_idle)
        await second.await_completion()
        with pytest.raises(ResultMissing):
            await tasks.app.handle("nope").aget_result()
        with pytest.raises(ResultTimeout):
            await tasks.app.handle("nope").await_completion(5)
        return [*states, *moved, await second.aget_result(), (await first.aget()).failure().type]

    assert asyncio.run(session()) == ["ready", "delayed", True, True, True, 7, "Cancelled"]


def test_the_root_id_is_that_of_the_first_message(tasks: Any) -> None:
    single, pipeline, group = (SHAPES[name](tasks).send() for name in ("call", "pipeline", "group"))

    def ids(handle: Handle[object]) -> tuple[str, ...]:
        return tuple(handle.message_ids())

    assert single.root_id == single.message_id
    assert pipeline.root_id == ids(pipeline)[0] != pipeline.message_id
    assert group.root_id == group.message_id not in ids(group)
