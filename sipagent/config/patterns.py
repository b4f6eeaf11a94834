"""Texts to compare numbers and headers with: exact, by prefix, or by regular expression."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

from pydantic import AfterValidator, PlainSerializer, PlainValidator

#: Longer texts match no regular expression: nobody's number is so long, and some expressions take ages.
LONGEST_FOR_REGEX = 256


@dataclass(frozen=True)
class Patterns:
    """Some patterns; a text need match one of them, and matches nothing where there is none.

    `+442071234567` is that text, `+4420*` whatever begins so, `*` anything, and `~00(33|44)\\d+` a regular
    expression for the whole text. Any number of exact texts and prefixes costs no more than a few.
    """

    texts: tuple[str, ...]

    @classmethod
    def parse(cls, value: object) -> Patterns:
        """Raises ValueError, in words for whoever wrote it."""
        if isinstance(value, Patterns):
            return value
        items = value if isinstance(value, (list, tuple)) else [value]
        patterns = cls(tuple(map(_pattern, items)))
        _ = patterns._expressions  # so that a bad one is told now
        return patterns

    def match(self, text: str) -> str | None:
        """The pattern that the text matches, None if there is none."""
        if text in self._exact:
            return text
        for length in range(min(len(text), self._longest_prefix) + 1):
            if text[:length] in self._prefixes:
                return f"{text[:length]}*"
        if len(text) > LONGEST_FOR_REGEX:
            return None
        return next((f"~{regex.pattern}" for regex in self._expressions if regex.fullmatch(text)), None)

    @cached_property
    def _exact(self) -> frozenset[str]:
        return frozenset(text for text in self.texts if not text.startswith("~") and not text.endswith("*"))

    @cached_property
    def _prefixes(self) -> frozenset[str]:
        return frozenset(t[:-1] for t in self.texts if t.endswith("*") and not t.startswith("~"))

    @cached_property
    def _longest_prefix(self) -> int:
        return max(map(len, self._prefixes), default=-1)

    @cached_property
    def _expressions(self) -> tuple[re.Pattern[str], ...]:
        return tuple(_expression(text[1:]) for text in self.texts if text.startswith("~"))

    def __str__(self) -> str:
        return " or ".join(self.texts)


def _pattern(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text: put it in quotes")
    if not value:
        raise ValueError("an empty text matches nothing")
    return value


def _expression(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise ValueError(f"~{text} is no regular expression: {error}") from None


def _not_empty(patterns: Patterns) -> Patterns:
    if not patterns.texts:
        raise ValueError("names nothing to match")
    return patterns


def _as_written(patterns: Patterns) -> list[str]:
    return list(patterns.texts)


def one_or_more(value: object) -> object:
    """A single text stands for a list of one."""
    return (value,) if isinstance(value, str) else value


PatternList = Annotated[Patterns, PlainValidator(Patterns.parse), PlainSerializer(_as_written)]
SomePatterns = Annotated[PatternList, AfterValidator(_not_empty)]
