"""The names of the release before, which programs may still use until 1.0."""

from fq import App
from fq.brokers import DEAD_TTL, DEAD_TTL_MS
from fq.brokers import records as r
from fq.brokers.protocol import Broker
from tests.brokers.builders import claim, enqueue_ops


def test_methods_answer_to_their_former_names(broker: Broker) -> None:
    broker.enqueue(enqueue_ops("m"))
    claim(broker, "w")

    assert broker.held("w") == broker.claimed_by("w") != ()  # type: ignore[attr-defined]
    assert broker.dead(limit=5) == broker.dead_letters(limit=5)  # type: ignore[attr-defined]
    assert broker.kept(["m"]) == set()  # type: ignore[attr-defined]
    assert {finding.what for finding in broker.checkup()} == {finding.what for finding in broker.diagnose()}  # type: ignore[attr-defined]


def test_a_requeue_without_a_planner_lets_a_message_start_afresh(broker: Broker) -> None:
    app = App(broker=broker)
    attempts: list[int] = []

    @app.actor(max_retries=1, min_backoff=1, max_backoff=1)
    def fails() -> None:
        attempts.append(1)
        raise ValueError("no")

    message_id = fails.call().with_options(max_retries=0).send().message_id
    app.run_until_idle()

    assert broker.requeue([message_id]) == 1
    app.run_until_idle()
    assert len(attempts) == 2


def test_an_app_gives_what_its_layers_share_by_the_former_name() -> None:
    app = App("memory://")

    assert app.own(Shared) is app.singleton(Shared)


class Shared:
    def __init__(self, app: App) -> None:
        self.app = app


def test_records_have_their_former_names_too() -> None:
    assert (r.Post, r.Keep, r.Join, r.Splice, r.Replace) == (r.EnqueueOp, r.StoreResultOp, r.ArriveOp, r.DeferredEnqueue, r.Reschedule)
    assert (r.Want, r.Held, DEAD_TTL) == (r.ClaimRequest, r.ClaimedMessage, DEAD_TTL_MS)
