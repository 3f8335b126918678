"""``fq`` itself, as a process of its own."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from click.testing import CliRunner

from fq.cli.main import main


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "fq", *arguments], capture_output=True, text=True, check=False, cwd=cwd, timeout=60)


def test_the_version_is_that_of_the_distribution() -> None:
    ran = run("--version")

    assert (ran.returncode, ran.stdout) == (0, f"fq, version {version('fq')}\n")


@pytest.mark.parametrize("arguments", [("--help",), ("-h",)])
def test_help_lists_the_commands(arguments: tuple[str, ...]) -> None:
    ran = CliRunner().invoke(main, arguments, prog_name="fq")

    assert ran.exit_code == 0
    for command in main.commands.values():
        assert f"\n  {command.name} " in ran.stdout


@pytest.mark.parametrize("command", list(main.commands))
def test_every_command_explains_itself(command: str) -> None:
    ran = CliRunner().invoke(main, [command, "--help"], prog_name="fq")

    assert ran.exit_code == 0
    app = {"doctor": " [APP]", "bench": ""}.get(command, " APP")
    assert ran.stdout.startswith(f"Usage: fq {command} [OPTIONS]{app}")


def test_an_unknown_command_is_exit_code_2() -> None:
    ran = run("wroker", "tasks:app")

    assert ran.returncode == 2
    assert "No such command 'wroker'" in ran.stderr


def test_an_unknown_option_is_exit_code_2() -> None:
    ran = run("worker", "tasks:app", "--thread", "3")

    assert ran.returncode == 2
    assert "No such option '--thread'" in ran.stderr or "No such option: --thread" in ran.stderr
    assert "--threads" in ran.stderr


def test_an_error_is_one_line_without_a_traceback(tmp_path: Path) -> None:
    ran = run("queues", "nowhere:app", cwd=tmp_path)

    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == f"Error: no module 'nowhere' here ({tmp_path}): expected module:app, such as tasks:app for tasks.py\n"


def test_a_script_that_reads_json_can_read_it_from_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text("from fq import App\napp = App('sqlite:///jobs.db')\n@app.actor\ndef add(a: int) -> int: return a\n")
    sent = run("send", "tasks:app", "add", "1", "--json", cwd=tmp_path)
    reader = "import json, sys; print(len(json.load(sys.stdin)['message_id']))"
    read = subprocess.run([sys.executable, "-c", reader], input=sent.stdout, capture_output=True, text=True, check=True)

    assert read.stdout == "36\n"


@pytest.mark.parametrize("command", list(main.commands))
def test_every_command_is_on_the_page_about_the_command_line(command: str) -> None:
    page = Path(__file__).parents[2].joinpath("docs", "command-line.md").read_text(encoding="utf-8")

    assert f"`fq {command}" in page


def test_every_command_has_json_but_those_that_run_on_or_have_a_format_of_their_own() -> None:
    without = {command.name for command in main.commands.values() if not any("--json" in option.opts for option in command.params)}

    assert without == {"worker", "web", "metrics"}


def test_every_command_that_destroys_asks_unless_told_not_to() -> None:
    asking = {command.name for command in main.commands.values() if any("--yes" in option.opts for option in command.params)}

    assert asking == {"retry", "promote", "cancel", "discard", "dead", "purge", "schedules", "shrink", "workers"}
