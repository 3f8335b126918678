"""`Lookups`: the part of an `App` that says what it declares, and where its messages go."""

from fq.brokers.protocol import Broker
from fq.calls.actor import AnyActor
from fq.calls.templates import Callee
from fq.execution.registry import Registry
from fq.middleware.stack import Stack


class Lookups:
    """Reads *registry*, and has *_broker*."""

    _broker: Broker
    registry: Registry

    @property
    def broker(self) -> Broker:
        """The broker. Its first call connects."""
        return self._broker

    def get_actor(self, name: str) -> AnyActor:
        """
        Return the actor called *name*.

        Raises:
            ActorNotFound: no actor of the app has this name.
        """
        return self.registry.get_actor(name)

    def stack_of(self, actor: Callee) -> Stack:
        """Return the stack that *actor* runs in: the app's stack with the layers and options of the actor."""
        return self.registry.plan(actor.name).stack

    def expect_workers(self, queue_name: str) -> None:
        """Log a warning, once for each queue, if the app has no such queue: its workers claim from it only if ``--queues`` names it."""
        self.registry.queues.expect_workers(queue_name)
