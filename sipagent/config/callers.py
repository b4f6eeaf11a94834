"""Who may call, by number: block and allow lists."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field

from sipagent.config.document import Problem
from sipagent.config.patterns import PatternList, Patterns
from sipagent.config.values import ConfigPath, Section


class CallersConfig(Section):
    """Numbers, prefixes (`+44900*`), expressions (`~...`) or `anonymous`. Who is in `block` gets `status`,
    and so does whoever isn't in `allow` if there is anyone in it.

    The files hold one entry in a line; after loading their entries are in `block` and `allow`.
    """

    block: PatternList = Patterns(())
    block_file: ConfigPath | None = None
    allow: PatternList = Patterns(())
    allow_file: ConfigPath | None = None
    status: Annotated[int, Field(ge=400, le=699)] = 603


def entries_of(file: Path) -> tuple[Patterns, list[Problem]]:
    """The entries of a list, and what is wrong with them. Raises OSError or UnicodeDecodeError."""
    entries: list[str] = []
    problems = []
    for line, entry in _lines(file.read_text(encoding="utf-8")):
        try:
            entries.extend(Patterns.parse(entry).texts)
        except ValueError as error:
            problems.append(Problem(file, line, "", str(error)))
    return Patterns(tuple(entries)), problems


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines that are neither empty nor comments, numbered from 1."""
    for number, line in enumerate(text.splitlines(), start=1):
        if entry := line.partition("#")[0].strip():
            yield number, entry
