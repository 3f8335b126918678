"""
Interrupts that Python has swallowed: what is raised in a finalizer, or in a callback of the garbage collector, Python reports and drops.

An interrupt may be raised there like anywhere in an actor, which would then run past its limit. So the mask of its thread notes the loss, and the
watcher interrupts the actor again.
"""

import sys
from functools import cache
from typing import TYPE_CHECKING

from fq.errors import Interrupt
from fq.runtime.interrupt_mask import current

if TYPE_CHECKING:
    from sys import UnraisableHookArgs


@cache
def install_hook() -> None:
    """Note swallowed interrupts in this process from now on. Other exceptions are reported as before."""
    report = sys.unraisablehook

    def hook(unraisable: "UnraisableHookArgs", /) -> None:
        mask = current.shield
        if mask is None or not issubclass(unraisable.exc_type, Interrupt):
            report(unraisable)
        else:  # the last statement, with no call after it: an interrupt that is raised again before this returns would be swallowed again, unseen
            mask.swallowed = True

    sys.unraisablehook = hook
