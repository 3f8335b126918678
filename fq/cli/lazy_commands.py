"""`LazyCommands`: the commands of a group by name, each imported when it is asked for. A worker lives long, and should hold no other command."""

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from importlib import import_module

import click

Change = Callable[[click.Command], click.Command]


class LazyCommands(MutableMapping[str, click.Command]):
    """
    Mutable: commands by name. *homes* says which module has each, under its name; what was asked for is kept after *change*.

    >>> commands = LazyCommands({"stack": "fq.cli.stack"})
    >>> list(commands), commands["stack"].name
    (['stack'], 'stack')
    """

    def __init__(self, homes: Mapping[str, str], change: Change = lambda command: command) -> None:
        self._homes = dict(homes)
        self._change = change
        self._found: dict[str, click.Command] = {}

    def __getitem__(self, name: str) -> click.Command:
        if name not in self._found:
            command: click.Command = getattr(import_module(self._homes[name]), name)
            self._found[name] = self._change(command)
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._homes, **self._found})

    def __len__(self) -> int:
        return len({**self._homes, **self._found})

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._found[name] = command

    def __delitem__(self, name: str) -> None:
        del self._found[name]
