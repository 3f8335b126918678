"""`Recipe`: how to make a broker again in another process, which has not imported the app. A supervisor makes its own broker so."""

from collections.abc import Mapping
from importlib import import_module

from attrs import frozen

from fq.brokers.protocol import Broker


@frozen
class Recipe:
    """
    The class of a broker, ``module:name``, and the *arguments* to call it with: values that JSON has.

    >>> Recipe("fq.brokers.memory.broker:MemoryBroker", {"dead_ttl": 1_000}).make()
    MemoryBroker(...)
    """

    broker: str
    arguments: Mapping[str, str | int]

    def make(self) -> Broker:
        """Return a broker of this class, with these arguments."""
        module, _, name = self.broker.partition(":")
        made: Broker = getattr(import_module(module), name)(**self.arguments)
        return made


def recipe_of(broker: Broker) -> Recipe | None:
    """
    Return how to make *broker* again; None if it was made from more than a recipe can say: a client of redis-py, a clock, a class of the app's own.

    >>> class Mine:
    ...     pass
    >>> recipe_of(Mine())
    """
    arguments = getattr(broker, "recipe", None)
    kind = type(broker)
    return (
        Recipe(f"{kind.__module__}:{kind.__qualname__}", arguments) if arguments is not None and kind.__module__.startswith("fq.") else None
    )
