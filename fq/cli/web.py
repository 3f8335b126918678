"""``fq web``: the pages on which a person sees and steers an app."""

import os

import click

from fq.cli.common import PlainError, app_path, load_app, plain_errors

AUTH_VARIABLE = "FQ_WEB_AUTH"


@click.command()
@app_path
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8080, show_default=True, help="Where to listen; 0 takes any free port.")
@click.option(
    "--auth", metavar="USER:PASSWORD", help=f"Ask for this login. Default: ${AUTH_VARIABLE}, which other users of the host cannot see."
)
@click.option("--read-only", is_flag=True, help="Let nobody change anything.")
def web(app_path: str, host: str, port: int, auth: str | None, read_only: bool) -> None:
    """
    Serve pages about APP: what runs, waits and fails, and buttons to requeue, cancel, pause and more.

    By default only this machine can open them, with the link that is printed. For another --host, --auth or --read-only is needed. Also serves /metrics
    for Prometheus, /livez and /readyz.
    """
    with plain_errors():
        try:
            from fq.web.serve import listen, prepare, serve  # noqa: PLC0415  # needs an extra
        except ModuleNotFoundError as error:
            raise PlainError(f"fq web needs {error.name}: pip install 'fq[web]'") from None
        app = load_app(app_path)
        auth = auth or os.environ.get(AUTH_VARIABLE, "")
        prepare(app, host, port, auth, read_only)  # refuses before it listens
        listener = listen(host, port)
        port = listener.getsockname()[1]
        served = prepare(app, host, port, auth, read_only)
        serve(served.asgi, listener, lambda: click.echo(f"fq web of {app.broker}: {served.link}"))
