"""`Selection`: the messages that a command is about, named by id or found by state, queue, actor, error and tag."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import click
from attrs import frozen

from fq.app.app import App
from fq.calls.message_record import MessageRecord, MessageState
from fq.cli.common import UsageError, complete_actors, complete_queues, confirm
from fq.core.counted import counted
from fq.core.printable import printable

F = TypeVar("F", bound=Callable[..., object])

PAGE_SIZE = 1_000
"""How many messages are read, and changed, at a time."""


@frozen
class Selection:
    """Those of *ids*; or, if there are none, all messages of one of *states* that fit the others, of which None is any."""

    ids: tuple[str, ...]
    states: tuple[MessageState, ...]
    queue: str | None = None
    actor: str | None = None
    error: str | None = None
    tag: str | None = None
    everything: bool = False

    def __attrs_post_init__(self) -> None:
        chosen = self.queue or self.actor or self.error or self.tag or self.everything
        if bool(self.ids) == bool(chosen):
            found = "both ids and a selection" if self.ids else "neither ids nor a selection"
            raise UsageError(f"found {found}, expected one of them: ids, or --queue, --actor, --error, --tag or --all")

    def find(self, app: App) -> list[str]:
        """Return the ids of the messages, each once."""
        if self.ids:
            return list(dict.fromkeys(self.ids))
        return list(dict.fromkeys(record.message_id for state in self.states for record in self.records(app, state)))

    def records(self, app: App, state: MessageState) -> Iterator[MessageRecord]:
        """Yield the messages in *state* that fit."""
        after = ""
        while True:
            page = app.messages(
                state=state, queue=self.queue, actor=self.actor, error=self.error, tag=self.tag, after=after, limit=PAGE_SIZE
            )
            yield from page
            after = page.after
            if not after:
                return


def selecting(command: F) -> F:
    """Give *command* the arguments that select messages: ``ids``, ``queue``, ``actor``, ``error``, ``tag`` and ``everything``; and ``yes``."""
    for decorate in (
        click.option("--yes", is_flag=True, help="Do not ask."),
        click.option("--all", "everything", is_flag=True, help="All messages in these states."),
        click.option("--tag", help="Messages with this tag."),
        click.option("--error", help="Messages whose latest error is of this type."),
        click.option("--actor", shell_complete=complete_actors, help="Messages of this actor."),
        click.option("--queue", shell_complete=complete_queues, help="Messages of this queue."),
        click.argument("ids", nargs=-1, metavar="[ID]..."),
    ):
        command = decorate(command)
    return command


def change(app: App, ids: Sequence[str], what: str, yes: bool, apply: Callable[[Sequence[str]], int], noun: str = "message") -> int:
    """
    Say how many messages *ids* are, ask whether to do *what* with them unless the answer is *yes*, and pass them to *apply* in batches.

    Returns how many were changed. Raises `click.Abort` if the answer is no.
    """
    if ids and not yes:
        confirm(f"{what} {counted(len(ids), noun)} of {printable(str(app.broker))}?")
    return sum(apply(ids[start : start + PAGE_SIZE]) for start in range(0, len(ids), PAGE_SIZE))
