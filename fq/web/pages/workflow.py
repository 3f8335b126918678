"""Workflow: the steps of the workflow of a message, as a tree and as a graph, with the state of each."""

from collections.abc import Mapping
from itertools import islice

from fq.app.workflow_steps import MOST_STEPS, states_of, workflow_steps
from fq.app.workflow_tree import StepNode, Steps, all_ids, group_ids
from fq.web.graph import draw
from fq.web.site import NotFound, Page, Query, Site, View


def view(site: Site, query: Query) -> View:
    """Return the workflow of the message whose id is asked for."""
    message_id = query.text("id") or ""
    steps = workflow_steps(site.app.broker, message_id) if message_id else ()
    if not steps:
        raise NotFound(f"no workflow is known of {message_id or 'a message without an id'}: the message has ended, or there never was one")
    states = states_of(site.app.broker, list(islice(all_ids(steps), MOST_STEPS)))
    return {
        "message_id": message_id,
        "steps": _as_json(steps, states),
        "svg": draw(steps, states, message_id),
        "ids": list(states),
        "groups": list(group_ids(steps)),
        "dead": [step for step, state in states.items() if state == "dead"],
        "waiting": sum(state in ("ready", "delayed", "retrying", "running") for state in states.values()),
    }


def _as_json(steps: Steps, states: Mapping[str, str]) -> list[View]:
    return [_step(step, states) for step in steps]


def _step(step: StepNode, states: Mapping[str, str]) -> View:
    if step.is_group:
        inner = [_as_json(member, states) for member in step.members]
        return {"group": step.message_id, "size": step.size, "members": inner, "more": max(0, step.size - len(inner))}
    return {"message_id": step.message_id, "actor_name": step.actor_name, "state": states.get(step.message_id, "")}


WORKFLOW = Page("workflow", "/workflow", "", view)
