"""
What a broker is, in its shortest form: a frozen `Model`, and a pure function for each call, from a model to the next one.

No heaps, no indexes, no clock, no bytes saved: only what ``fq/brokers/protocol.py`` and its neighbours say. `test_state_machine.py` holds real brokers
against it. Read ``records.py`` first, then ``keys.py``, ``commits.py`` and ``operators.py`` (calls), and ``questions.py``.
"""

from tests.brokers.model.commits import apply, begin_turn, claim, take_back
from tests.brokers.model.keys import place, place_all, replace, run_now
from tests.brokers.model.marks import add_count, counts, due_marks, listed, mark, set_mark
from tests.brokers.model.operators import cancel, cancel_groups, discard, pause, purge, release, renew, requeue, resume
from tests.brokers.model.questions import (
    claimable,
    claimed_by,
    claimed_next,
    entry,
    holders,
    interruption,
    letters,
    next_due,
    precedes,
    queue,
    result,
    shown,
    state,
    status,
)
from tests.brokers.model.records import Message, Model, advance

__all__ = [
    "Message",
    "Model",
    "add_count",
    "advance",
    "apply",
    "begin_turn",
    "cancel",
    "cancel_groups",
    "claim",
    "claimable",
    "claimed_by",
    "claimed_next",
    "counts",
    "discard",
    "due_marks",
    "entry",
    "holders",
    "interruption",
    "letters",
    "listed",
    "mark",
    "next_due",
    "pause",
    "place",
    "place_all",
    "precedes",
    "purge",
    "queue",
    "release",
    "renew",
    "replace",
    "requeue",
    "result",
    "resume",
    "run_now",
    "set_mark",
    "shown",
    "state",
    "status",
    "take_back",
]
