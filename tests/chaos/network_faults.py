"""`NetworkFaults`: what networks do to everything that passes through a `Proxy`, one fault after another, drawn from a seed."""

import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from attrs import define, field

from tests.brokers.redis.proxy import Link, Move, Proxy
from tests.chaos.harness import Rig
from tests.wait_until import wait_until

T = TypeVar("T")


@define
class NetworkFaults:
    """
    Mutable. Each kind of fault happens once before any happens again. *silences*: how long connections are silent, in seconds, each once before any
    again; *spells*: how long other faults last. *recoveries*: how long it took from the end of a fault to the next commit, by kind, in seconds.
    """

    proxy: Proxy
    chance: random.Random
    silences: Sequence[float]
    spells: tuple[float, float]
    recoveries: dict[str, list[float]] = field(factory=dict)
    _kinds: list[str] = field(factory=list)
    _lengths: list[float] = field(factory=list)

    def strike(self) -> str:
        """Let the next fault happen and pass; return its kind."""
        kind = self._dealt(self._kinds, list(FAULTS))
        seconds = self._dealt(self._lengths, self.silences) if kind in SILENT else self.chance.uniform(*self.spells)
        FAULTS[kind](self.proxy, self.chance)
        time.sleep(seconds)
        if kind in SILENT and self.chance.random() < 0.5:
            self.proxy.reset()  # what was held back is lost; otherwise it arrives late
        self.proxy.calm()
        return kind

    def strike_at_work(self, rig: Rig) -> None:
        """`strike`, and return when the workers of *rig*, who have enough to do, have committed something afterwards."""
        offset = (rig.folder / "account").stat().st_size
        kind = self.strike()
        ended = time.time()
        wait_until(lambda: any(moment > ended for moment in rig.moments("committed", offset)), what=f"a commit after {kind}")
        first = next(moment for moment in rig.moments("committed", offset) if moment > ended)
        self.recoveries.setdefault(kind, []).append(first - ended)

    def _dealt(self, deck: list[T], cards: Sequence[T]) -> T:
        """Return the next card of *deck*, which is made of all *cards* again when it has come to its end."""
        if not deck:
            deck += self.chance.sample(cards, len(cards))
        return deck.pop()

    def __str__(self) -> str:
        """Return the figures: by kind, how often, and how long until the next commit, the median and the most."""
        everything = [seconds for found in self.recoveries.values() for seconds in found]
        rows = {**dict(sorted(self.recoveries.items())), "all": everything}
        lines = (
            f"  {kind:<20} {len(found):>4} times, median {statistics.median(found):6.2f} s, most {max(found):6.2f} s"
            for kind, found in rows.items()
            if found
        )
        return "from the end of a fault to the next commit:\n" + "\n".join(lines)


def _late(proxy: Proxy, chance: random.Random) -> None:
    proxy.latency, proxy.jitter = chance.uniform(0.01, 0.1), chance.uniform(0.01, 0.2)


def _some(move: Move, share: float) -> Callable[[Proxy, random.Random], None]:
    """Let a *share* of all requests meet *move*."""

    def judge(link: Link, data: bytes) -> Move | None:
        return move if link.proxy.chance.random() < share else None

    def begin(proxy: Proxy, chance: random.Random) -> None:
        proxy.judge = judge

    return begin


def _reset(proxy: Proxy, chance: random.Random) -> None:
    proxy.reset()


def _refuse(proxy: Proxy, chance: random.Random) -> None:
    proxy.refuses = True
    proxy.reset()


def _freeze_one(proxy: Proxy, chance: random.Random) -> None:
    if links := tuple(proxy.links):
        proxy.freeze(chance.choice(links), **chance.choice(WAYS))


WAYS = ({"up": True, "down": True}, {"up": True, "down": False}, {"up": False, "down": True})

FAULTS: Mapping[str, Callable[[Proxy, random.Random], None]] = {
    "latency and jitter": _late,
    "reset before": _some(Move.RESET, 0.3),
    "reset in the middle": _some(Move.CUT, 0.3),
    "reply lost": _some(Move.LOSE, 0.3),
    "reply truncated": _some(Move.TRUNCATE, 0.3),
    "frozen on request": _some(Move.FREEZE, 0.1),
    "all reset": _reset,
    "refused": _refuse,
    "one frozen": _freeze_one,
    "black hole": lambda proxy, _: proxy.black_hole(),
    "black hole up": lambda proxy, _: proxy.black_hole(down=False),
    "black hole down": lambda proxy, _: proxy.black_hole(up=False),
}
"""What begins each kind of fault."""

SILENT = ("one frozen", "black hole", "black hole up", "black hole down")
