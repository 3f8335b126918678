"""What an import of fq costs: CPU time of fresh interpreters, as a ratio to the import of attrs and asyncio, which fq is made with."""

import subprocess
import sys

BASE = "import attrs, asyncio"
PROGRAMS = (
    "import fq",
    "from fq import App",
    "from fq import App; App('sqlite:///fq.db')",
    "from fq import App; App('redis://localhost')",
    "from fq import *",
    "import fq.cli",
)
RUNS = 20

TIMED = """
import sys, time
begun = time.process_time()
exec(sys.argv[1])
print(time.process_time() - begun, len(sys.modules))
"""


def cost(program: str) -> tuple[float, int]:
    """The least CPU time of all runs in ms, and how many modules there are then."""
    command = [sys.executable, "-c", TIMED, program]
    ran = [subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() for _ in range(RUNS + 1)]
    return min(float(seconds) for seconds, _ in ran[1:]) * 1_000, int(ran[0][1])  # the first may write bytecode


def main() -> None:
    base, modules = cost(BASE)
    print(f"{BASE:46} {base:6.1f} ms  ratio 1.00  {modules} modules")
    for program in PROGRAMS:
        spent, modules = cost(program)
        print(f"{program:46} {spent:6.1f} ms  ratio {spent / base:.2f}  {modules} modules")
