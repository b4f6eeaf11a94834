"""What the API may ask of the server: all that it knows of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from sipagent.call.directors.director import Command


class CantBeDone(Exception):
    """What is asked is not possible in the state that the call is in. `code` is for programs."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What came of a reload; with `problems` nothing has changed. `changes` is what has."""

    problems: Sequence[str]
    changes: Mapping[str, Any]


class Control(Protocol):
    """The server. Records are JSON values, redacted as policy says; see docs/call-record.md."""

    def live(self) -> list[dict[str, Any]]:
        """Summaries of the calls that are on (see `call.record.outward`), oldest first."""

    def live_record(self, call_id: str) -> dict[str, Any] | None:
        """Of a call that is on, as far as it has got."""

    async def record(self, call_id: str) -> dict[str, Any] | None:
        """Of a call that is on or over."""

    def do(self, call_id: str, command: Command) -> None:
        """To a call that is on. Raises `CantBeDone`."""

    def trunks(self) -> list[dict[str, Any]]: ...

    def agents(self) -> list[dict[str, Any]]: ...

    async def reload(self) -> Reloaded:
        """Read the configuration anew."""

    def drain(self, draining: bool) -> int:
        """Take no new calls, or take them again. How many calls are on."""

    def readiness(self) -> Mapping[str, bool]:
        """The conditions for taking calls."""

    def exposition(self) -> bytes:
        """The text of `/metrics`."""

    def directory(self, kind: Literal["recordings", "transcripts"]) -> Path:
        """Where such files are kept."""
