"""`OrderDesk`: takes the orders for a worker program from its heartbeats, and sends its answers with the next. Mutable shell."""

from collections.abc import Iterable, Mapping, Sequence

from attrs import define, field

from fq.brokers.operations import Mark, SetMarkOp
from fq.brokers.protocol import Broker
from fq.execution.worker_orders import Order, Orders, Stacks, order_in, stacks_op, stacks_order_key, wanted_key
from fq.execution.worker_reports import WorkerReport, report_op


@define(eq=False)
class OrderDesk:
    """The orders for *program*. What is to be said goes with the next heartbeat, and again with the one after it if that fails."""

    program: str
    _answers: list[SetMarkOp] = field(factory=list)

    @property
    def has_answers(self) -> bool:
        """Is something to be said?"""
        return bool(self._answers)

    def heartbeat(self, broker: Broker, workers: Sequence[str], lease: int, reports: Mapping[str, WorkerReport]) -> Orders:
        """Renew the leases of *workers* at *broker* for *lease* ms, send *reports* by name and all answers, and return the orders, each once."""
        answers = tuple(self._answers)
        ops = [*answers, *(report_op(worker, report) for worker, report in reports.items())]
        marks = broker.renew(workers, lease, ops, self._keys(reports))
        del self._answers[: len(answers)]
        for mark in marks.values():
            self._answers.append(SetMarkOp(mark.key, None, expected=mark.body))
        return self._orders(marks, reports)

    def answer(self, worker: str, order: Order, text: str) -> None:
        """Publish *text* as the stacks of *worker*, with the next heartbeat."""
        self._answers.append(stacks_op(worker, Stacks(text, order.order_id)))

    def _keys(self, workers: Iterable[str]) -> list[str]:
        return [wanted_key(self.program), *map(stacks_order_key, workers)]

    def _orders(self, marks: Mapping[str, Mark], workers: Iterable[str]) -> Orders:
        stacks = {worker: order_in(marks[key]) for worker in workers if (key := stacks_order_key(worker)) in marks}
        return Orders(order_in(marks.get(wanted_key(self.program))), stacks)
