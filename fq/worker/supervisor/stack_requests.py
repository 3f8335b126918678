"""`StackRequests`: asks children for their stacks by a signal, and passes on what they answer. Mutable shell."""

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from time import monotonic

from attrs import define, field, frozen

from fq.execution.worker_orders import Order
from fq.worker.order_desk import OrderDesk
from fq.worker.process.control_signals import STACKS
from fq.worker.supervisor.child import ChildProcess

PATIENCE_SECONDS = 3.0
"""How long a child has for its own account. Then what Python has written at the signal must do: the child cannot run any code."""


@frozen
class Asked:
    """An *order* that a child has been asked to answer *until* a time, in seconds on the monotonic clock."""

    order: Order
    until: float


@define(eq=False)
class StackRequests:
    """The children that have been asked, by name; answers go to *desk*."""

    desk: OrderDesk
    _asked: dict[str, Asked] = field(factory=dict)

    def ask(self, children: Iterable[ChildProcess], orders: Mapping[str, Order]) -> None:
        """Ask those of *children* that *orders* name. One that was asked already is not asked again."""
        for child in children:
            order = orders.get(child.name)
            if order is not None:
                if child.name not in self._asked:
                    child.scoreboard.clear_stacks()
                    with suppress(ProcessLookupError):
                        os.kill(child.pid, STACKS)
                self._asked[child.name] = Asked(order, monotonic() + PATIENCE_SECONDS)

    def collect(self, children: Sequence[ChildProcess]) -> bool:
        """Pass on the answers that have come; are there any?"""
        present = {child.name: child for child in children}
        for name, asked in list(self._asked.items()):
            text = self._answer(present.get(name), is_late=monotonic() >= asked.until)
            if text:
                del self._asked[name]
                self.desk.answer(name, asked.order, text)
        return self.desk.has_answers

    def _answer(self, child: ChildProcess | None, is_late: bool) -> str:
        """Return the answer of *child*; ``""`` if it may still come."""
        if child is None:
            return "The process has ended."
        dumped, told = child.scoreboard.read_stacks()
        if told or not is_late:
            return told
        if dumped:
            return f"The process has not answered for {PATIENCE_SECONDS:.0f} s: code that no signal reaches holds the GIL. Python's own account:\n\n{dumped}"
        return "The process has not answered: it is starting, or it was stopped by SIGSTOP."
