"""What the commands share: loading the application, one-line errors, and output."""

import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import click
from click.shell_completion import CompletionItem

from fq.core.printable import printable
from fq.errors import ActorNotFound, BrokerError, FqError

if TYPE_CHECKING:
    from fq.app.app import App

DJANGO_PROJECT = "fq.django.project"

OF_FRAMEWORKS = (DJANGO_PROJECT, "fq.flask.project")
"""The only modules of fq with an app in them: that of the project of a web framework."""


class PlainError(click.ClickException):
    """An error that ends a command. Its text cannot contain control sequences."""

    def format_message(self) -> str:
        """Return the text, with control characters written out."""
        return printable(self.message, lines=True)


class UsageError(PlainError):
    """One line about what the user typed; exit code 2."""

    exit_code = 2


class UnusableBroker(PlainError):
    """One line about a broker that cannot be used; exit code 3."""

    exit_code = 3


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn errors of fq into one line and an exit code."""
    try:
        yield
    except BrokerError as error:
        raise UnusableBroker(str(error)) from None
    except FqError as error:
        raise UsageError(str(error)) from None
    except RecursionError:
        raise UsageError("an argument is nested too deeply: at most a few hundred levels are accepted") from None


def load_app(path: str) -> "App":
    """
    Return the app at *path*, ``module:attribute``.

    Raises:
        UsageError: there is no such module or attribute, or it is not an app; the text says what to type.
    """
    module_name, _, attribute = path.partition(":")
    if not module_name or module_name.startswith("."):
        raise UsageError(f"found {path!r}, expected an application: type module:app, such as tasks:app for tasks.py")
    if module_name.endswith(".py"):
        dotted = module_name.removesuffix(".py").strip("./").replace("/", ".")
        raise UsageError(f"found the file {module_name}, expected a module: did you mean {dotted}:{attribute or 'app'}?")
    if module_name.partition(".")[0] == "fq" and module_name not in OF_FRAMEWORKS:
        hidden = (
            f"{Path.cwd() / 'fq.py'} cannot be imported, because fq itself has that name"
            if Path("fq.py").exists()
            else "fq itself is not an application"
        )
        raise UsageError(f"{hidden}: put the app into a module with another name, such as tasks.py, and type tasks:app")
    sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise UsageError(f"no module {error.name!r} here ({Path.cwd()}): expected module:app, such as tasks:app for tasks.py") from None
        raise UsageError(f"{module_name} cannot be imported: {error}") from error
    except Exception as error:
        raise UsageError(f"{module_name} cannot be imported{_where(error)}: {type(error).__name__}: {error}") from error
    from fq.app.app import App

    apps = [name for name, value in vars(module).items() if isinstance(value, App)]
    found: object = module
    for part in (attribute or "app").split("."):
        found = getattr(found, part, None)
    if isinstance(found, App):
        return found
    meant = f": did you mean {module_name}:{apps[0]}?" if apps else f": {module_name} has no App in it; write `app = fq.App()` there"
    raise UsageError(f"found {'nothing' if found is None else repr(found)} at {module_name}:{attribute or 'app'}, expected an App{meant}")


def _where(error: Exception) -> str:
    """Return the line of the application that raised *error*."""
    skipped = (str(Path(__file__).parents[1]), str(Path(importlib.__file__).parent), "<")
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(skipped)]
    return f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""


def check_actor(app: "App", name: str) -> None:
    """Raise `UsageError`, with the nearest name, unless *app* has an actor called *name*."""
    try:
        app.get_actor(name)
    except ActorNotFound as error:
        near = get_close_matches(name, app.actors, 1)
        raise UsageError(f"no actor called {name}: did you mean {near[0]}?" if near else str(error)) from None


def check_queue(app: "App", name: str) -> None:
    """Raise `UsageError`, with the nearest name, unless *app* or its broker has a queue called *name*."""
    known = sorted({*app.queues, *(queue.queue_name for queue in app.broker.queues(1))})
    if name not in known:
        near = get_close_matches(name, known, 1)
        raise UsageError(f"no queue called {name}: " + (f"did you mean {near[0]}?" if near else f"expected one of {', '.join(known)}"))


def print_text(text: str, *, lines: bool = False, err: bool = False) -> None:
    """Print *text* with control characters written out; with *lines* it may have several lines."""
    click.echo(printable(text, lines=lines), err=err)


def json_or_text(text: str) -> object:
    """Return *text* decoded as JSON, or *text* itself if it is not JSON."""
    try:
        value: object = json.loads(text)
    except ValueError:
        return text
    return value


def print_json(value: object) -> None:
    """Print *value* as JSON."""
    click.echo(json.dumps(value, indent=2))


def confirm(question: str) -> None:
    """Ask *question* on standard error, so that standard output has the answer of the command only. Raises `click.Abort` unless the answer is yes."""
    click.confirm(question, abort=True, err=True)


Complete: TypeAlias = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def completing(names: Callable[["App"], Iterable[str]]) -> Complete:
    """Return what shells ask to complete one of the *names* of the app, none if the app cannot be loaded."""

    def complete(context: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
        try:
            found = list(names(load_app(context.params.get("app_path") or _typed_path())))
        except (click.ClickException, FqError):
            return []
        return [CompletionItem(name) for name in found if name.startswith(begun)]

    return complete


def _typed_path() -> str:
    """Return the path of the app on the line that a shell wants completed: click has not read it, since the option before the cursor has no value yet."""
    return next((word for word in os.environ.get("COMP_WORDS", "").split() if ":" in word), "")


complete_actors = completing(lambda app: app.actors)
complete_queues = completing(lambda app: app.queues)

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
values = click.option(
    "--values", "shows_values", is_flag=True, help="Show the values of arguments and results, not only what redact= allows."
)
app_path = click.argument("app_path", metavar="APP")
