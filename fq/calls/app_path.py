"""`app_path` and `app_at`: where another process finds an app, so that a pickled handle finds it there."""

import importlib
import sys
from types import ModuleType
from typing import cast
from weakref import WeakKeyDictionary

from fq.calls.handle_operations import ResultSource
from fq.calls.uncommitted import UncommittedResults
from fq.errors import ConfigError

_known: "WeakKeyDictionary[ResultSource, str]" = WeakKeyDictionary()


def app_path(app: ResultSource) -> str:
    """
    Return where *app* is, as ``module:attribute``.

    Raises:
        ConfigError: it is not at the top of an imported module.
    """
    app = app.app if isinstance(app, UncommittedResults) else app
    if app not in _known or _at(_known[app]) is not app:
        modules = sorted(sys.modules.items(), key=lambda item: item[0] == "__main__")  # of two places, not the script
        found = next((path for name, module in modules if (path := _path_in(name, module, app))), "")
        if not found:
            raise ConfigError(
                f"a handle of {app!r} cannot be pickled: another process would not find the app, which is not a name at the top of a module; "
                "pass handle.message_id on, and call app.handle(message_id) there"
            )
        _known[app] = found
    return _known[app]


def _path_in(name: str, module: ModuleType, app: ResultSource) -> str:
    """Return where *app* is in *module*; ``""`` if it is not there."""
    attribute = next((key for key, value in list(vars(module).items()) if value is app), "")
    if not attribute or name != "__main__":
        return f"{name}:{attribute}" if attribute else ""
    spec = getattr(module, "__spec__", None)  # python -m tasks: others import it under its own name
    return f"{name if spec is None else spec.name}:{attribute}"


def _at(path: str) -> object:
    module, _, attribute = path.partition(":")
    return getattr(sys.modules.get(module), attribute, None)


def app_at(path: str, message_id: str) -> ResultSource:
    """
    Return the app at *path*, for the handle of *message_id*.

    Raises:
        ConfigError: there is none in this process.
    """
    module, _, attribute = path.partition(":")
    advice = f"in this process, call app.handle({message_id!r}) of the app that you mean"
    try:
        found = getattr(importlib.import_module(module), attribute, None)
    except ImportError as error:
        raise ConfigError(f"the app of this handle is at {path}, which cannot be imported here ({error}): {advice}") from None
    if not (hasattr(found, "broker") and hasattr(found, "get_actor")):
        raise ConfigError(f"the app of this handle was at {path}, where {found!r} is now: {advice}")
    return cast(ResultSource, found)
