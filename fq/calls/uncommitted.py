"""`UncommittedResults`: what a handle of `Call.follow` reads, once the actor that called it has ended."""

from attrs import frozen

from fq.brokers.protocol import Broker
from fq.calls.handle_operations import Named, ResultSource
from fq.errors import FollowError
from fq.runtime.actor_run import RUNNING, ActorRun, current_run


@frozen(eq=False)
class UncommittedResults:
    """The results of what *run* sends with its outcome: they cannot be read in it, since nothing is sent before it has ended."""

    app: ResultSource
    run: ActorRun

    @property
    def broker(self) -> Broker:
        """The broker of the app."""
        if self.run.state == RUNNING and current_run() is self.run:
            raise FollowError(
                f"found a handle of follow() read inside {self.run.message}, whose commit sends the call, expected that only afterwards: "
                "use send() to wait for a result in the actor, or then() for what comes after it"
            )
        return self.app.broker

    def get_actor(self, name: str) -> Named:
        """See `App.get_actor`."""
        return self.app.get_actor(name)
