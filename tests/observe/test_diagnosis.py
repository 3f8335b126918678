"""What ``fq doctor`` makes of the records of a broker."""

from fq.brokers.findings import Finding
from fq.brokers.records import QueueStats, WorkerStats
from fq.observe.diagnosis import Target, queue_findings, worker_findings

SITE = Target("tasks:app", ("default", "mail"))
NAMELESS = Target()
LIVE = WorkerStats("w1", 10_000, 2, ("default",))
STALE = WorkerStats("w2", 0, 3, ("default", "mail"))
MUTE = WorkerStats("w3", 10_000, 0)
GOOD = Finding("queues", "good", "1 in use, none is stuck")


def found(queue: QueueStats, *workers: WorkerStats, site: Target = SITE) -> list[tuple[str, str]]:
    """Level and advice of all that is said about *queue*."""
    return [(finding.level, finding.advice) for finding in queue_findings([queue], workers, site)]


# Workers.


def test_without_any_worker_what_is_ready_is_bad() -> None:
    (finding,) = worker_findings((), [QueueStats("mail", ready=2)], SITE)

    assert finding == Finding("workers", "bad", "none alive, 2 messages ready", "fq worker tasks:app")


def test_workers_whose_lease_has_run_out_are_not_alive() -> None:
    workers, leases = worker_findings([STALE], [QueueStats("mail", ready=2)], SITE)

    assert (workers.level, workers.found) == ("bad", "none alive, 2 messages ready")
    assert leases == Finding("leases", "warn", "expired: w2, with 3 messages in flight", "any live worker takes these messages back")


def test_without_any_worker_and_without_messages_there_is_only_a_warning() -> None:
    assert [finding.level for finding in worker_findings((), [QueueStats("mail", delayed=2)], SITE)] == ["warn"]
    assert [finding.level for finding in worker_findings((), [QueueStats("mail", ready=2, paused=True)], SITE)] == ["warn"]


def test_what_is_not_known_is_not_counted() -> None:
    assert [finding.found for finding in worker_findings((), None, SITE)] == ["none alive"]


def test_workers_that_live_are_good_beside_those_that_are_gone() -> None:
    workers, leases = worker_findings([LIVE, STALE], [QueueStats("default", ready=2)], SITE)

    assert (workers.level, workers.found) == ("good", "1 process alive, 2 messages in flight")
    assert leases.level == "warn"


# Queues.


def test_a_queue_that_a_live_worker_claims_from_is_good() -> None:
    assert queue_findings([QueueStats("default", ready=5)], [LIVE], SITE) == [GOOD]


def test_what_is_ready_where_no_live_worker_claims_from_is_bad() -> None:
    bad = [("bad", "fq worker tasks:app --queues mail")]

    assert found(QueueStats("mail", ready=5), LIVE) == found(QueueStats("mail", ready=5), LIVE, STALE) == found(QueueStats("mail", ready=5))
    assert found(QueueStats("mail", ready=5), LIVE) == bad


def test_what_is_delayed_there_or_paused_is_worth_a_warning() -> None:
    assert found(QueueStats("mail", delayed=5), LIVE) == [("warn", "fq worker tasks:app --queues mail")]
    assert found(QueueStats("mail", ready=5, paused=True), LIVE) == [
        ("warn", "fq worker tasks:app --queues mail"),
        ("warn", "fq resume tasks:app mail"),
    ]


def test_an_empty_queue_needs_no_worker() -> None:
    assert queue_findings([QueueStats("mail", in_flight=1)], [], SITE) == [GOOD]


def test_a_queue_that_no_actor_uses_needs_another_app_unless_a_worker_has_it() -> None:
    other = QueueStats("other", ready=1)
    (finding,) = queue_findings([other], [LIVE], SITE)

    assert (finding.level, finding.found) == (
        "bad",
        "1 message ready, 0 delayed; no live worker claims from it, and no actor of this app uses it",
    )
    assert finding.advice == (
        "fq worker tasks:app --queues other, or App(queues=['other']); or start a worker of the app that uses it; "
        "or delete its messages: fq purge tasks:app other"
    )
    assert queue_findings([other], [WorkerStats("w", 1, 0, ("other",))], SITE) == [GOOD]


def test_without_an_app_it_is_not_known_which_queues_actors_use() -> None:
    assert found(QueueStats("other", ready=1), LIVE, site=NAMELESS) == [("bad", "fq worker APP --queues other")]


def test_where_workers_do_not_say_what_they_claim_from_only_what_no_actor_uses_is_worth_a_warning() -> None:
    warning = [("warn", "start a worker of the app that uses it")]

    assert found(QueueStats("mail", ready=1), LIVE, MUTE) == [("good", "")]
    assert found(QueueStats("other", ready=1), LIVE, MUTE) == warning
    assert queue_findings([QueueStats("mail", ready=1)], None, SITE) == [GOOD]


def test_commands_quote_what_a_shell_would_take_apart() -> None:
    queue = QueueStats("x y;[/red]", ready=1, dead=1, paused=True)

    assert [advice for _, advice in found(queue, LIVE, site=NAMELESS)] == [
        "fq worker APP --queues 'x y;[/red]'",
        "fq resume APP 'x y;[/red]'",
        "fq dead APP --queue 'x y;[/red]'",
    ]
