"""`HostClocks`: the clocks of this machine, and an id of its boot. Tests provide their own."""

import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

from attrs import field, frozen

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

TIME_NAMESPACE = Path("/proc/self/timens_offsets")
"""How far the steady clocks of this container are ahead of the host's; the file is missing where the kernel has no time namespaces."""


def wall_ms() -> int:
    """Return the time of the wall clock, ms since the epoch."""
    return time.time_ns() // 1_000_000


@cache
def steady_clock() -> Callable[[], int]:
    """
    Return a function that returns the ms since the host was booted, time in suspend included. It is the same in all containers of the host.

    Where there is no such clock, it is the wall clock.
    """
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return wall_ms
    read, clock, namespace_ms = time.clock_gettime_ns, time.CLOCK_BOOTTIME, _namespace_ms()
    return lambda: read(clock) // 1_000_000 - namespace_ms


def _namespace_ms() -> int:
    with suppress(OSError, ValueError):
        for line in TIME_NAMESPACE.read_text().splitlines():
            name, *offset = line.split()
            if name == "boottime":
                return int(offset[0]) * 1_000 + int(offset[1]) // 1_000_000
    return 0


@cache
def boot_id() -> str:
    """Return an id of this boot of the host; ``""`` where the operating system has none, or no clock that counts from the boot."""
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return ""
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return ""


@frozen
class HostClocks:
    """Two clocks, in ms: *wall*, which may be stepped, and *steady*, which counts from the boot *boot*. If *boot* is ``""``, the wall clock decides."""

    wall: Callable[[], int] = wall_ms
    steady: Callable[[], int] = field(factory=steady_clock)
    boot: str = field(factory=boot_id)
