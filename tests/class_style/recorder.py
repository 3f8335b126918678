"""A class-style middleware that notes which of its hooks are called, in which order and in which thread."""

import threading
from collections.abc import Callable

from fq.class_style.hook_names import HOOKS

Call = tuple[str, str]  # who and which hook, and the name of the thread

MESSAGE_HOOKS = {
    "before_enqueue", "after_enqueue", "before_delay_message", "before_process_message", "after_process_message", "after_skip_message",
    "before_ack", "after_ack", "before_nack", "after_nack",
}  # fmt: skip


class Recorder:
    """Has all hooks; or those called *only*."""

    def __init__(self, name: str, calls: list[Call], only: set[str] | None = None) -> None:
        self.name = name
        self.calls = calls
        self.subjects: list[object] = []
        for hook in HOOKS if only is None else only:
            setattr(self, hook, self._recording(hook))

    def _recording(self, hook: str) -> Callable[..., None]:
        def record(broker: object, *given: object, **named: object) -> None:
            self.subjects.extend(given[:1])
            self.calls.append((f"{self.name}.{hook}", threading.current_thread().name))

        return record


def names(calls: list[Call], kinds: set[str] = MESSAGE_HOOKS) -> list[str]:
    """Return the hooks called, those about messages only, without their threads."""
    return [name for name, _ in calls if name.partition(".")[2] in kinds]
