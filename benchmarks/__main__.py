"""Run the named benchmarks, or those that need no server."""

import sys

from benchmarks import core, sqlite

SUITES = {"core": core.main, "sqlite": sqlite.main}


def main(names: list[str]) -> None:
    for name in names or SUITES:
        if name == "redis":
            from benchmarks import redis

            redis.main()
        else:
            SUITES[name]()


main(sys.argv[1:])
