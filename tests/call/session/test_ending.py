"""Who ends a call that is on: however it goes, it ends once and leaves one record."""

from __future__ import annotations

import pytest

from sipagent.errors import EndReason
from sipagent.sip.messages import CallDisconnected
from tests.call.exchange import Exchange, Talk, outcome
from tests.call.fake_sip import FakeSip, invite
from tests.call.fake_workers import FakeWorkers


@pytest.mark.parametrize("reason", [EndReason.BACKEND_LOST, EndReason.WORKER_LOST, EndReason.MEDIA_TIMEOUT])
async def test_a_leg_that_ends_by_itself_hangs_up(
    talk: Talk, workers: FakeWorkers, reason: EndReason
) -> None:
    await talk.talking()
    workers.end(reason)
    assert outcome(await talk.over()) == ("completed", reason, 200, None)
    assert talk.sip.done[-1] == f"hang_up {reason}"


async def test_a_leg_that_ends_before_the_ack_hangs_up_too(talk: Talk, workers: FakeWorkers) -> None:
    await talk.answered()
    workers.end(EndReason.BACKEND_LOST)
    await talk.sip.until("hang_up backend_lost")
    talk.sip.ack()
    assert outcome(await talk.over()) == ("completed", "backend_lost", 200, None)


async def test_a_call_that_lasts_too_long_is_ended(exchange: Exchange, workers: FakeWorkers) -> None:
    talk = Talk(exchange, workers, FakeSip(invite()))
    await talk.preparing()
    assert talk.session._media is not None
    talk.session._media.max_duration_s = 0
    workers.get_ready()
    record = await talk.over()
    assert outcome(record) == ("completed", "max_duration", 200, None)
    assert talk.sip.done[-1] == "hang_up max_duration"


async def test_the_server_ends_a_call_that_is_on(talk: Talk) -> None:
    await talk.talking()
    talk.session.end(EndReason.DRAIN_DEADLINE)
    talk.session.end(EndReason.MAX_DURATION)
    assert outcome(await talk.over()) == ("completed", "drain_deadline", 200, None)


async def test_a_signalling_failure_is_not_the_callers_doing(talk: Talk) -> None:
    await talk.talking()
    talk.sip.send(CallDisconnected(408, "Request Timeout", by_remote=False))
    record = await talk.over()
    assert outcome(record) == ("completed", "signalling_failed", 408, None)
    assert record["detail"] == "Request Timeout"


async def test_a_worker_lost_after_the_caller_hung_up_changes_nothing(
    talk: Talk, workers: FakeWorkers
) -> None:
    await talk.talking()
    workers.is_slow_to_close = True
    talk.sip.bye()
    await talk.settled()
    workers.end(EndReason.WORKER_LOST)
    assert outcome(await talk.over()) == ("completed", "caller_hung_up", 200, None)


async def test_a_call_that_crashes_still_leaves_one_record(talk: Talk, workers: FakeWorkers) -> None:
    workers.defect = ValueError("defect")
    await talk.preparing()
    workers.get_ready()
    record = await talk.crashed()
    assert outcome(record) == ("completed", "internal_error", 500, None)
    assert talk.sip.done[-1] == "hang_up internal_error"


async def test_a_call_that_a_stopping_server_cuts_off_has_its_record_and_gives_its_ports_back(
    talk: Talk, workers: FakeWorkers
) -> None:
    await talk.preparing()
    talk.session.end(EndReason.DRAIN_DEADLINE)
    record = await talk.cut_off()
    assert record["end_reason"] == "drain_deadline"
    assert talk.sip.done[-1] == "hang_up internal_error"
    assert talk.exchange.house.ports.in_use == 0
