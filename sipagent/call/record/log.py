"""The call log: one JSON line per call in the spool, the transcript beside it, and nothing lost in a crash.

    spool/open/CALL_ID.json       the record as far as it has got, while a call is on
    spool/calls-YYYY-MM-DD.jsonl  finished records, one per call
    transcripts/DATE/CALL_ID.jsonl
    ladders/DATE/CALL_ID.jsonl      its SIP messages

On start, an open call without a record died with the process: it gets its record now. A power cut can leave
its marker empty or torn; then the record says no more than that there was a call.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import msgspec

from sipagent import events, logs
from sipagent.call.origination import Outcome
from sipagent.call.record import redaction
from sipagent.call.record.builder import RecordBuilder
from sipagent.call.record.call_record import CallRecord, call_status, iso
from sipagent.call.record.spool import Spool, first_line, read_lines
from sipagent.config import PricesConfig, RedactionConfig
from sipagent.cost.bill import cost_of_models
from sipagent.errors import EndReason
from sipagent.media import recording_file
from sipagent.sip.ladder import MessageSeen

log = logs.get_logger(__name__)

MARKER_DEADLINE_S = 0.5
#: What a record must know that a crash leaves: at once, or at times, for a marker holds the whole story.
MARKED = (events.CallDialled, events.CallAnswered)
MARKED_AT_TIMES = events.UsageReported
MARK_EVERY_S = 10.0
KEEP_ALL = RedactionConfig()


class CallLog:
    """Where the stories of calls are kept, but for what `redact` keeps out. No `ladders`: none are kept."""

    def __init__(
        self,
        *,
        spool: Path,
        transcripts: Path,
        recordings: Path,
        ladders: Path | None = None,
        redact: RedactionConfig = KEEP_ALL,
    ) -> None:
        self._spool = Spool(spool)
        self._transcripts = Spool(transcripts)
        self._recordings = recordings
        self._ladders = None if ladders is None else Spool(ladders)
        self._redact = redact

    def story(self, begun: events.CallBegun) -> CallStory:
        return CallStory(self._spool, self._transcripts, self._ladders, self._redact, begun, time.time())

    def recording_path(self, call_id: str) -> str:
        return f"{self._recordings}/{_day(time.time())}/{call_id}.wav"

    def recover(self, prices: PricesConfig | None = None) -> list[CallRecord]:
        """Complete what a dead process left: its recordings, and one record for each call it cut off.

        Call it before the first call is taken. Returns those records.
        """
        recording_file.repair(self._recordings)
        cut_off = self._cut_off()
        for record in cut_off:
            finish_after_crash(record)
            record.cost = cost_of_models(prices, record.tokens)
            written = redaction.redacted_record(record, self._redact)
            self._spool.append(_calls_file(time.time()), written).result()
            self._spool.remove(_marker(record.call_id)).result()
            log.warning("call_cut_off_by_crash", call_id=record.call_id, recording=record.recording)
        return cut_off

    def close(self) -> None:
        self._spool.close()
        self._transcripts.close()
        if self._ladders is not None:
            self._ladders.close()

    def _cut_off(self) -> list[CallRecord]:
        """The calls whose markers are there and whose records are not; stale markers are removed."""
        markers = self._spool.directory / "open"
        for unfinished in markers.glob("*.part"):
            unfinished.unlink()
        opened = {path.stem: _read_marker(path) for path in markers.glob("*.json")}
        if opened:
            first_day = min(record.received_at for record in opened.values())[:10]
            for path in sorted(self._spool.directory.glob("calls-*.jsonl")):
                if path.stem.removeprefix("calls-") >= first_day:
                    for entry in _read(path):
                        if opened.pop(entry.get("call_id", ""), None) is not None:
                            self._spool.remove(_marker(entry["call_id"]))
        return list(opened.values())


class CallStory:
    """One call's way into the log: takes its events, keeps its transcript, writes its record once."""

    def __init__(
        self,
        spool: Spool,
        transcripts: Spool,
        ladders: Spool | None,
        redact: RedactionConfig,
        begun: events.CallBegun,
        wall: float,
    ) -> None:
        self._spool = spool
        self._transcripts = transcripts
        self._ladders = ladders
        self._redact = redact
        self._builder = RecordBuilder(begun, wall)
        self._file = f"{_day(wall)}/{begun.call_id}.jsonl"
        self._transcript_path = f"{transcripts.directory}/{self._file}"
        self._ladder_path = None if ladders is None else f"{ladders.directory}/{self._file}"
        self._began = self._marked_at = begun.at
        self._opened = False
        self._recording: str | None = None
        self._is_recording_left = False

    @property
    def record(self) -> CallRecord:
        return self._builder.record

    async def open(self, recording: str | None) -> None:
        """Make it known on disk that this call is to be answered or placed, and where its files will be.

        A disk that refuses delays the answer by no more than `MARKER_DEADLINE_S`.
        """
        self._opened = True
        self._recording = recording
        await asyncio.wait([asyncio.wrap_future(self._mark())], timeout=MARKER_DEADLINE_S)

    def _mark(self) -> Future[None]:
        """Put what is known of the call where a crash leaves it."""
        known = msgspec.structs.replace(
            self.record,
            recording=self._recording,
            transcript=self._transcript_path,
            ladder=self._ladder_path,
        )
        marked = redaction.redacted_record(known, self._redact)
        return self._spool.put(_marker(self.record.call_id), marked)

    def tell(self, event: events.Event) -> None:
        self._builder.apply(event)
        if isinstance(event, events.LegEnded):
            self._is_recording_left = event.recording_left or event.reason == EndReason.WORKER_LOST
        if self._opened and self._is_to_mark(event):
            self._marked_at = event.at
            self._mark()
        if isinstance(event, events.Transcript) and self._redact.transcripts == "keep":
            self.record.transcript = self._transcript_path
            line = {"at_s": round(event.at - self._began, 3), "role": event.role, "item_id": event.item_id}
            self._transcripts.append(self._file, {**line, "text": event.text})

    def _is_to_mark(self, event: events.Event) -> bool:
        if isinstance(event, MARKED_AT_TIMES):
            return event.at - self._marked_at >= MARK_EVERY_S
        return isinstance(event, MARKED)

    def tell_messages(self, messages: Sequence[MessageSeen]) -> None:
        """SIP messages of this call passed."""
        if self._ladders is not None:
            self.record.ladder = self._ladder_path
            self._ladders.note(self._file, [self._rung(message) for message in messages])

    def _rung(self, message: MessageSeen) -> dict[str, Any]:
        """A line of the ladder."""
        text = message.text
        if self._redact.caller_numbers == "mask":
            text = redaction.masked(text, redaction.own_numbers(self.record))
        return {
            "at_s": max(round(message.at - self._began, 3), 0.0),
            "direction": message.direction,
            "text": text,
        }

    async def close(self) -> None:
        """Write the record; returns when it is on disk. A recording whose worker died is completed first."""
        path, is_left = self._recording, self._is_recording_left
        if path is not None and is_left and await asyncio.to_thread(recording_file.repair_one, path):
            self.record.recording = path
        written = redaction.redacted_record(self.record, self._redact)
        await asyncio.wrap_future(self._spool.append(_calls_file(time.time()), written))
        if self._opened:
            self._spool.remove(_marker(self.record.call_id))


