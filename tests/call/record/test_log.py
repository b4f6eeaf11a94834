"""The call log of a process that lives: one record for every call, whatever becomes of the disk."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from sipagent.call.record import log as module
from sipagent.config import RedactionConfig
from sipagent.sip.ladder import MessageSeen
from tests.call.record.disk import Disk, answer, message, read
from tests.call.stories import CALL_ID, ended, leg_ended, received, said


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


async def test_calls_that_end_together_have_a_line_each(disk: Disk) -> None:
    log = disk.start()
    stories = [await answer(log, f"c-{number}") for number in range(20)]
    for story in stories:
        story.tell(ended())
    await asyncio.gather(*(story.close() for story in stories))
    assert sorted(record["call_id"] for record in disk.records()) == sorted(f"c-{n}" for n in range(20))
