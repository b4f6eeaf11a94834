"""The call log: one record for every call, whatever becomes of the process and the disk."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest

from rtp import wav
from sipagent import events
from sipagent.call.record import log as module
from sipagent.call.record import spool
from sipagent.call.record.log import CallLog
from sipagent.call.record.spool import read_lines
from sipagent.config import ModelPrices, PricesConfig, RedactionConfig
from sipagent.sip.ladder import MessageSeen
from tests.call.stories import CALL_ID, admitted, answered, ended, leg_ended, ready, received, said


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


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    monkeypatch.setattr(spool, "RETRY_S", 0.01)
    disk = Disk(tmp_path)
    yield disk
    disk.close()


async def answer(log: CallLog, call_id: str = CALL_ID, is_recorded: bool = True) -> module.CallStory:
    """A call that is on."""
    story = log.story(received(call_id))
    await story.open(log.recording_path(call_id) if is_recorded else None)
    for event in (admitted(), ready(), answered()):
        story.tell(event)
    return story


def leave_part(path: Path, audio_bytes: int) -> None:
    """What a dead worker leaves: audio behind a header that says nothing yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(wav.header(channels=2, rate=8000, data_bytes=0) + b"\1" * audio_bytes)


# --- a process that lives ---------------------------------------------------------------------------


async def test_a_call_is_one_line_and_leaves_no_marker(disk: Disk) -> None:
    log = disk.start()
    story = await answer(log)
    assert [path.stem for path in disk.markers.glob("*.json")] == [CALL_ID]
    for event in (leg_ended(), ended()):
        story.tell(event)
    await story.close()
    log.close()
    (record,) = disk.records()
    assert (record["call_id"], record["call_status"]) == (CALL_ID, "completed")
    assert list(disk.markers.iterdir()) == []


