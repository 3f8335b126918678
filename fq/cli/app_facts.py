"""`AppFacts`: what a supervisor has to know of an app, which it does not import itself."""

import json
from collections.abc import Sequence

from attrs import asdict, frozen

from fq.brokers.recipe import Recipe


@frozen
class AppFacts:
    """
    What a process that has imported an app says of it.

    Attributes:
        broker: what the log calls the broker.

        recipe: how to make the broker again; None if only the app can make it.

        actors: how many there are.

        queues: what the app's workers claim from by default.

        metrics: the address to serve metrics at, host and port; None: they are not served.

        forks: the functions that class-style middleware runs in processes of their own, by name.

        handlers: the signals for which the app has set handlers, by name, if a process of its own has imported it.
    """

    broker: str
    recipe: Recipe | None
    actors: int
    queues: tuple[str, ...]
    metrics: tuple[str, int] | None
    forks: tuple[str, ...]
    handlers: tuple[str, ...] = ()

    def to_json(self, handlers: Sequence[str] = ()) -> str:
        """Return it as text, for another process, with these *handlers*."""
        return json.dumps({**asdict(self), "handlers": handlers})

    @classmethod
    def from_json(cls, text: str) -> "AppFacts":
        """Return the facts that `to_json` wrote."""
        fields = json.loads(text)
        return cls(
            fields["broker"],
            fields["recipe"] and Recipe(**fields["recipe"]),
            fields["actors"],
            tuple(fields["queues"]),
            fields["metrics"] and tuple(fields["metrics"]),
            tuple(fields["forks"]),
            tuple(fields["handlers"]),
        )
