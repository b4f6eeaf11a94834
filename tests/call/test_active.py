"""The calls that are on: what begins there, and that each ends by itself and for itself alone."""

from __future__ import annotations

import asyncio

import pytest

from sipagent.call.active import ActiveCalls
from sipagent.call.origination import Origination, Refused
from sipagent.errors import EndReason, ReasonCode
from sipagent.sip.messages import RejectedInvite
from tests.call.exchange import Exchange, outcome
from tests.call.fake_sip import FakeSip, invite
from tests.call.fake_workers import FakeWorkers
from tests.call.outbound.callee import TO, URI, FakeCallee

PATIENCE_S = 30.0
WANTED = Origination(to=TO, to_uri=URI, trunk="pbx", agent="echo")


@pytest.fixture
def sip() -> FakeSip:
    return FakeSip(invite())


@pytest.fixture
async def calls(exchange: Exchange) -> ActiveCalls:
    return ActiveCalls(exchange.house)


async def over(calls: ActiveCalls) -> None:
    async with asyncio.timeout(PATIENCE_S):
        await calls.all_over()
    assert len(calls) == 0


async def answered(sip: FakeSip, workers: FakeWorkers) -> None:
    await workers.opened()
    workers.get_ready()
    await sip.until("answer")


async def test_a_call_is_on_until_it_has_ended(
    calls: ActiveCalls, exchange: Exchange, workers: FakeWorkers, sip: FakeSip
) -> None:
    await over(calls)
    calls.receive(sip)
    await answered(sip, workers)
    ((call_id, session),) = calls.sessions().items()
    assert call_id == session.call_id == session.record.call_id
    sip.bye()
    await over(calls)
    assert outcome(exchange.only_record()) == ("completed", "caller_hung_up", 200, None)


async def test_a_call_whose_task_fails_is_hung_up_and_has_its_record(
    calls: ActiveCalls, exchange: Exchange, workers: FakeWorkers, sip: FakeSip
) -> None:
    workers.defect = ValueError("defect")
    calls.receive(sip)
    await answered(sip, workers)
    await over(calls)
    assert sip.done[-1] == "hang_up internal_error"
    assert outcome(exchange.only_record()) == ("completed", "internal_error", 500, None)


async def test_what_admission_refuses_is_not_placed(calls: ActiveCalls) -> None:
    with pytest.raises(Refused) as refused:
        calls.originate(Origination(to=TO, to_uri=URI, trunk="nowhere", agent="echo"))
    assert refused.value.reason_code == ReasonCode.TRUNK_UNKNOWN
    assert len(calls) == 0


async def test_a_call_that_nobody_wants_any_more_is_hung_up_by_its_id(
    calls: ActiveCalls, exchange: Exchange, workers: FakeWorkers, callee: FakeCallee
) -> None:
    call_id = calls.originate(WANTED)
    await workers.opened()
    calls.hang_up("another")
    calls.hang_up(call_id)
    await over(calls)
    assert callee.placed == []
    assert exchange.only_record()["end_reason"] == "api_hung_up"


async def dialled(workers: FakeWorkers, callee: FakeCallee) -> None:
    await workers.opened()
    workers.get_ready()
    await callee.until("dialled")


async def test_who_has_not_answered_yet_is_called_off(
    calls: ActiveCalls, exchange: Exchange, workers: FakeWorkers, callee: FakeCallee
) -> None:
    calls.originate(WANTED)
    await dialled(workers, callee)
    calls.call_off()
    await over(calls)
    assert exchange.only_record()["end_reason"] == "draining"


async def test_who_has_answered_talks_on_until_all_are_ended(
    calls: ActiveCalls, exchange: Exchange, workers: FakeWorkers, callee: FakeCallee
) -> None:
    calls.originate(WANTED)
    await dialled(workers, callee)
    callee.pick_up()
    await workers.flowing()
    calls.call_off()
    await calls.end_all(EndReason.DRAIN_DEADLINE, PATIENCE_S)
    assert len(calls) == 0
    assert exchange.only_record()["end_reason"] == "drain_deadline"


async def test_a_stop_does_not_wait_for_a_call_that_will_not_end(
    calls: ActiveCalls, exchange: Exchange, workers: FakeWorkers, sip: FakeSip
) -> None:
    calls.receive(sip)
    await answered(sip, workers)
    await calls.end_all(EndReason.DRAIN_DEADLINE, within_s=0)
    assert len(calls) == 1
    await calls.abandon()
    await over(calls)
    assert exchange.only_record()["end_reason"] == "drain_deadline"


async def test_an_invite_that_pjsip_refused_is_no_call_and_has_its_record(
    calls: ActiveCalls, exchange: Exchange
) -> None:
    calls.note_rejected(RejectedInvite(invite(), 488, ReasonCode.NO_COMMON_CODEC))
    assert len(calls) == 0
    await asyncio.gather(*calls._rejected)
    assert outcome(exchange.only_record()) == ("rejected", "refused", 488, "no_common_codec")
