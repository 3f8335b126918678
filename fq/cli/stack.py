"""``fq stack``."""

import click

from fq.cli.common import (
    UsageError,
    app_path,
    as_json,
    check_actor,
    complete_actors,
    json_or_text,
    load_app,
    plain_errors,
    print_json,
    print_text,
)
from fq.middleware.option_sources import SourcedLayer, with_option_sources


@click.command()
@app_path
@click.argument("actor", shell_complete=complete_actors)
@click.option("--with", "given", multiple=True, metavar="NAME=JSON", help="Assume this option in the message; may be repeated.")
@as_json
def stack(app_path: str, actor: str, given: tuple[str, ...], as_json: bool) -> None:
    """
    Draw the layers around ACTOR of APP, with their options.

    The outermost layer comes first. The comment behind a layer names the options that come from the actor or the message, and not from the
    stack of the app.
    """
    with plain_errors():
        app = load_app(app_path)
        check_actor(app, actor)
        declared = app.get_actor(actor)
        options = dict(map(_option, given))
        layers = [with_option_sources(layer, options, declared.options, app.stack) for layer in app.stack_of(declared)]
        known = app.stack_of(declared).accepted_options()
        if unknown := options.keys() - known:
            raise UsageError(f"--with: no layer takes {', '.join(sorted(unknown))}: expected some of {', '.join(sorted(known))}")
        if as_json:
            print_json({"actor": actor, "layers": list(map(_as_json, layers))})
        else:
            lines = [*map(str, layers), str(declared.signature)]
            print_text("\n".join("  " * depth + line for depth, line in enumerate(lines)), lines=True)


def _option(text: str) -> tuple[str, object]:
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--with: found {text}, expected NAME=JSON, such as max_retries=3")
    return name, json_or_text(value)


def _as_json(layer: SourcedLayer) -> dict[str, object]:
    options = {option.name: {"value": _plain(option.value), "from": option.source} for option in layer.options}
    return {"layer": type(layer.layer).__name__, "options": options}


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, str | int | float | bool) else repr(value)
