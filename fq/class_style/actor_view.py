"""`ActorView`, an actor as class-style middleware sees it."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence

from fq.calls.actor import AnyActor
from fq.class_style.message_view import FIELDS, BrokerPort, MessageView, whole_ms
from fq.core.duration import Duration
from fq.core.message import Message
from fq.core.reserved_options import check_user_options
from fq.runtime.fresh_ids import fresh_id


class ActorView:
    """
    Mutable: an actor as the hooks see it. A hook may set any attribute on it; later hooks find the attribute there.

    Attributes:
        actor_name, queue_name, priority: as declared.

        options: by name, the options of the actor's declaration, and those that the class-style layers of its stack have for it.

        fn: the function.

        logger: the logger ``<module>.<actor name>``.
    """

    def __init__(self, broker: BrokerPort, actor: AnyActor) -> None:
        self.broker = broker
        self.actor_name = actor.name
        self.queue_name = actor.queue_name
        self.priority = actor.priority
        self.options: dict[str, object] = {**_layer_options(broker, actor), **actor.options, **actor.message_options, **actor.local_options}
        self.fn: Callable[..., object] = actor.fn
        self.logger = logging.getLogger(f"{getattr(actor.fn, '__module__', None) or '_'}.{actor.name}")
        self._actor = actor

    def __call__(self, *args: object, **kwargs: object) -> object:
        """Call the function directly; nothing is sent."""
        return self.fn(*args, **kwargs)

    def message(self, *args: object, **kwargs: object) -> MessageView:
        """Return a message with these arguments, without sending it."""
        return self.message_with_options(args=args, kwargs=kwargs)

    def message_with_options(
        self, *, args: Sequence[object] = (), kwargs: Mapping[str, object] | None = None, **options: object
    ) -> MessageView:
        """Return a message with these arguments and *options*, without sending it."""
        check_user_options(options)
        now = time.time_ns() // 1_000_000
        (enqueue,) = self._actor.call(*args, **(kwargs or {})).enqueues(fresh_id(now), now)
        return MessageView(self.broker, enqueue.message.with_options(**options))

    def send(self, *args: object, **kwargs: object) -> MessageView:
        """Send a message with these arguments, and return it."""
        return self.broker.enqueue(self.message(*args, **kwargs))

    def send_with_options(
        self, *, args: Sequence[object] = (), kwargs: Mapping[str, object] | None = None, delay: Duration | None = None, **options: object
    ) -> MessageView:
        """Send a message with these arguments and *options*, to run after *delay* (ms or timedelta), and return it."""
        return self.broker.enqueue(self.message_with_options(args=args, kwargs=kwargs, **options), delay=delay)

    def __str__(self) -> str:
        return f"Actor({self.actor_name})"

    def __repr__(self) -> str:
        return f"ActorView({self._actor!r})"


def _layer_options(broker: BrokerPort, actor: AnyActor) -> dict[str, object]:
    """Return the options that the class-style layers in the stack of *actor* have for it."""
    layers = [layer for layer in broker.app.stack_of(actor) if hasattr(layer, "hooks")]
    return {
        name: layer.option(name) for layer in layers for name in layer.accepted_options() if name in getattr(layer, "given_options", ())
    }


def as_message(given: object) -> Message:
    """
    Return *given* as a message: a view, an ``fq.Message``, or any object with the fields of a message.

    The timestamp of such an object may be a float, as class-style code writes it.

    Raises:
        TypeError: *given* is none of these.
    """
    if isinstance(given, Message):
        return given
    if isinstance(given, MessageView):
        return given.to_message()
    try:
        fields = {name: getattr(given, name) for name in FIELDS}
    except AttributeError:
        raise TypeError(f"found {given!r}, expected a message") from None
    return Message(**whole_ms(fields))
