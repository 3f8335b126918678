"""Another program called ``fq`` that hides this one: Debian has one."""

from pathlib import Path

import pytest

from fq.cli.own_command import find_shadow


def put(folder: Path, text: str) -> Path:
    command = folder / "fq"
    command.write_text(text)
    command.chmod(0o755)
    return command


def test_another_program_of_that_name_is_a_finding_that_says_what_to_type(tmp_path: Path) -> None:
    other = put(tmp_path, "#!/bin/sh\necho jq for binary files\n")
    finding = find_shadow(str(tmp_path))

    assert finding is not None
    assert (finding.level, finding.found, finding.advice) == ("warn", f"{other}, which is another program", "type: python -m fq")


@pytest.mark.parametrize("text", ["#!/bin/python\nfrom fq.cli import main\nmain()\n", None])
def test_the_script_of_an_installer_is_none_and_neither_is_no_command(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        put(tmp_path, text)

    assert find_shadow(str(tmp_path)) is None


def test_the_doctor_says_so(fq, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "#!/bin/sh\n")
    monkeypatch.setenv("PATH", str(tmp_path))

    assert "python -m fq" in fq("doctor", "tasks:app").output
