"""What a process left behind that died: one record for every call that was on."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rtp import wav
from sipagent import events
from sipagent.config import ModelPrices, PricesConfig, RedactionConfig
from tests.call.record.disk import Disk, answer, message, read
from tests.call.stories import CALL_ID, ended, said


def leave_part(path: Path, audio_bytes: int) -> None:
    """What a dead worker leaves: audio behind a header that says nothing yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(wav.header(channels=2, rate=8000, data_bytes=0) + b"\1" * audio_bytes)


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
