"""``fq show``: all that is known of one message, its workflow included."""

from collections.abc import Mapping
from itertools import islice

import click
from attrs import asdict
from returns.pipeline import is_successful
from rich.text import Text
from rich.tree import Tree

from fq.app.app import App
from fq.app.shown_messages import call_text, record_as_json
from fq.app.workflow_steps import MOST_STEPS, states_of, workflow_steps
from fq.app.workflow_tree import StepNode, Steps, all_ids
from fq.brokers.records import Status
from fq.calls.message_record import MessageRecord
from fq.calls.reading_progress import with_progress
from fq.cli.common import app_path, as_json, load_app, plain_errors, print_json, print_text, values
from fq.cli.tables import STATE_STYLES, wide_console
from fq.cli.times import clock_time, duration, relative
from fq.core.attempts import Attempt
from fq.core.printable import indented, printable
from fq.core.shown_call import shown_value
from fq.wire.codec import decode_result

UNSENT = "not known"
"""The state of a step that has not been sent yet, or has ended without a record."""


@click.command()
@app_path
@click.argument("message_id")
@values
@as_json
def show(app_path: str, message_id: str, shows_values: bool, as_json: bool) -> None:
    """
    Show all that is known of MESSAGE_ID of APP: state, call, times, progress, runs, result, latest error, and its workflow.

    The state is ready, delayed, running, dead, done or unknown; of the id of a group, waiting or done. The runs, and what became of a message that is
    done, are known for actors that have the layer keep(). Exit code 1 if the state is unknown.
    """
    with plain_errors():
        app = load_app(app_path)
        status, record = with_progress(app.broker, app.broker.status(message_id)), app.message(message_id)
        result = _result(app, message_id, record, shows_values)
        steps = workflow_steps(app.broker, message_id)
        states = states_of(app.broker, list(islice(all_ids(steps), MOST_STEPS)))
        if as_json:
            shown = record and record_as_json(app.registry, record, shows_values)
            print_json({**asdict(status), "record": shown, "result": result, "workflow": [_as_json(step, states) for step in steps]})
        else:
            _print(app, status, record, result, shows_values)
            if len(states) > 1:
                click.echo()
                wide_console().print(_tree(steps, states, message_id), crop=False)
        raise SystemExit(1 if status.state == "unknown" else 0)


def _result(app: App, message_id: str, record: MessageRecord | None, shows_values: bool) -> Mapping[str, object] | None:
    """Return the stored result of a message, shown like its arguments; None if there is none."""
    body = app.broker.result(message_id)
    if body is None:
        return None
    result = decode_result(body)
    if is_successful(result):
        redact = False if shows_values else app.registry.plan(record.actor_name if record else "").redact
        return {"succeeded": True, "value": shown_value("return", result.unwrap(), redact)}
    return {"succeeded": False, "value": f"{result.failure().type}: {result.failure().message}"}


def _print(app: App, status: Status, record: MessageRecord | None, result: Mapping[str, object] | None, shows_values: bool) -> None:
    facts = {**_of_status(status, app.broker.now()), **(_of_record(app, record, shows_values) if record else {})}
    if result is not None:
        facts["result"] = str(result["value"])
    console = wide_console()
    for name, text in facts.items():
        if text:
            line = Text.assemble(Text(f"{name}:", style="bold"), f" {printable(text)}")
            console.print(line, no_wrap=True, overflow="ignore", crop=False)
    for attempt in record.attempts if record else ():
        console.print(Text(printable(_attempt(attempt))))
    if status.fault is not None:
        print_text(indented(f"error: {status.fault.type}: {status.fault.message}\n{status.fault.traceback}".rstrip()), lines=True)


def _of_status(status: Status, now: int) -> dict[str, str]:
    return {
        "message": status.message_id,
        "state": status.state,
        "due": _when(status.due, now),
        "queue": status.queue_name,
        "actor": status.actor_name,
        "worker": status.worker,
        "deliveries": str(status.deliveries or ""),
        "arrived": str(status.arrived or ""),
        "progress": str(status.progress or ""),
    }


def _of_record(app: App, record: MessageRecord, shows_values: bool) -> dict[str, str]:
    now = app.broker.now()
    times = {"made": record.made_at, "ready": record.ready_at, "started": record.started_at}
    if record.state not in ("delayed", "retrying"):  # then the status has said when it is due
        times["ended" if record.outcome else "since"] = record.since
    more = {"progress": str(record.progress or ""), "took": duration(record.took)} if record.outcome else {}
    return {
        **({"state": "retrying"} if record.state == "retrying" else {}),
        "queue": record.queue_name,
        "actor": record.actor_name,
        "outcome": f"{record.outcome} {record.reason}".rstrip(),
        "call": call_text(app.registry, record, shows_values),
        "tags": ", ".join(record.tags),
        **{name: _when(at, now) for name, at in times.items()},
        **more,
        "parent": record.parent_id,
        "root": record.root_id if record.root_id != record.message_id else "",
    }


def _when(at: int, now: int) -> str:
    return f"{clock_time(at)} ({relative(at, now)})" if at else ""


def _attempt(attempt: Attempt) -> str:
    if attempt.lost:
        return f"run {attempt.number}: interrupted; its worker died, or was out of reach for too long"
    error = "succeeded" if attempt.error is None else f"{attempt.error.type}: {attempt.error.message}"
    return f"run {attempt.number}: {clock_time(attempt.started)}, {duration(attempt.took)}, by {attempt.worker or 'an unknown worker'}: {error}"


# The workflow.


def _as_json(step: StepNode, states: Mapping[str, str]) -> Mapping[str, object]:
    if step.is_group:
        return {"group": step.message_id, "size": step.size, "members": [[_as_json(each, states) for each in one] for one in step.members]}
    return {"message_id": step.message_id, "actor_name": step.actor_name, "state": states.get(step.message_id, "")}


def _tree(steps: Steps, states: Mapping[str, str], message_id: str) -> Tree:
    """Return the steps, one below the other, with the members of groups indented. The message itself is marked."""
    tree = Tree("workflow")
    _add(tree, steps, states, message_id)
    return tree


def _add(tree: Tree, steps: Steps, states: Mapping[str, str], message_id: str) -> None:
    for step in steps:
        if not step.is_group:
            tree.add(_line(step, states.get(step.message_id, ""), is_own=step.message_id == message_id))
            continue
        branch = tree.add(Text(printable(f"group of {step.size}  {step.message_id}"), no_wrap=True, overflow="ignore"))
        for one in step.members:
            if len(one) == 1:
                _add(branch, one, states, message_id)
            else:
                _add(branch.add(Text("pipeline")), one, states, message_id)
        if step.size > len(step.members):
            branch.add(Text(f"and {step.size - len(step.members)} more", style="italic"))


def _line(step: StepNode, state: str, *, is_own: bool) -> Text:
    return Text.assemble(
        Text(printable(step.actor_name or "?"), style="bold" if is_own else ""),
        "  ",
        Text(state or UNSENT, style=STATE_STYLES.get(state, "") if state else "italic"),
        Text(f"  {printable(step.message_id)}"),
        Text("  this message" if is_own else "", style="bold"),
        no_wrap=True,
        overflow="ignore",
    )
