"""The hooks by name, how each is called, and the check that an object's methods can be called so."""

import inspect
from collections.abc import Callable, Mapping

from attrs import frozen

from fq.class_style.dramatiq_compat import counterpart_of
from fq.errors import StackError


@frozen
class Shape:
    """How a hook is called: with the broker, then *given*, then *named* by keyword."""

    given: tuple[str, ...] = ()
    named: tuple[str, ...] = ()

    def __str__(self) -> str:
        named = ("*", *self.named) if self.named else ()
        return f"({', '.join(('broker', *self.given, *named))})"


_message, _actor, _queue = Shape(("message",)), Shape(("actor",)), Shape(("queue_name",))
_worker, _thread = Shape(("worker",)), Shape(("thread",))

HOOKS: Mapping[str, Shape] = {
    "after_process_boot": Shape(),
    "before_declare_actor": _actor,
    "after_declare_actor": _actor,
    "before_declare_queue": _queue,
    "after_declare_queue": _queue,
    "after_declare_delay_queue": _queue,
    "before_enqueue": Shape(("message", "delay")),
    "after_enqueue": Shape(("message", "delay")),
    "before_delay_message": _message,
    "before_process_message": _message,
    "after_process_message": Shape(("message",), ("result", "exception")),
    "after_skip_message": _message,
    "before_ack": _message,
    "after_ack": _message,
    "before_nack": _message,
    "after_nack": _message,
    "before_worker_boot": _worker,
    "after_worker_boot": _worker,
    "before_worker_shutdown": _worker,
    "after_worker_shutdown": _worker,
    "after_consumer_thread_boot": _thread,
    "before_consumer_thread_shutdown": _thread,
    "after_worker_thread_boot": _thread,
    "before_worker_thread_shutdown": _thread,
}

Hook = Callable[..., object]

_IDLE = frozenset((("fq.class_style.middleware", "Middleware"), ("dramatiq.middleware.middleware", "Middleware")))
"""Where the hooks that do nothing come from: they are not called at all."""


def hooks_of(middleware: object) -> Mapping[str, Hook]:
    """
    Return the hooks that *middleware* has and that do something, by name.

    Raises:
        StackError: it is a class, or has no hooks, or one that cannot be called as hooks are, or it is Dramatiq's and cannot work in fq.
    """
    if isinstance(middleware, type):
        raise StackError(f"found the class {middleware.__name__}, expected an object with hooks: write hooks({middleware.__name__}())")
    if layer := counterpart_of(middleware):
        raise StackError(
            f"{type(middleware).__name__} of Dramatiq decides what becomes of a message, which a hook cannot do in fq: "
            f"put the layer {layer} of fq into the stack instead"
        )
    found = {name: getattr(middleware, name) for name in HOOKS if hasattr(middleware, name)}
    if not found and not hasattr(middleware, "actor_options") and not hasattr(middleware, "forks"):
        expected = "an object with hooks such as before_process_message: see fq.class_style.Middleware"
        raise StackError(f"found {middleware!r}, expected {expected}")
    forks_of(middleware)
    return {name: _checked(middleware, name, hook) for name, hook in found.items() if not _is_idle(hook)}


def _is_idle(hook: object) -> bool:
    return (getattr(hook, "__module__", ""), str(getattr(hook, "__qualname__", "")).partition(".")[0]) in _IDLE


def _checked(middleware: object, name: str, hook: object) -> Hook:
    shape, where = HOOKS[name], f"{type(middleware).__name__}.{name}"
    if not callable(hook):
        raise StackError(f"{where}: found {hook!r}, expected a method, to be called as {name}{shape}")
    if inspect.iscoroutinefunction(hook):
        raise StackError(f"{where} is a coroutine function, expected a plain method: nobody would await it")
    try:
        signature = inspect.signature(hook)
    except ValueError:  # some callables of C have none
        return hook
    try:
        signature.bind("broker", *shape.given, **dict.fromkeys(shape.named))
    except TypeError as error:
        raise StackError(f"{where} cannot be called as {name}{shape}: found {name}{signature}, {error}") from None
    return hook


def option_names_of(middleware: object) -> frozenset[str]:
    """
    Return the names in ``actor_options``, which may be a property or an attribute of the class.

    Raises:
        StackError: it is something else than a collection of names.
    """
    names = getattr(middleware, "actor_options", ())
    if isinstance(names, str) or not (hasattr(names, "__iter__") and all(isinstance(name, str) for name in names)):
        where = f"{type(middleware).__name__}.actor_options"
        raise StackError(f"{where}: found {names!r}, expected a set of names, as a property or an attribute")
    return frozenset(names)


def forks_of(middleware: object) -> tuple[Callable[[], object], ...]:
    """
    Return what is in ``forks``.

    Raises:
        StackError: it is something else than a collection of functions.
    """
    forks = getattr(middleware, "forks", ())
    if not (hasattr(forks, "__iter__") and all(callable(fork) for fork in forks)):
        raise StackError(f"{type(middleware).__name__}.forks: found {forks!r}, expected a list of functions, as a property or an attribute")
    return tuple(forks)
