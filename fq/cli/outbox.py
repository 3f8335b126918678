"""``fq outbox``: what waits in the outbox of an app, and what could not be sent."""

import click
from attrs import asdict

from fq.cli.common import PlainError, app_path, as_json, load_app, plain_errors, print_json, print_text


@click.command()
@app_path
@click.option("--retry", is_flag=True, help="Take back the rows that were put aside, since they could not be sent.")
@as_json
def outbox(app_path: str, retry: bool, as_json: bool) -> None:
    """
    Show what waits in the outbox of APP, the table of messages in your own database.

    A worker moves the rows to the broker. A row that cannot be sent is put aside.

    Exit code 1 if the database cannot be asked.
    """
    with plain_errors():
        outbox = load_app(app_path).outbox
        try:
            if retry:
                outbox.retry()
            state = outbox.state()
        except Exception as error:
            raise PlainError(f"cannot read {outbox.table}: {type(error).__name__}: {error}") from None
    if as_json:
        print_json(asdict(state))
        return
    print_text(f"{state.waiting} waiting, the oldest for {state.oldest_age / 1_000:.1f} s; {state.failed} put aside")
    if state.failed:
        print_text(f"one could not be sent: {state.error}")