async def test_the_names_of_its_files_are_not_interned(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """With every call the interpreter's table of interned strings would grow."""
    log, interned, intern = disk.start(), list[str](), sys.intern
    monkeypatch.setattr(sys, "intern", lambda string: (interned.append(string), intern(string))[1])
    story = await answer(log)
    story.tell_messages([MessageSeen(at=100.5, direction="received", text="INVITE")])
    story.tell(said("agent", "i1", "Hello.", at=101.5))
    await story.close()
    log.close()
    assert not [each for each in interned if CALL_ID in each]


async def test_a_refused_call_has_a_line_and_never_had_a_marker(disk: Disk) -> None:
    story = disk.start().story(received())
    story.tell(ended("refused", 403))
    await story.close()
    assert len(disk.records()) == 1
    assert not disk.markers.exists()


async def test_the_transcript_lies_beside_the_record_line_by_line(disk: Disk) -> None:
    log = disk.start()
    story = await answer(log)
    story.tell(said("agent", "i1", "Hello.", at=101.5))
    story.tell(said("caller", "i2", "Hi.", at=103.0))
    await story.close()
    log.close()
    (record,) = disk.records()
    assert read(Path(record["transcript"])) == [
        {"at_s": 1.5, "role": "agent", "item_id": "i1", "text": "Hello."},
        {"at_s": 3.0, "role": "caller", "item_id": "i2", "text": "Hi."},
    ]


async def test_a_call_in_silence_has_no_transcript(disk: Disk) -> None:
    story = await answer(disk.start())
    await story.close()
    assert disk.records()[0]["transcript"] is None
    assert list(disk.transcripts.rglob("*.jsonl")) == []


async def test_a_disk_that_refuses_holds_up_no_answer_and_loses_no_record(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MARKER_DEADLINE_S", 0.01)
    log = disk.start()
    disk.markers.write_text("in the way")
    story = await answer(log)
    story.tell(ended())
    disk.markers.unlink()
    await story.close()
    log.close()
    assert len(disk.records()) == 1
    assert list(disk.markers.iterdir()) == []


def message(text: str, direction: Literal["in", "out"] = "in") -> MessageSeen:
    return MessageSeen(direction, 100.5, text)


async def test_the_sip_messages_lie_beside_the_record_line_by_line(disk: Disk) -> None:
    log = disk.start()
    story = await answer(log)
    story.tell_messages([message("INVITE sip:100@a SIP/2.0")])
    story.tell_messages([message("SIP/2.0 200 OK", "out")])
    await story.close()
    log.close()
    (record,) = disk.records()
    assert read(Path(record["ladder"])) == [
        {"at_s": 0.5, "direction": "in", "text": "INVITE sip:100@a SIP/2.0"},
        {"at_s": 0.5, "direction": "out", "text": "SIP/2.0 200 OK"},
    ]


async def test_where_no_ladders_are_wanted_there_are_none(disk: Disk) -> None:
    disk.ladders = None
    story = await answer(disk.start())
    story.tell_messages([message("INVITE")])
    await story.close()
    assert disk.records()[0]["ladder"] is None


async def test_what_policy_keeps_out_is_never_written(disk: Disk) -> None:
    disk.redact = RedactionConfig(caller_numbers="mask", transcripts="drop")
    log = disk.start()
    story = await answer(log)
    story.tell(said("caller", "i1", "Hello."))
    story.tell_messages([message("INVITE\r\nFrom: <sip:+15559999@pbx>")])
    await story.close()
    log.close()
    (record,) = disk.records()
    assert (record["from"], record["turns"][0]["text"], record["transcript"]) == ("+15***99", None, None)
    assert read(Path(record["ladder"]))[0]["text"].endswith("<sip:+15***99@pbx>")
    assert list(disk.transcripts.rglob("*.jsonl")) == []


async def test_a_call_that_a_crash_cut_off_keeps_its_ladder_and_is_redacted_all_the_same(disk: Disk) -> None:
    disk.redact = RedactionConfig(caller_numbers="mask")
    log = disk.start()
    story = await answer(log)
    story.tell_messages([message("INVITE")])
    log.close()
    recover(disk)
    (record,) = disk.records()
    assert record["from"] == "+15***99"
    assert read(Path(record["ladder"]))[0]["text"] == "INVITE"


# --- a process that died ----------------------------------------------------------------------------


async def crash_in_mid_call(disk: Disk, **options: Any) -> Path:
    """Returns where the recording of the call that was on would have been."""
    log = disk.start()
    await answer(log, **options)
    log.close()
    return Path(log.recording_path(CALL_ID))


def recover(disk: Disk) -> list[str]:
    """Start anew; the ids of the calls that had been cut off."""
    log = disk.start()
    cut_off = [record.call_id for record in log.recover()]
    log.close()
    assert not disk.markers.exists() or list(disk.markers.iterdir()) == []
    return cut_off


async def test_a_call_that_was_on_gets_exactly_one_record(disk: Disk) -> None:
    await crash_in_mid_call(disk)
    assert recover(disk) == [CALL_ID]
    (record,) = disk.records()
    assert (record["end_reason"], record["call_status"]) == ("server_crashed", "completed")
    assert record["ended_at"] >= record["received_at"]
    assert (record["from"], record["trunk"]) == ("+15559999", "pbx")
    assert recover(disk) == []
    assert len(disk.records()) == 1


async def test_what_it_had_used_until_10_s_before_is_known_and_priced(disk: Disk) -> None:
    log = disk.start()
    story = await answer(log)
    for at in (101.0, 112.0, 113.0):
        spoken = {"output_token_details": {"audio_tokens": 500_000}}
        story.tell(events.UsageReported(call_id=CALL_ID, at=at, source="response", usage=spoken, model="gpt"))
    log.close()
    prices = PricesConfig(models={"gpt": ModelPrices(audio_output_per_million=Decimal(64))})
    disk.start().recover(prices)
    (record,) = disk.records()
    assert record["tokens"] == {"gpt": {"audio_output": 1_000_000}}
    assert (record["cost"]["total"], record["cost"]["currency"]) == (64.0, "USD")
    assert (record["codec"], record["call_status"]) == ("PCMU", "completed")


async def test_its_recording_is_completed_and_named(disk: Disk) -> None:
    recording = await crash_in_mid_call(disk)
    leave_part(recording, audio_bytes=4 * 8000)
    recover(disk)
    assert disk.records()[0]["recording"] == str(recording)
    data = recording.read_bytes()
    assert wav.parse_header(data).duration_ms == 1000
    assert len(data) == wav.HEADER_BYTES + 4 * 8000


async def test_a_recording_and_a_transcript_that_never_were_are_not_named(disk: Disk) -> None:
    await crash_in_mid_call(disk)
    recover(disk)
    (record,) = disk.records()
    assert (record["recording"], record["transcript"]) == (None, None)


async def test_its_transcript_is_kept(disk: Disk) -> None:
    log = disk.start()
    story = await answer(log)
    story.tell(said("agent", "i1", "Hello."))
    log.close()
    recover(disk)
    assert [line["text"] for line in read(Path(disk.records()[0]["transcript"]))] == ["Hello."]


async def test_a_marker_whose_record_was_written_is_stale(disk: Disk) -> None:
    log = disk.start()
    story = await answer(log)
    marker = (disk.markers / f"{CALL_ID}.json").read_bytes()
    story.tell(ended())
    await story.close()
    log.close()
    (disk.markers / f"{CALL_ID}.json").write_bytes(marker)
    assert recover(disk) == []
    assert [record["end_reason"] for record in disk.records()] == ["caller_hung_up"]


async def test_a_record_of_a_later_day_counts_too(disk: Disk) -> None:
    await crash_in_mid_call(disk)
    late = {"call_id": CALL_ID, "direction": "inbound"}
    (disk.spool / "calls-2999-01-01.jsonl").write_bytes(msgspec.json.encode(late) + b"\n")
    assert recover(disk) == []


async def test_a_torn_record_does_not_count(disk: Disk) -> None:
    await crash_in_mid_call(disk)
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    path = disk.spool / f"calls-{today}.jsonl"
    path.write_bytes(b'{"call_id":"c-0"}\n{"call_id":"c-1","direc')
    assert recover(disk) == [CALL_ID]
    assert [record["call_id"] for record in disk.records()] == ["c-0", CALL_ID]


@pytest.mark.parametrize("content", [b"", b'{"call_id":"c-', b"\0" * 300, b"[]"])
async def test_a_torn_marker_still_gets_its_record_and_stops_nothing(disk: Disk, content: bytes) -> None:
    log = disk.start()
    await answer(log, "c-1")
    await answer(log, "c-2")
    log.close()
    (disk.markers / "c-1.json").write_bytes(content)
    assert sorted(recover(disk)) == ["c-1", "c-2"]
    torn, whole = sorted(disk.records(), key=lambda record: record["call_id"])
    assert (torn["call_id"], torn["end_reason"]) == ("c-1", "server_crashed")
    assert torn["received_at"] <= torn["ended_at"]
    assert whole["from"] == "+15559999"


async def test_a_crash_in_the_middle_of_writing_a_marker_leaves_nothing_behind(disk: Disk) -> None:
    disk.markers.mkdir(parents=True)
    (disk.markers / "c-1.json.part").write_bytes(b'{"call_id":')
    assert recover(disk) == []
    assert disk.records() == []


async def test_recordings_of_several_crashes_are_all_completed(disk: Disk) -> None:
    for call_id, day in (("c-1", "2026-01-01"), ("c-2", "2026-01-02")):
        leave_part(disk.recordings / day / f"{call_id}.wav", audio_bytes=400)
    recover(disk)
    assert sorted(path.name for path in disk.recordings.rglob("*.*")) == ["c-1.wav", "c-2.wav"]


def test_a_first_start_finds_nothing(disk: Disk) -> None:
    assert recover(disk) == []


async def test_calls_that_end_together_have_a_line_each(disk: Disk) -> None:
    log = disk.start()
    stories = [await answer(log, f"c-{number}") for number in range(20)]
    for story in stories:
        story.tell(ended())
    await asyncio.gather(*(story.close() for story in stories))
    assert sorted(record["call_id"] for record in disk.records()) == sorted(f"c-{n}" for n in range(20))