def finish_after_crash(record: CallRecord) -> None:
    """What can still be said of a call whose process died: when it was found, and which files are left."""
    record.end_reason = EndReason.SERVER_CRASHED
    if record.direction == "inbound":
        record.answered_at = record.answered_at or record.received_at
    else:
        record.outcome = Outcome.ANSWERED if record.answered_at is not None else Outcome.FAILED
    record.call_status = call_status(record)
    record.ended_at = iso(time.time())
    if record.recording is not None and not os.path.exists(record.recording):
        record.recording = None
    if record.transcript is not None and not os.path.exists(record.transcript):
        record.transcript = None
    if record.ladder is not None and not os.path.exists(record.ladder):
        record.ladder = None


def _marker(call_id: str) -> str:
    return f"open/{call_id}.json"


def _read_marker(path: Path) -> CallRecord:
    data = first_line(path)
    try:
        return msgspec.json.decode(data, type=CallRecord)
    except msgspec.DecodeError:
        log.warning("marker_unreadable", file=path.name, size=len(data))
        received_at = iso(path.stat().st_mtime)
        return CallRecord(call_id=path.stem, direction="inbound", received_at=received_at)


def _calls_file(wall: float) -> str:
    return f"calls-{_day(wall)}.jsonl"


def _day(wall: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(wall))


def _read(path: Path) -> Iterator[dict[str, Any]]:
    def torn(number: int) -> None:
        log.warning("spool_line_unreadable", file=path.name, line=number)

    return read_lines(path, torn)
