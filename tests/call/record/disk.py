"""The directories of a server, and calls that are logged there."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from sipagent.call.record import log as module
from sipagent.call.record.log import CallLog
from sipagent.call.record.spool import read_lines
from sipagent.config import RedactionConfig
from sipagent.sip.ladder import MessageSeen
from tests.call.stories import CALL_ID, admitted, answered, ready, received


class Disk:
    """The directories of a server, which outlive its processes."""

    def __init__(self, root: Path) -> None:
        self.spool, self.transcripts, self.recordings = root / "spool", root / "transcripts", root / "rec"
        self.markers = self.spool / "open"
        self.ladders: Path | None = root / "ladders"
        self.redact = RedactionConfig()
        self._logs: list[CallLog] = []

    def start(self) -> CallLog:
        """The log of a new process."""
        log = CallLog(
            spool=self.spool,
            transcripts=self.transcripts,
            recordings=self.recordings,
            ladders=self.ladders,
            redact=self.redact,
        )
        self._logs.append(log)
        return log

    def records(self) -> list[dict[str, Any]]:
        return [entry for path in sorted(self.spool.glob("calls-*.jsonl")) for entry in read(path)]

    def close(self) -> None:
        for log in self._logs:
            log.close()


def read(path: Path) -> list[dict[str, Any]]:
    return list(read_lines(path, lambda number: None))


async def answer(log: CallLog, call_id: str = CALL_ID, is_recorded: bool = True) -> module.CallStory:
    """A call that is on."""
    story = log.story(received(call_id))
    await story.open(log.recording_path(call_id) if is_recorded else None)
    for event in (admitted(), ready(), answered()):
        story.tell(event)
    return story


def message(text: str, direction: Literal["in", "out"] = "in") -> MessageSeen:
    return MessageSeen(direction, 100.5, text)
