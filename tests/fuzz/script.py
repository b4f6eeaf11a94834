"""A fuzz input read as a sequence of small choices, for targets that are more than one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Script:
    """Choices, one after another. Past the end every number is 0, and so every choice the first."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def is_over(self) -> bool:
        return self._at >= len(self._data)

    def number(self, size: int = 1) -> int:
        """An unsigned big-endian number of that many bytes."""
        return int.from_bytes(self._take(size).ljust(size, b"\0"), "big")

    def pick(self, choices: Sequence[T]) -> T:
        """One of up to 256 choices."""
        return choices[self.number() % len(choices)]

    def blob(self) -> bytes:
        """Up to 255 bytes, after one that tells how many."""
        return self._take(self.number())

    def _take(self, size: int) -> bytes:
        taken = self._data[self._at : self._at + size]
        self._at += size
        return taken
