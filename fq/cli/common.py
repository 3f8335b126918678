"""What the commands share: finding an application, one line for every error, JSON."""

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar

import click

from fq.app import App
from fq.errors import ActorNotFound, BrokerError, FqError

F = TypeVar("F", bound=Callable[..., object])

BAD_USE = 2
NO_BROKER = 3


class Refused(click.ClickException):
    """One line about what went wrong, and an exit code: 2 for what was typed, 3 for a broker that cannot be used."""

    def __init__(self, message: str, exit_code: int = BAD_USE) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn fq's own errors into one line and an exit code."""
    try:
        yield
    except BrokerError as error:
        raise Refused(str(error), NO_BROKER) from None
    except FqError as error:
        raise Refused(str(error)) from None


def load_app(path: str) -> App:
    """
    Return the app at *path*, ``module:attribute``.

    Raises:
        Refused: no such module, no such attribute, or something else than an app there; says what to type.
    """
    module_name, colon, attribute = path.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise Refused(f"no module {error.name!r} here ({Path.cwd()}): expected module:app, such as tasks:app for tasks.py") from None
        raise Refused(f"{module_name} cannot be imported: {error}") from error
    except Exception as error:
        raise Refused(f"{module_name} cannot be imported: {type(error).__name__}: {error}") from error
    apps = [name for name, value in vars(module).items() if isinstance(value, App)]
    found: object = module
    for part in (attribute or "app").split("."):
        found = getattr(found, part, None)
    if isinstance(found, App):
        return found
    meant = f": did you mean {module_name}:{apps[0]}?" if apps else f": {module_name} has no App in it; write `app = fq.App()` there"
    raise Refused(f"found {'nothing' if found is None else repr(found)} at {module_name}:{attribute or 'app'}, expected an App{meant}")


def known_actor(app: App, name: str) -> None:
    """Raise `Refused`, with the nearest name, unless *app* has an actor called *name*."""
    try:
        app.get_actor(name)
    except ActorNotFound as error:
        near = get_close_matches(name, app.actors, 1)
        raise Refused(f"no actor called {name}: did you mean {near[0]}?" if near else str(error)) from None


def print_json(value: object) -> None:
    """Print *value* as JSON, for programs to read."""
    click.echo(json.dumps(value, indent=2))


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs to read.")
app_path = click.argument("app_path", metavar="APP")
