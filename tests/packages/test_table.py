"""The page of published middleware names every package that the tests run."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_the_page_has_a_row_for_each_package_of_the_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    rows = [line for line in (ROOT / "docs" / "published-middleware.md").read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    named = {row.split("|")[1].split()[0].lower() for row in rows if row.split("|")[1].strip()}

    packages = [re.split("[>=<;]", requirement)[0] for requirement in project["optional-dependencies"]["packages"]]

    assert len(packages) > 12
    assert set(packages) <= named
