"""PostgreSQL: to tell the kinds of dead letters, and to find the letters of one, reads a bounded number of rows."""

from fq.brokers.postgres import PostgresBroker, dead_kinds
from fq.brokers.postgres.queue_counts import BY_INDEX
from fq.brokers.postgres.transaction import Transaction
from fq.brokers.records import Bury, Commit
from fq.core.fault import Fault
from tests.brokers.builders import claim, claim_request, enqueue_op
from tests.brokers.postgres.test_queue_counts import most_read

MOST = 100

KIND = (["q"], ["act"], ["Error0"])

STATEMENTS = (
    (dead_kinds.KINDS, 0),
    (dead_kinds.SHOWN, 0, 0),
    (dead_kinds.COUNTS, 0, MOST + 1, *KIND),
    (dead_kinds.PLACES, *KIND, 0, 2**60, 0, MOST + 1, MOST + 1),
)


def test_looking_for_kinds_reads_few_rows(broker: PostgresBroker) -> None:
    for first in range(0, 4_000, 1_000):
        broker.enqueue([enqueue_op(f"m{number}") for number in range(first, first + 1_000)])
        found = claim(broker, limit=1_000)
        commits = [Commit(each.message_id, "q", each.token, Bury(Fault(f"Error{n % 2}", "", ""))) for n, each in enumerate(found)]
        broker.turn(commits, claim_request(limit=0))

    def check(tx: Transaction) -> None:
        tx.row(BY_INDEX)
        for statement, *parameters in STATEMENTS:
            assert most_read(tx, statement, *parameters) <= 2 * (MOST + 1), statement

    broker._reader.reading(check)
