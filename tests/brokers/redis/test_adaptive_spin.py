"""Whether a call looks for its reply before it sleeps, by how long the calls before it took."""

from attrs import define

from fq.brokers.redis.adaptive_spin import MAX_SKIPS, SPIN_SECONDS, AdaptiveSpin


@define
class Replies:
    """Replies that come in time or not. Mutable: it counts the looks."""

    in_time: bool
    looks: int = 0

    def __call__(self, seconds: float) -> bool:
        assert seconds == SPIN_SECONDS
        self.looks += 1
        return self.in_time

    def looks_of(self, spin: AdaptiveSpin, calls: int) -> int:
        """Return how often *spin* looks in as many *calls*."""
        self.looks = 0
        for _ in range(calls):
            spin.look(self)
        return self.looks


def test_each_call_looks_while_replies_come_in_time() -> None:
    assert Replies(in_time=True).looks_of(AdaptiveSpin(), 1_000) == 1_000


def test_calls_look_ever_more_rarely_while_replies_take_longer() -> None:
    slow, spin = Replies(in_time=False), AdaptiveSpin()

    assert slow.looks_of(spin, 1 + 0 + 1 + 1 + 1 + 2 + 1 + 4 + 1) == 5
    assert slow.looks_of(spin, 100 * MAX_SKIPS) <= 110
    assert slow.looks_of(spin, 100 * (MAX_SKIPS + 1)) == 100


def test_a_reply_that_takes_longer_now_and_then_changes_nothing() -> None:
    spin = AdaptiveSpin()

    for _ in range(100):
        assert Replies(in_time=True).looks_of(spin, 3) == 3
        assert Replies(in_time=False).looks_of(spin, 1) == 1


def test_calls_look_again_when_replies_come_in_time_again() -> None:
    spin = AdaptiveSpin()
    Replies(in_time=False).looks_of(spin, 10 * MAX_SKIPS)
    soon = Replies(in_time=True)

    soon.looks_of(spin, MAX_SKIPS + 1)
    assert soon.looks_of(spin, 100) == 100
