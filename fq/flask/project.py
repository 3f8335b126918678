"""``fq.flask.project:app``: the `Fq` of the site that ``flask --app``, or the environment variable ``FLASK_APP``, names."""

import os

import click
from flask import Flask, current_app, has_app_context
from flask.cli import ScriptInfo

from fq.errors import ConfigError
from fq.flask.extension import Fq


def __getattr__(name: str) -> object:
    """Return the `Fq` when it is asked for: the module itself is imported once, and tests make several sites."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    site = current_site()
    queue = site.extensions.get("fq")
    if not isinstance(queue, Fq):
        raise ConfigError(f"found no Fq in {site}: write Fq(site), or queue.init_app(site) where the site is made")
    return queue


def current_site() -> Flask:
    """Return the site whose command runs; else the current one; in a new process, that of the environment."""
    command = click.get_current_context(silent=True)
    if command is not None and (info := command.find_object(ScriptInfo)) is not None:
        return info.load_app()
    if has_app_context():
        site: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # a proxy, as its stubs do not say
        return site
    return ScriptInfo(app_import_path=os.environ.get("FLASK_APP")).load_app()
