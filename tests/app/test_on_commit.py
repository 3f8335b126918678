"""`App(on_commit=...)` and `Call.send_on_commit`, with transactions of the test's own."""

from collections.abc import Callable

import pytest

from fq import App, ConfigError, Duplicate, InvalidArguments
from tests.brokers.harness import Harness


class Transaction:
    """Keeps what is to be done after the commit."""

    def __init__(self) -> None:
        self.sends: list[tuple[Callable[[], object], str | None]] = []

    def __call__(self, send: Callable[[], object], using: str | None) -> None:
        self.sends.append((send, using))

    def commit(self) -> None:
        for send, _ in self.sends:
            send()


@pytest.fixture
def open_transaction() -> Transaction:
    return Transaction()


@pytest.fixture
def app(harness: Harness, open_transaction: Transaction) -> App:
    app = App(broker=harness.broker(), on_commit=open_transaction)

    @app.actor
    def double(n: int) -> int:
        return 2 * n

    return app


def test_nothing_is_sent_before_the_commit_and_the_handle_is_good_from_the_start(app: App, open_transaction: Transaction) -> None:
    handle = app.get_actor("double").call(4).send_on_commit(using="replica")
    before = handle.status().state
    open_transaction.commit()
    app.run_until_idle()

    assert (before, handle.get_result()) == ("unknown", 8)
    assert [using for _, using in open_transaction.sends] == ["replica"]


def test_a_pipeline_and_a_group_are_sent_whole(app: App, open_transaction: Transaction) -> None:
    double = app.get_actor("double")
    pipeline, group = (double.call(1) | double).send_on_commit(), app.group([double.call(1), double.call(2)]).send_on_commit()
    open_transaction.commit()
    app.run_until_idle()

    assert (pipeline.get_result(), group.get_result()) == (4, [2, 4])


def test_a_delay_counts_from_the_commit(app: App, open_transaction: Transaction, harness: Harness) -> None:
    handle = app.get_actor("double").call(1).delay(1_000_000).send_on_commit()
    harness.advance(600_000)
    open_transaction.commit()
    harness.advance(600_000)

    assert handle.status().state == "delayed"


def test_an_error_in_the_call_is_raised_at_once(app: App, open_transaction: Transaction) -> None:
    with pytest.raises(InvalidArguments):
        app.get_actor("double").call().send_on_commit()
    assert open_transaction.sends == []


def test_a_unique_call_is_decided_at_the_commit(app: App, open_transaction: Transaction) -> None:
    double = app.get_actor("double")
    first = double.call(1).unique("one").send()
    second = double.call(1).unique("one").send_on_commit()
    double.call(1).unique("one", on_conflict="raise").send_on_commit()
    with pytest.raises(Duplicate):
        open_transaction.commit()

    assert (first.status().state, second.status().state) == ("ready", "unknown")


def test_a_chosen_id_is_kept(app: App, open_transaction: Transaction) -> None:
    handle = app.get_actor("double").call(1).with_id("order-17").send_on_commit()
    open_transaction.commit()

    assert (handle.message_id, handle.status().state) == ("order-17", "ready")


def test_an_app_that_knows_of_no_transactions_says_so() -> None:
    app = App("memory://")

    @app.actor
    def nothing() -> None: ...

    with pytest.raises(ConfigError, match=r"App\(\.\.\., on_commit=\.\.\.\)"):
        nothing.call().send_on_commit()
