"""`FqTask`: the class of tasks of `FqBackend`, which has the options of an actor beside those of Django. `declare` makes an actor of a task."""

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from inspect import Parameter, Signature, iscoroutinefunction, signature
from typing import Any, cast

from fq.app.app import App
from fq.calls.actor import AnyActor
from fq.core.duration import Duration
from fq.django.task_runs import TaskRuns, arguments
from fq.django.tasks_api import AnyTask, BaseTaskBackend, normalize_json
from fq.errors import ActorNotFound, Error
from fq.layers.keep import keep
from fq.middleware.base import Middleware

ACTOR_OPTIONS = ("max_retries", "min_backoff", "max_backoff", "time_limit", "max_age")
"""The options of an actor that ``OPTIONS`` of a backend, and ``@task(...)``, may set."""

_lock = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class FqTask(AnyTask):
    """
    A task of `FqBackend`: ``@task(max_retries=3, time_limit=60_000)``. None means: as ``OPTIONS`` of the backend, or the stack of the app, says.

    Attributes:
        max_retries: how often a task that has failed is run again. By default it is not: Django's tasks run once.

        min_backoff, max_backoff: the first pause before a retry, and the longest one, ms or timedelta.

        time_limit: how long it may run, ms or timedelta.

        max_age: how old it may become before it runs, ms or timedelta.

        retry_when, throws: see the layer `Retries`.

        tags: short texts by which its messages are found.

        layers: layers of fq for this task alone.
    """

    max_retries: int | None = field(default=None, repr=False)
    min_backoff: Duration | None = field(default=None, repr=False)
    max_backoff: Duration | None = field(default=None, repr=False)
    time_limit: Duration | None = field(default=None, repr=False)
    max_age: Duration | None = field(default=None, repr=False)
    retry_when: Callable[[int, Error], bool] | None = field(default=None, repr=False)
    throws: tuple[type[BaseException], ...] = field(default=(), repr=False)
    tags: tuple[str, ...] = field(default=(), repr=False)
    layers: tuple[Middleware, ...] = field(default=(), repr=False)


def declare(app: App, task: AnyTask, sender: type[BaseTaskBackend], options: Mapping[str, object], keep_for: Duration) -> AnyActor:
    """
    Return the actor of *task* in *app*; the first call for a function declares it. Its name is the path of the function.

    Raises:
        OptionError, StackError: options or layers that do not fit the stack of the app.
    """
    name = task.module_path
    with suppress(ActorNotFound):
        return app.get_actor(name)
    with _lock:
        if name not in app.actors:  # or another thread has declared it meanwhile
            _declare(app, name, task, sender, {**options, **_own_options(task)}, keep_for)
    return app.get_actor(name)


def _declare(app: App, name: str, task: AnyTask, sender: type[BaseTaskBackend], options: Mapping[str, object], keep_for: Duration) -> None:
    given = {"max_retries": 0, **options, "store_results": True, "result_ttl": keep_for}
    layers = (keep(ttl=keep_for, count=0), TaskRuns(task, sender), *(task.layers if isinstance(task, FqTask) else ()))
    decorate = app.actor(*layers, name=name, queue=task.queue_name, priority=-task.priority, **cast("dict[str, Any]", given))
    decorate(_function(task))


def _own_options(task: AnyTask) -> dict[str, object]:
    names = (*ACTOR_OPTIONS, "retry_when", "throws", "tags")
    return {name: value for name in names if (value := getattr(task, name, None)) not in (None, ())}


def _function(task: AnyTask) -> Callable[..., object]:
    """Return what the actor of *task* runs: its function, whose value is made JSON, or fails, as Django wants it."""
    function = task.func

    def run(*args: object, **kwargs: object) -> object:
        return normalize_json(function(*arguments(task, args), **kwargs))

    async def arun(*args: object, **kwargs: object) -> object:
        return normalize_json(await function(*arguments(task, args), **kwargs))

    chosen: Callable[..., object] = arun if iscoroutinefunction(function) else run
    chosen.__name__, chosen.__qualname__, chosen.__module__ = function.__name__, function.__qualname__, function.__module__
    chosen.__doc__ = function.__doc__
    chosen.__signature__ = _signature(task)  # type: ignore[attr-defined]  # inspect.signature reads it
    return chosen


def _signature(task: AnyTask) -> Signature:
    """Return the parameters of *task* as messages have them: without its context, and of any JSON value, whatever the annotations say."""
    parameters = list(signature(task.func).parameters.values())[task.takes_context :]
    return Signature([parameter.replace(annotation=Parameter.empty) for parameter in parameters], return_annotation=object)
