"""``fq migrate``: the tables of a broker in PostgreSQL."""

import click

from fq.brokers.protocol import Migrates
from fq.cli.common import UsageError, app_path, as_json, load_app, plain_errors, print_json, print_text


@click.command()
@app_path
@as_json
def migrate(app_path: str, as_json: bool) -> None:
    """
    Make the tables of APP's broker in PostgreSQL, or upgrade them.

    An empty schema is filled at the first use of the broker, too; tables of an older fq are upgraded by this command only. Stop all workers first.
    """
    with plain_errors():
        broker = load_app(app_path).broker
        if not isinstance(broker, Migrates):
            raise UsageError(f"found {broker}, expected a broker in PostgreSQL: no other needs this command")
        before, after = broker.migrate()
        if as_json:
            print_json({"before": before, "after": after})
        else:
            print_text(f"version {after}, as before" if before == after else f"version {before or 'none'} before, {after} after")
