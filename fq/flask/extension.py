"""`Fq`: the Flask extension. Mutable shell."""

import os
from collections.abc import Collection
from typing import Never, cast

from flask import Flask

from fq.app.app import DEFAULT_URL, App
from fq.brokers import broker_from_url
from fq.brokers.protocol import Broker
from fq.core.shown_call import Redact
from fq.errors import ConfigError
from fq.flask.commands import commands
from fq.flask.context import SiteContext
from fq.layers import Retries, default_middleware
from fq.middleware.base import Middleware
from fq.middleware.stack import Stack, compose
from fq.outbox import Outbox

NO_SITE = "this Fq has no Flask site yet: call init_app(site) where the site is made, before anything is sent"


class NoBroker:
    """In the place of a broker before there is a site, whose configuration says which one it is."""

    def __str__(self) -> str:
        return "no site yet"

    def __getattr__(self, name: str) -> Never:
        if name.startswith("__"):
            raise AttributeError(name)
        raise ConfigError(NO_SITE)


class Fq(App):
    """
    An `App` for a Flask site: its actors run in the application context of the site, and its broker is in the configuration of the site.

    >>> from flask import Flask, current_app
    >>> queue = Fq()
    >>> @queue.actor
    ... def greet(name: str) -> str:
    ...     return f"{current_app.config['GREETING']}, {name}"
    >>> def create_app() -> Flask:
    ...     site = Flask("shop")
    ...     site.config.update(FQ_URL="memory://", GREETING="Hello")
    ...     queue.init_app(site)
    ...     return site
    >>> site = create_app()
    >>> handle = greet.send("Ada")
    >>> queue.run_until_idle()
    1
    >>> handle.get_result()
    'Hello, Ada'

    The site gets the commands of fq, without the name of the app: ``flask fq worker``, ``flask fq queues``, and so on.

    Its configuration:

    - ``FQ_URL``: the URL of the broker. Default: ``$FQ_URL``, else ``sqlite:///fq.db``.
    - ``FQ_QUEUES``: names of queues that workers claim from, beside those of the actors; see `App`.
    - ``FQ_REDACT``: how logs show the arguments of messages; see `App`.
    - ``FQ_OUTBOX``: an `Outbox`, or the URL of its database, for ``call.send(on=db.session)``. Default: no outbox.

    Args:
        site: the site, if it exists already; else call `init_app` where it is made.

        middleware: the stack of all actors. The context is just inside of `Retries`, so that each attempt has its own; without `Retries`, it is outermost.
    """

    def __init__(self, site: Flask | None = None, *, middleware: Middleware = default_middleware) -> None:
        self._site: Flask | None = None
        super().__init__(broker=cast(Broker, NoBroker()), middleware=_with_context(compose(middleware), SiteContext(lambda: self.site)))
        if site is not None:
            self.init_app(site)

    @property
    def site(self) -> Flask:
        """
        The Flask site.

        Raises:
            ConfigError: there is none yet.
        """
        if self._site is None:
            raise ConfigError(NO_SITE)
        return self._site

    def init_app(self, site: Flask) -> None:
        """
        Belong to *site*: take the broker that its configuration names, and add the commands ``flask fq``.

        A later call, as in the tests of an app factory, takes the place of the earlier one; ``memory://`` is then an empty broker.

        Raises:
            ConfigError: *site* has another `Fq`, or its configuration has a value that fq cannot use.
            DeclarationError: a bad name in ``FQ_QUEUES``.
        """
        other = site.extensions.setdefault("fq", self)
        if other is not self:
            raise ConfigError(f"found another Fq in {site}, expected one for each site: declare all actors with the same one")
        url, queues = site.config.get("FQ_URL") or os.environ.get("FQ_URL") or DEFAULT_URL, site.config.get("FQ_QUEUES", ())
        redact: Redact = site.config.get("FQ_REDACT", True)
        if not isinstance(url, str):
            raise ConfigError(f"FQ_URL: found {url!r}, expected a text, such as redis://localhost:6379/0")
        if isinstance(queues, str) or not isinstance(queues, Collection):
            raise ConfigError(f"FQ_QUEUES: found {queues!r}, expected a list of names")
        if not (isinstance(redact, bool) or callable(redact)):
            raise ConfigError(f"FQ_REDACT: found {redact!r}, expected True, False, or a function of the name and the value of an argument")
        outbox = site.config.get("FQ_OUTBOX")
        if not isinstance(outbox, Outbox | str | None):
            raise ConfigError(f"FQ_OUTBOX: found {outbox!r}, expected an Outbox, or the URL of a database")
        self._outbox = self.registry.source = Outbox(outbox) if isinstance(outbox, str) else outbox
        before = self._broker
        self._use(broker_from_url(url))
        self.registry.queues.declare_all(queues)
        self.registry.redact = redact
        self.edit_stack(lambda stack: stack)  # with the new redact
        if self._site is not None:
            before.close()
        self._site = site
        site.cli.add_command(commands())


def _with_context(stack: Stack, context: SiteContext) -> Stack:
    return stack.inside(Retries, context) if Retries in stack else Stack((context, *stack.layers))
