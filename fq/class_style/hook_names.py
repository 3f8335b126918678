"""The hooks by name, how each is called, and the check that a middleware's methods accept these calls."""

import inspect
from collections.abc import Callable, Mapping

from attrs import frozen

from fq.class_style.dramatiq_compat import counterpart_of
from fq.errors import StackError


@frozen
class HookParameters:
    """How a hook is called: with the broker, then with *positional* arguments, then with *keyword* arguments."""

    positional: tuple[str, ...] = ()
    keyword: tuple[str, ...] = ()

    def __str__(self) -> str:
        keyword = ("*", *self.keyword) if self.keyword else ()
        return f"({', '.join(('broker', *self.positional, *keyword))})"


_message, _actor, _queue = HookParameters(("message",)), HookParameters(("actor",)), HookParameters(("queue_name",))
_worker, _thread = HookParameters(("worker",)), HookParameters(("thread",))

HOOKS: Mapping[str, HookParameters] = {
    "after_process_boot": HookParameters(),
    "before_declare_actor": _actor,
    "after_declare_actor": _actor,
    "before_declare_queue": _queue,
    "after_declare_queue": _queue,
    "after_declare_delay_queue": _queue,
    "before_enqueue": HookParameters(("message", "delay")),
    "after_enqueue": HookParameters(("message", "delay")),
    "before_delay_message": _message,
    "before_process_message": _message,
    "after_process_message": HookParameters(("message",), ("result", "exception")),
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

_NO_OP_CLASSES = frozenset((("fq.class_style.middleware", "Middleware"), ("dramatiq.middleware.middleware", "Middleware")))
"""Base classes whose hooks do nothing: fq never calls those."""


def hooks_of(middleware: object) -> Mapping[str, Hook]:
    """
    Return the hooks of *middleware* that do something, by name.

    Raises:
        StackError: *middleware* is a class, has no hooks, has a hook with other parameters, or is one of Dramatiq's that cannot work in fq.
    """
    if isinstance(middleware, type):
        raise StackError(f"found the class {middleware.__name__}, expected an object with hooks: write hooks({middleware.__name__}())")
    if layer := counterpart_of(middleware):
        raise StackError(
            f"Dramatiq's {type(middleware).__name__} decides the outcome of a message, which a hook cannot do in fq: "
            f"put fq's layer {layer} into the stack instead"
        )
    found = {name: getattr(middleware, name) for name in HOOKS if hasattr(middleware, name)}
    if not found and not hasattr(middleware, "actor_options") and not hasattr(middleware, "forks"):
        expected = "an object with hooks such as before_process_message: see fq.class_style.Middleware"
        raise StackError(f"found {middleware!r}, expected {expected}")
    forks_of(middleware)
    return {name: _checked(middleware, name, hook) for name, hook in found.items() if not _is_no_op(hook)}


def _is_no_op(hook: object) -> bool:
    return (getattr(hook, "__module__", ""), str(getattr(hook, "__qualname__", "")).partition(".")[0]) in _NO_OP_CLASSES


def _checked(middleware: object, name: str, hook: object) -> Hook:
    parameters, where = HOOKS[name], f"{type(middleware).__name__}.{name}"
    if not callable(hook):
        raise StackError(f"{where}: found {hook!r}, expected a method that can be called as {name}{parameters}")
    if inspect.iscoroutinefunction(hook):
        raise StackError(f"{where} is a coroutine function, expected a plain method: hooks are not awaited")
    try:
        signature = inspect.signature(hook)
    except ValueError:  # some C callables have none
        return hook
    try:
        signature.bind("broker", *parameters.positional, **dict.fromkeys(parameters.keyword))
    except TypeError as error:
        raise StackError(f"{where} cannot be called as {name}{parameters}: found {name}{signature}, {error}") from None
    return hook


def option_names_of(middleware: object) -> frozenset[str]:
    """
    Return the names in ``actor_options``, a property or an attribute of the class.

    Raises:
        StackError: it is not a collection of names.
    """
    names = getattr(middleware, "actor_options", ())
    if isinstance(names, str) or not (hasattr(names, "__iter__") and all(isinstance(name, str) for name in names)):
        where = f"{type(middleware).__name__}.actor_options"
        raise StackError(f"{where}: found {names!r}, expected a set of names, as a property or an attribute")
    return frozenset(names)


def forks_of(middleware: object) -> tuple[Callable[[], object], ...]:
    """
    Return the functions in ``forks``, a property or an attribute of the class.

    Raises:
        StackError: it is not a collection of functions.
    """
    forks = getattr(middleware, "forks", ())
    if not (hasattr(forks, "__iter__") and all(callable(fork) for fork in forks)):
        raise StackError(f"{type(middleware).__name__}.forks: found {forks!r}, expected a list of functions, as a property or an attribute")
    return tuple(forks)
