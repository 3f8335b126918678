"""Prints the oldest versions that pyproject.toml allows as constraints for pip: ``make lowest`` tests with these."""

import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

BOUND = re.compile(r"(?P<name>[\w-]+)(\[[\w,-]+\])?>=(?P<version>[\w.]+)")

FOR_DEVELOPERS = {"test", "packages", "dev"}

UNTESTED = {"opentelemetry-api"}
"""The FastAPI that the tests use asks for a newer one."""


def lowest(requirements: Iterable[str]) -> list[str]:
    """
    Return a constraint for each of *requirements*, all of which have a lower bound; the higher of two.

    >>> lowest(["attrs>=24.3", "redis[hiredis]>=5.2,<9", "attrs>=24.10; sys_platform != 'win32'"])
    ['attrs==24.10', 'redis==5.2']
    """
    found: dict[str, str] = {}
    for requirement in requirements:
        bound = BOUND.match(requirement)
        assert bound, f"{requirement} has no lower bound"
        found[bound["name"]] = max(found.get(bound["name"], "0"), bound["version"], key=_numbers)
    return [f"{name}=={version}" for name, version in found.items() if name not in UNTESTED]


def _numbers(version: str) -> list[int]:
    return [int(number) for number in version.split(".")]


if __name__ == "__main__":
    project = tomllib.loads(Path(__file__).parent.parent.joinpath("pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras: dict[str, list[str]] = project["optional-dependencies"]
    optional = [requirement for extra, group in extras.items() if extra not in FOR_DEVELOPERS for requirement in group]
    sys.stdout.write("\n".join(lowest([*project["dependencies"], *optional])) + "\n")
