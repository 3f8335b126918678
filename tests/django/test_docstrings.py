"""The examples in the docstrings of ``fq.django`` run, with the project set up."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import fq.django

FOLDER = Path(fq.django.__file__).parent
MODULES = sorted(".".join(("fq.django", *file.relative_to(FOLDER).with_suffix("").parts)) for file in FOLDER.rglob("[!_]*.py"))


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(name: str) -> None:
    failed, _ = doctest.testmod(import_module(name))

    assert failed == 0


def test_there_are_examples() -> None:
    finder = doctest.DocTestFinder()

    assert sum(len(test.examples) for name in MODULES for test in finder.find(import_module(name))) >= 5
