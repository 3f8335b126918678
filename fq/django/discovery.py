"""Which modules of a project declare actors and tasks: those that a worker imports, and those in which it looks for a task that it does not know."""

from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from fq.django.application import project_app
from fq.django.settings import read_settings


def task_modules() -> Iterator[str]:
    """
    Yield the modules that ``FQ["TASK_MODULES"]`` names: those of a name without dots in each installed app that has one.

    Raises:
        ImproperlyConfigured: a module that is named by its whole path is not there.
    """
    for name in read_settings().task_modules:
        if "." in name:
            if not _exists(name):
                raise ImproperlyConfigured(f"FQ['TASK_MODULES']: there is no module {name!r}")
            yield name
            continue
        for config in apps.get_app_configs():
            if _exists(f"{config.name}.{name}"):
                yield f"{config.name}.{name}"


def discover() -> tuple[str, ...]:
    """
    Import all modules that declare actors and tasks, and return their names.

    Raises:
        ImproperlyConfigured: see `task_modules`.
        Any error that a module raises when it is imported.
    """
    found = tuple(dict.fromkeys(task_modules()))
    for name in found:
        import_module(name)
    project_app().registry.look_up = import_task
    make_backends()
    return found


def make_backends() -> None:
    """Make the backends of Django's tasks, which declare the queues that ``TASKS`` lists; if there is a Tasks API here."""
    try:
        from fq.django.tasks_api import task_backends  # noqa: PLC0415  # it may not be there
    except ImproperlyConfigured:
        return
    task_backends.all()


def import_task(path: str) -> None:
    """
    Import the module of the task at *path*, which declares it. For a task that an installed app has in another module than its ``tasks``.

    The name comes from a message, so nothing outside of the installed apps is imported.
    """
    if any(path.startswith(f"{config.name}.") for config in apps.get_app_configs()):
        try:
            import_string(path)
        except ImportError:
            return


def _exists(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # one of its packages is not there
        return False
