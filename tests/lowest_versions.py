"""Prints the oldest versions that pyproject.toml allows as constraints for pip: ``make lowest`` tests with these."""

import re
import sys
import tomllib
from pathlib import Path

BOUND = re.compile(r"(?P<name>[\w-]+)(\[[\w,-]+\])?>=(?P<version>[\w.]+)")


def lowest(requirements: list[str]) -> list[str]:
    """
    Return a constraint for each of *requirements*, all of which have a lower bound.

    >>> lowest(["attrs>=24.3", "redis[hiredis]>=5.2,<9"])
    ['attrs==24.3', 'redis==5.2']
    """
    found = map(BOUND.match, requirements)
    return [f"{bound['name']}=={bound['version']}" for bound in found if bound]


if __name__ == "__main__":
    project = tomllib.loads(Path(__file__).parent.parent.joinpath("pyproject.toml").read_text(encoding="utf-8"))["project"]
    dependencies: list[str] = project["dependencies"]
    constraints = lowest(dependencies)
    assert len(constraints) == len(dependencies), "every dependency has a lower bound"
    sys.stdout.write("\n".join(constraints) + "\n")
