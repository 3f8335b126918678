"""Run the named benchmarks: ``python -m benchmarks core sqlite``, or ``python -m benchmarks peers --help``."""

import sys
from importlib import import_module

SUITES = {
    "core": "benchmarks.core",
    "sqlite": "benchmarks.sqlite",
    "history": "benchmarks.history",
    "imports": "benchmarks.imports",
    "pages": "benchmarks.pages",
    "peers": "benchmarks.peers.rounds",
    "report": "benchmarks.peers.page",
}


def main(names: list[str]) -> None:
    if names[:1] == ["peers"]:
        import_module(SUITES["peers"]).main(names[1:])
        return
    for name in names or ("core", "sqlite"):
        if name not in SUITES:
            raise SystemExit(f"found {name!r}; expected some of {', '.join(SUITES)}")
        import_module(SUITES[name]).main()


main(sys.argv[1:])
