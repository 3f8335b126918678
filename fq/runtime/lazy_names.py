"""
`LazyNames`: names of a package that are imported when they are first used, so that a program pays only for the parts of fq that it uses.

An actor that uses such a name first is not interrupted meanwhile: an import that a time limit interrupts would begin again for the next message.
"""

import sys
from collections.abc import Mapping
from importlib import import_module


class LazyNames:
    """
    The lazy names of *package*, with spaces between them, by the module that defines them. The packages inside it that have these modules are lazy names too.

    A package assigns `get` to ``__getattr__`` and `names` to ``__dir__``.

    >>> names = LazyNames("fq.runtime", {"fq.runtime.process_id": "pid"})
    >>> names.get("pid").__module__
    'fq.runtime.process_id'
    >>> names.get("pids")
    Traceback (most recent call last):
    ...
    AttributeError: module 'fq.runtime' has no attribute 'pids'
    """

    def __init__(self, package: str, homes: Mapping[str, str]) -> None:
        self._package = package
        self._homes = {name: home for home, names in homes.items() for name in names.split()}
        self._packages = {home.removeprefix(f"{package}.").partition(".")[0] for home in homes}

    def get(self, name: str) -> object:
        """
        Import *name*, and keep it in the package, which does not ask again.

        Raises:
            AttributeError: the package has no such name.
        """
        from fq.runtime.interrupt_mask import shielded

        return shielded(self._get)(name)

    def _get(self, name: str) -> object:
        if name in self._packages:
            return import_module(f"{self._package}.{name}")
        home = self._homes.get(name)
        if home is None:
            raise AttributeError(f"module {self._package!r} has no attribute {name!r}", name=name, obj=sys.modules[self._package])
        value: object = getattr(import_module(home), name)
        setattr(sys.modules[self._package], name, value)
        return value

    def names(self) -> list[str]:
        """Return what ``dir()`` shows of the package: its lazy names too."""
        return sorted({*vars(sys.modules[self._package]), *self._homes, *self._packages})
