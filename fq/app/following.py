"""`follow`: sends a call with the outcome of the actor that runs, as `Call.follow` does. The handle cannot be read before that."""

from collections.abc import Callable
from typing import Literal, Protocol, TypeVar, cast

from fq.calls.call import Call
from fq.calls.group_handle import make_handle
from fq.calls.handle import Handle
from fq.calls.handle_operations import ResultSource
from fq.calls.uncommitted import UncommittedResults
from fq.core.derived_ids import child_id
from fq.core.outcome import Enqueue, new_enqueue
from fq.errors import DeclarationError, FollowError
from fq.execution.registry import Registry
from fq.layers.follow_ups import FollowUps
from fq.runtime.actor_run import ENDED, NOT_BEGUN, RUNNING, ActorRun, current_run

R = TypeVar("R")


class FollowingApp(ResultSource, Protocol):
    """The app, as it sends what follows."""

    @property
    def registry(self) -> Registry:
        """What it declares."""
        ...


def run_to_follow() -> ActorRun | None:
    """Return the run of the actor that calls this; None outside of an actor."""
    run = current_run()
    return None if run is None or run.state == NOT_BEGUN else run


def takes_sends(run: ActorRun, app: FollowingApp) -> bool:
    """Does what the actor of *run* sends by *app* wait for its outcome?"""
    if run.state != RUNNING or run.app not in (None, app):
        return False
    layer = app.registry.plan(run.message.actor_name).stack.get(FollowUps)
    return layer is not None and layer.follows(run.message)


def follow(
    app: FollowingApp, run: ActorRun, call: Call[R], start: Callable[[Call[R], str, int], tuple[Enqueue, ...]], always: bool = False
) -> Handle[R]:
    """Send *call* with the outcome of *run*; *start* makes its messages, of its id and the time."""
    if run.app not in (None, app):
        raise DeclarationError(
            f"found follow() of a call of {app!r} inside an actor of {run.app!r}, expected one app, since one commit is for one broker: use send()"
        )
    parent, follow_ups = run.message, run.collected()
    if run.state == ENDED:  # looked at once `follow_ups` is there, which the end of the run closes
        raise too_late(run)
    message_id = call.chosen_id or child_id(parent.message_id, "follow", follow_ups.take_number())
    only_on: Literal["final", "success"] = "final" if always else "success"
    started = start(call, message_id, parent.received_at)
    if not follow_ups.add([new_enqueue(each.message, each.delay, False, only_on) for each in started]):
        raise too_late(run)
    return cast("Handle[R]", make_handle(UncommittedResults(app, run), app.registry.stores_result, call.steps, message_id))


def too_late(run: ActorRun) -> FollowError:
    """Return the error for what is to follow a run that has ended."""
    return FollowError(
        f"found follow() after the end of {run.message}, expected it while the actor runs: its outcome is made. Await the task, or join the thread, "
        "that calls it in the actor, or use send()"
    )
