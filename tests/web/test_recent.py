"""A costly answer of the broker is kept for a while, a cheap one never."""

from collections.abc import Callable

from fq.web.recent import CHEAP_SECONDS, SHARE, Recent


class Clock:
    """A broker whose answers cost *cost* seconds of work, and the time."""

    def __init__(self, cost: float) -> None:
        self.cost, self.now, self.worked, self.asked = cost, 0.0, 0.0, 0

    def ask(self) -> int:
        self.asked += 1
        self.worked += self.cost
        return self.asked

    def recent(self) -> Recent[int]:
        work: Callable[[], float] = lambda: self.worked
        return Recent(self.ask, work, lambda: self.now)


def test_a_cheap_answer_is_always_new() -> None:
    recent = Clock(CHEAP_SECONDS / 2).recent()

    assert [recent.get(), recent.get()] == [1, 2]


def test_a_costly_answer_is_kept_for_twenty_times_as_long_as_it_took() -> None:
    clock = Clock(0.2)
    recent = clock.recent()

    assert [recent.get(), recent.get()] == [1, 1]
    clock.now = 0.2 * SHARE - 0.01
    assert recent.get() == 1
    clock.now = 0.2 * SHARE + 0.01
    assert recent.get() == 2


def test_a_change_makes_it_forget() -> None:
    recent = Clock(0.2).recent()
    recent.get()
    recent.forget()

    assert recent.get() == 2
