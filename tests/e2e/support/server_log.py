"""The log of a server, read as it comes, line by line."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from tests.e2e.support.waiting import PATIENCE_S

Line = dict[str, Any]


class ServerLog:
    """Of JSON lines, from a pipe until it is closed; a copy goes to a file. What is no JSON is `not_json`."""

    def __init__(self, pipe: asyncio.StreamReader, copy: Path) -> None:
        self.all: list[Line] = []
        self._news = asyncio.Condition()
        self._reader = asyncio.create_task(self._read(pipe, copy))

    def lines(self, event: str, **fields: Any) -> list[Line]:
        """The lines so far that have these fields."""
        wanted = {"event": event} | fields
        return [line for line in self.all if wanted.items() <= line.items()]

    async def wait_for(self, event: str, count: int, within_s: float = PATIENCE_S, **fields: Any) -> Line:
        """The `count`-th line with these fields, which may have been written already."""
        try:
            async with asyncio.timeout(within_s), self._news:
                await self._news.wait_for(
                    lambda: len(self.lines(event, **fields)) >= count or self._reader.done()
                )
        except TimeoutError:
            pass
        found = self.lines(event, **fields)
        assert len(found) >= count, f"no {event} {fields} ({len(found)} of {count}):\n{self.tail()}"
        return found[count - 1]

    def tail(self, lines: int = 30) -> str:
        return "\n".join(json.dumps(line) for line in self.all[-lines:])

    def errors(self) -> list[Line]:
        """Lines of errors, and those that tell no level."""
        return [line for line in self.all if line.get("level") in ("error", "critical", None)]

    async def closed(self) -> None:
        """Returns when nobody will write any more."""
        await self._reader

    async def _read(self, pipe: asyncio.StreamReader, copy: Path) -> None:
        with open(copy, "ab") as file:
            while line := await pipe.readline():
                file.write(line)
                self.all.append(_parsed(line))
                async with self._news:
                    self._news.notify_all()
        async with self._news:
            self._news.notify_all()


def _parsed(line: bytes) -> Line:
    try:
        parsed = json.loads(line)
    except ValueError:
        return {"event": "not_json", "text": line.decode(errors="replace").rstrip()}
    return {"event": ""} | parsed
