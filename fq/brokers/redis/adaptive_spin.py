"""
`AdaptiveSpin`: whether to look for a reply again and again for a moment, before the thread sleeps until it is there.

To sleep and to be woken takes longer than a short script does: 20 to 50 µs on a virtual machine. Where a server is far or busy, looking is in vain, and is
soon done rarely. Adaptive mutexes work this way (``PTHREAD_MUTEX_ADAPTIVE_NP`` of glibc).
"""

from collections.abc import Callable

from attrs import define

SPIN_SECONDS = 100e-6
"""For how long to look: about as long as a sleep costs. So looking costs twice the better of the two at most (Karlin and others, 1991)."""

MAX_SKIPS = 1_024
"""After replies that took longer, this many calls at most go by before it looks again: that costs 0.1 µs a call then."""


@define
class AdaptiveSpin:
    """
    Mutable: *skips* calls go by before it looks again; after the next reply that takes longer, *next_skips* do. One such reply alone changes nothing.

    Threads may share one: what they lose to each other is a look.
    """

    skips: int = 0
    next_skips: int = 0

    def look(self, has_reply: Callable[[float], bool]) -> None:
        """Call *has_reply*, which looks for as many seconds as it is called with, unless calls like this one have taken longer lately."""
        if self.skips:
            self.skips -= 1
        elif has_reply(SPIN_SECONDS):
            self.next_skips //= 2
        else:
            self.skips, self.next_skips = self.next_skips, min(max(1, 2 * self.next_skips), MAX_SKIPS)
