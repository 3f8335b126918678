"""What the commands share: finding an application, one line for every error, JSON."""

import importlib
import json
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path

import click

from fq.app.app import App
from fq.core.printable import printable
from fq.errors import ActorNotFound, BrokerError, FqError


class PlainError(click.ClickException):
    """An error that ends a command, in which nothing can change the screen."""

    def format_message(self) -> str:
        """Return the text as it is printed."""
        return printable(self.message, lines=True)


class Refused(PlainError):
    """One line about what was typed; exit code 2."""

    exit_code = 2


class NoBroker(PlainError):
    """One line about a broker that cannot be used; exit code 3."""

    exit_code = 3


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn fq's own errors into one line and an exit code."""
    try:
        yield
    except BrokerError as error:
        raise NoBroker(str(error)) from None
    except FqError as error:
        raise Refused(str(error)) from None
    except RecursionError:
        raise Refused("an argument is nested too deeply: expected some hundred levels at most") from None


def load_app(path: str) -> App:
    """
    Return the app at *path*, ``module:attribute``.

    Raises:
        Refused: no such module, no such attribute, or something else than an app there; says what to type.
    """
    module_name, _, attribute = path.partition(":")
    if not module_name or module_name.startswith("."):
        raise Refused(f"found {path!r} where an application was expected: type module:app, such as tasks:app for tasks.py")
    if module_name.endswith(".py"):
        dotted = module_name.removesuffix(".py").strip("./").replace("/", ".")
        raise Refused(f"found the file {module_name}, expected a module: did you mean {dotted}:{attribute or 'app'}?")
    if module_name.partition(".")[0] == "fq":
        hidden = (
            f"{Path.cwd() / 'fq.py'} cannot be imported, since fq itself has that name"
            if Path("fq.py").exists()
            else "fq itself is no application"
        )
        raise Refused(f"{hidden}: put the app into a module of another name, such as tasks.py, and type tasks:app")
    sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise Refused(f"no module {error.name!r} here ({Path.cwd()}): expected module:app, such as tasks:app for tasks.py") from None
        raise Refused(f"{module_name} cannot be imported: {error}") from error
    except Exception as error:
        raise Refused(f"{module_name} cannot be imported{_where(error)}: {type(error).__name__}: {error}") from error
    apps = [name for name, value in vars(module).items() if isinstance(value, App)]
    found: object = module
    for part in (attribute or "app").split("."):
        found = getattr(found, part, None)
    if isinstance(found, App):
        return found
    meant = f": did you mean {module_name}:{apps[0]}?" if apps else f": {module_name} has no App in it; write `app = fq.App()` there"
    raise Refused(f"found {'nothing' if found is None else repr(found)} at {module_name}:{attribute or 'app'}, expected an App{meant}")


def _where(error: Exception) -> str:
    """Return the line of the application on which *error* was raised."""
    skipped = (str(Path(__file__).parents[1]), str(Path(importlib.__file__).parent), "<")
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(skipped)]
    return f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""


def known_actor(app: App, name: str) -> None:
    """Raise `Refused`, with the nearest name, unless *app* has an actor called *name*."""
    try:
        app.get_actor(name)
    except ActorNotFound as error:
        near = get_close_matches(name, app.actors, 1)
        raise Refused(f"no actor called {name}: did you mean {near[0]}?" if near else str(error)) from None


def known_queue(app: App, name: str) -> None:
    """Raise `Refused`, with the nearest name, unless *app* or its broker has a queue called *name*."""
    known = sorted({*app.queues, *(queue.queue_name for queue in app.broker.queues())})
    if name not in known:
        near = get_close_matches(name, known, 1)
        raise Refused(f"no queue called {name}: " + (f"did you mean {near[0]}?" if near else f"expected one of {', '.join(known)}"))


def say(text: str, *, lines: bool = False, err: bool = False) -> None:
    """Print *text*, which may come from outside; with *lines* it may have several."""
    click.echo(printable(text, lines=lines), err=err)


def parsed(text: str) -> object:
    """Return what *text* is as JSON, or else the text."""
    try:
        value: object = json.loads(text)
    except ValueError:
        return text
    return value


def print_json(value: object) -> None:
    """Print *value* as JSON, for programs to read."""
    click.echo(json.dumps(value, indent=2))


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs to read.")
app_path = click.argument("app_path", metavar="APP")
