"""Reads the arguments of a script as docs/redis-scripts.md lists them; the kinds of arguments are in a table there."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from attrs import Factory, define, frozen

DOCS = Path(__file__).parents[3] / "docs" / "redis-scripts.md"


@frozen
class Field:
    """One line of a list of arguments: *children* are the lines indented below it."""

    name: str
    kind: str
    children: list["Field"] = Factory(list)


@frozen
class Section:
    """What the docs say of a script: the kinds of its extra keys, and its arguments."""

    extra_keys: frozenset[str]
    fields: list[Field]


def sections() -> dict[str, Section]:
    """Return what the docs say, by script."""
    parts = re.split(r"^## ([a-z_]+)$", DOCS.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return {name: _section(text) for name, text in zip(parts[::2], parts[1::2], strict=True)}


def _section(text: str) -> Section:
    keys = re.search(r"^Extra keys: (.*)$", text, re.MULTILINE)
    block = re.search(r"```text\n(.*?)```", text, re.DOTALL)
    names = re.findall(r"`([a-z]+)`", keys[1]) if keys else []
    return Section(frozenset(names), _fields(block[1].splitlines()) if block else [])


def _fields(lines: Sequence[str]) -> list[Field]:
    roots: list[Field] = []
    levels = [roots]
    for line in lines:
        depth = (len(line) - len(line.lstrip())) // 2
        name, _, rest = line.strip().partition(" ")
        field = Field(name, re.split(r"\s{2,}", rest.strip())[0] if rest else "")
        levels[depth].append(field)
        levels[depth + 1 :] = [field.children]
    return roots


@define
class Reader:
    """Reads *arguments*, of a call with *queues* queues and *keys* extra keys; an `AssertionError` says what is not as the docs say. Mutable."""

    arguments: Sequence[str]
    queues: int
    keys: int
    at: int = 0
    values: dict[str, str] = Factory(dict)

    def read(self, fields: Sequence[Field]) -> None:
        for field in fields:
            self._read(field)

    def _next(self, name: str, matches: Callable[[str], bool]) -> str:
        assert self.at < len(self.arguments), f"no argument is left for {name}"
        value = self.arguments[self.at]
        assert matches(value), f"{value!r} is no {name}, after {self.arguments[max(0, self.at - 5) : self.at]}"
        self.at += 1
        return value

    def _one(self, name: str, kind: str) -> str:
        checks: dict[str, Callable[[str], bool]] = {
            "text": lambda value: True,
            "number": lambda value: re.fullmatch(r"-?\d+", value) is not None,
            "flag": lambda value: value in ("0", "1"),
            "queue": lambda value: value.isdigit() and 1 <= int(value) <= self.queues,
            "key": lambda value: value.isdigit() and 1 <= int(value) <= self.keys,
            "group": lambda value: value.isdigit() and 1 <= int(value) <= self.keys - 2,
        }
        return self._next(f"{name} ({kind})", checks[kind])

    def _read(self, field: Field) -> None:
        kind, _, size = field.kind.replace(" × ", " ").partition(" ")
        if kind == "list":
            for _ in range(int(self._one(field.name, "number"))):
                self.read(field.children)
        elif kind == "repeat":
            for _ in range(int(self.values[size])):
                self.read(field.children)
        elif kind == "rest":
            while self.at < len(self.arguments):
                self.read(field.children)
        elif kind == "choices":
            self._read_choices(field)
        else:
            for _ in range(int(self.values[size]) if size else 1):
                self.values[field.name] = self._one(field.name, kind)

    def _read_choices(self, field: Field) -> None:
        words = {child.name: child for child in field.children}
        end = self.at + int(self.values["size"]) - 2  # commits and index are of it, and have been read
        while self.at < end:
            self.read(words[self._next(field.name, words.__contains__)].children)
        assert self.at == end


def leaf_names(fields: Sequence[Field]) -> Iterator[str]:
    """Return the names of all arguments, those of lists included."""
    for field in fields:
        yield field.name
        yield from leaf_names(field.children)
