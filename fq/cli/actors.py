"""``fq actors``."""

import click

from fq.calls.actor import AnyActor
from fq.cli.common import app_path, as_json, load_app, plain_errors, print_json
from fq.cli.tables import Kind, show

COLUMNS: dict[str, Kind] = {"actor": "name", "queue": "name", "kind": "name", "options": "text"}


@click.command()
@app_path
@as_json
def actors(app_path: str, as_json: bool) -> None:
    """
    Show the actors of APP: name and parameters, queue, sync or async, and the options of the declaration.

    fq stack APP ACTOR shows all layers of one actor.
    """
    with plain_errors():
        app = load_app(app_path)
        declared = sorted(app.actors.values(), key=lambda actor: actor.name)
        if as_json:
            print_json(list(map(_as_json, declared)))
        else:
            show(str(app.broker), COLUMNS, list(map(_row, declared)))


def _row(actor: AnyActor) -> list[str]:
    options = [f"{name}={value!r}" for name, value in actor.options.items()]
    return [str(actor.signature), actor.queue_name, _kind(actor), ", ".join([*options, *map(repr, actor.layers)])]


def _as_json(actor: AnyActor) -> dict[str, object]:
    return {
        "name": actor.name,
        "signature": str(actor.signature),
        "queue": actor.queue_name,
        "priority": actor.priority,
        "kind": _kind(actor),
        "options": {name: repr(value) for name, value in actor.options.items()},
        "layers": list(map(repr, actor.layers)),
    }


def _kind(actor: AnyActor) -> str:
    return "async" if actor.signature.is_async else "sync"
