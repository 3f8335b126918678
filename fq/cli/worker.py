"""``fq worker``."""

import logging

import click

from fq.cli.common import Refused, app_path, load_app, plain_errors
from fq.worker.settings import WorkerSettings
from fq.worker.supervisor import Supervisor

FORMAT = "%(asctime)s %(levelname)-7s %(process)d %(name)s: %(message)s"


@click.command()
@app_path
@click.option("--processes", "-p", type=click.IntRange(1), help="Child processes. Default: one a processor.")
@click.option("--threads", "-t", type=click.IntRange(1), default=8, show_default=True, help="Sync actors at once in a process.")
@click.option("--concurrency", "-c", type=click.IntRange(1), default=1000, show_default=True, help="Async actors at once in a process.")
@click.option("--queues", "-Q", default="", metavar="A,B", help="Claim from these queues only. Default: those of all actors.")
@click.option("--heartbeat", type=click.IntRange(50), default=5000, show_default=True, metavar="MS", help="How often leases are renewed.")
@click.option("--shutdown-timeout", type=click.IntRange(0), default=600_000, show_default=True, metavar="MS", help="How long a stop waits for what runs.")
@click.option("--verbose", "-v", is_flag=True, help="Log more.")
def worker(
    app_path: str,
    processes: int | None,
    threads: int,
    concurrency: int,
    queues: str,
    heartbeat: int,
    shutdown_timeout: int,
    verbose: bool,
) -> None:
    """
    Run the messages of APP until told to stop.

    TERM or Ctrl-C stops gracefully: nothing more is claimed, what runs is finished, what has not started is handed back. A second one hands back what
    runs, too. Exit codes: 0 stopped, 2 wrong use, 3 the broker cannot be used.
    """
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, format=FORMAT)
    with plain_errors():
        app = load_app(app_path)
        settings = WorkerSettings(
            queues=tuple(name for name in queues.split(",") if name),
            threads=threads,
            concurrency=concurrency,
            heartbeat=heartbeat,
            shutdown_timeout=shutdown_timeout,
            **({} if processes is None else {"processes": processes}),
        )
        if not app.actors:
            raise Refused(f"{app_path} has no actors: declare one with @app.actor, or import the modules that do")
        if unknown := set(settings.queues) - set(app.queues):
            raise Refused(f"no actor uses the queue {', '.join(sorted(unknown))}: expected some of {', '.join(app.queues)}")
        logging.getLogger("fq.worker").info(
            "%s: %d processes of %d threads, %d actors, queues %s",
            app.broker, settings.processes, threads, len(app.actors), ", ".join(settings.queues or app.queues),
        )  # fmt: skip
        raise SystemExit(Supervisor(app, settings).run())
