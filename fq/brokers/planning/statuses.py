"""What the row of a message says: its status, and its latest fault. Pure."""

import json

from fq.brokers.planning.states import DELAYED, NEVER, READY, RUNNING
from fq.brokers.sights import Status
from fq.core.fault import Fault

STATES = {DELAYED: "delayed", READY: "ready", RUNNING: "running"}


def live_status(
    message_id: str, state: int, queue: str, actor: str, deliveries: int, due: int, worker: str, fault: str | None, token: int, *, now: int
) -> Status:
    """Return the status of a message that waits or runs. One that is put aside is delayed without a time."""
    if state == DELAYED and due <= now:
        state = READY
    shown = due if state == DELAYED and due != NEVER else 0
    return Status(message_id, STATES[state], queue, actor, deliveries, shown, worker, fault_from_json(fault), token=token)


def letter_status(message_id: str, queue: str, actor: str, fault: str) -> Status:
    """Return the status of a dead letter."""
    return Status(message_id, "dead", queue, actor, fault=fault_from_json(fault))


def fault_to_json(fault: Fault) -> str:
    """Return *fault* as the table stores it: in ASCII, so that no character of an error makes trouble."""
    return json.dumps(fault.as_json())


def fault_from_json(text: str | None) -> Fault | None:
    """Return the fault that the table stores as *text*."""
    return None if text is None else Fault.from_json(json.loads(text))


def message_of(fault: str) -> str:
    """Return the text of the error that the table stores as *fault*."""
    return str(json.loads(fault).get("message", ""))
