"""``fq stack``."""

import click

from fq.cli.common import app_path, as_json, known_actor, load_app, plain_errors, print_json
from fq.stack import summary


@click.command()
@app_path
@click.argument("actor")
@as_json
def stack(app_path: str, actor: str, as_json: bool) -> None:
    """Draw the onion of layers that ACTOR of APP runs in, outermost first, with the options in force."""
    with plain_errors():
        app = load_app(app_path)
        known_actor(app, actor)
        layers = app.plan(actor).stack
        if as_json:
            print_json({"actor": actor, "layers": [summary(layer) for layer in layers]})
        else:
            click.echo(str(layers)[: -len("actor")] + str(app.get_actor(actor).signature))
