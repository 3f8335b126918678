"""`watch`: draws something again and again, until Ctrl-C."""

import time
from collections.abc import Callable

import click
from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from fq.cli.tables import wide_console
from fq.core.printable import printable
from fq.errors import BrokerError

interval_option = click.option(
    "--interval", type=click.FloatRange(0.2), default=2.0, show_default=True, metavar="SECONDS", help="How often to look."
)


def watch(screen: Callable[[Console], RenderableType], interval: float) -> None:
    """Draw what *screen* returns, every *interval* seconds; once, if standard output is no terminal."""
    console = wide_console()
    if not console.is_terminal:
        console.print(screen(console))
        return
    try:
        with Live(screen(console), console=console, screen=True, auto_refresh=False) as live:
            while True:
                time.sleep(interval)
                live.update(_next(screen, console), refresh=True)
    except KeyboardInterrupt:
        return


def _next(screen: Callable[[Console], RenderableType], console: Console) -> RenderableType:
    """Return the screen, or what is wrong with the broker: it may come back."""
    try:
        return screen(console)
    except BrokerError as error:
        return Text(printable(str(error)), style="red")
