"""`Tuning`: the times and sizes of the Redis broker that its users need not know, and that tests make smaller."""

from attrs import frozen


@frozen
class Tuning:
    """
    Times are in seconds.

    Attributes:
        probe_seconds: when a reply has not come for this long, the client asks over another connection whether the server is there.

        check_seconds: after this much silence the subscriber asks whether the server is still there.

        answer_seconds: the server has this long to answer that; then the subscriber connects anew.

        subscribe_seconds: a reader waits this long for its subscription; then it looks without one, and again once it is subscribed.

        max_wait_seconds: a wait returns after this time, should a wake-up have been lost with the connection of another worker.

        max_per_script: one script has at most this many commits, or claims; a larger turn is several, and the server serves others in between.

        max_reclaimed: one script takes back at most this many messages of a dead worker.
    """

    probe_seconds: float = 1.0
    check_seconds: float = 10.0
    answer_seconds: float = 5.0
    subscribe_seconds: float = 1.0
    max_wait_seconds: float = 5.0
    max_per_script: int = 1_000
    max_reclaimed: int = 250


DEFAULT_TUNING = Tuning()
