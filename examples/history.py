"""
Records: payments that are tried again, and what became of each.

``python -m examples.history`` runs three payments in a moment, since the clock of the memory broker jumps over delays. It prints::

    order 1: success after 1 run
    order 2: success after 3 runs: bank away, bank away
    order 3: dead after 1 run: no money
    2 of 3 succeeded, 5 runs, 3 of them failed
"""

from fq import App, MessageRecord, keep
from fq.testing import memory

app = App("sqlite:///fq.db")
asked: list[tuple[int, str]] = []


class NoMoneyError(Exception):
    """The customer cannot pay."""


@app.actor(keep(redact=["card"]), max_retries=5, throws=NoMoneyError, tags=["payments"])
def pay(order: int, card: str) -> None:
    """Ask the bank, which is sometimes away."""
    asked.append((order, card))
    if order == 2 and len(asked) < 5:
        raise ConnectionError("bank away")
    if order == 3:
        raise NoMoneyError("no money")


def summary(record: MessageRecord) -> str:
    """Return what became of a payment, in a line."""
    runs = f"{len(record.attempts)} run{'s' if len(record.attempts) > 1 else ''}"
    errors = ", ".join(run.error.message for run in record.attempts if run.error)
    return f"order {record.args[0]}: {record.outcome} after {runs}{': ' if errors else ''}{errors}"


def main() -> None:
    """Run three payments, and print what became of them."""
    with memory(app):
        for order in (1, 2, 3):
            pay.send(order, "4000 1234")
        app.run_until_idle()
        page = app.messages(state="finished", tag="payments")
        for record in sorted(page, key=lambda record: str(record.args)):
            print(summary(record))
        good = sum(record.outcome == "success" for record in page)
        counts = app.counters(hours=2, actor="pay")
        runs, failed = sum(row.processed for row in counts), sum(row.failed for row in counts)
        print(f"{good} of {len(page)} succeeded, {runs} runs, {failed} of them failed")


if __name__ == "__main__":
    main()
