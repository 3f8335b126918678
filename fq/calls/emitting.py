"""`EmittingActor` and `EmittingCall`: an actor with ``emits=``, and its calls, whose handles yield what it emits. They differ in their types alone."""

from typing import Generic, ParamSpec, TypeVar, cast

from attrs import frozen

from fq.calls.actor import Actor
from fq.calls.call import Call
from fq.calls.emitting_handle import EmittingHandle
from fq.calls.starting import AT_ONCE

P = ParamSpec("P")
R = TypeVar("R")
V = TypeVar("V")
C = TypeVar("C")
R_co = TypeVar("R_co", covariant=True)
C_co = TypeVar("C_co", covariant=True)


@frozen
class EmittingCall(Call[R_co], Generic[R_co, C_co]):
    """A `Call` of an actor that emits values of type *C*."""

    def send(self, *, on: object = AT_ONCE) -> EmittingHandle[R_co, C_co]:
        """See `Call.send`."""
        return cast("EmittingHandle[R_co, C_co]", super().send(on=on))

    async def asend(self, *, on: object = AT_ONCE) -> EmittingHandle[R_co, C_co]:
        """See `Call.asend`."""
        return cast("EmittingHandle[R_co, C_co]", await super().asend(on=on))

    def follow(self, *, always: bool = False) -> EmittingHandle[R_co, C_co]:
        """See `Call.follow`."""
        return cast("EmittingHandle[R_co, C_co]", super().follow(always=always))

    def handle(self, message_id: str) -> EmittingHandle[R_co, C_co]:
        """See `Call.handle`."""
        return cast("EmittingHandle[R_co, C_co]", super().handle(message_id))


@frozen(eq=False, repr=False)
class EmittingActor(Actor[P, R, V], Generic[P, R, V, C]):
    """An `Actor` that emits values of type *C* while it runs, by ``fq.emit``."""

    def call(self, *args: P.args, **kwargs: P.kwargs) -> EmittingCall[R, C]:
        """See `Actor.call`."""
        return EmittingCall(super().call(*args, **kwargs).steps)

    def send(self, *args: P.args, **kwargs: P.kwargs) -> EmittingHandle[R, C]:
        """See `Actor.send`."""
        return cast("EmittingHandle[R, C]", super().send(*args, **kwargs))

    async def asend(self, *args: P.args, **kwargs: P.kwargs) -> EmittingHandle[R, C]:
        """See `Actor.asend`."""
        return cast("EmittingHandle[R, C]", await super().asend(*args, **kwargs))
