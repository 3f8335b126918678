"""`audit`: leaves the trace of what a person does to an app: an event for the layers, and a line in the log."""

from typing import TYPE_CHECKING

from fq.core.events import Operated
from fq.runtime.logger import SafeLogger

if TYPE_CHECKING:
    from fq.app.app import App

MOST_NAMED = 20
"""How many names a line of the log has."""


def audit(app: "App", log: SafeLogger, who: str, action: str, names: tuple[str, ...], changed: int) -> None:
    """Tell the layers and *log* that *who* has done *action* to things of these *names*, of which it *changed* this many."""
    app.registry.emit(Operated(who, action, names))
    named = ", ".join(names[:MOST_NAMED]) + (f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else "")
    facts = {"who": who, "action": action, "ids": list(names), "changed": changed}
    log.info("%s: %s of %s, %d changed", who, action, named, changed, extra=facts)
