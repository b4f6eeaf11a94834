"""What becomes of a call that was placed: by its callee, by time, and by our own doing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sipagent import events
from sipagent.errors import EndReason
from sipagent.sip.messages import CallDisconnected
from tests.call.exchange import Exchange
from tests.call.fake_sip import negotiated
from tests.call.fake_workers import FakeWorkers
from tests.call.outbound.callee import Attempt, FakeCallee, outcome

EARLY = replace(negotiated(), is_early=True)


@pytest.mark.parametrize(
    ("sip_status", "q850", "expected"),
    [
        (486, None, ("busy", "busy", 486, "not_answered")),
        (603, None, ("rejected", "rejected", 603, "not_answered")),
        (480, 20, ("unreachable", "failed", 480, "not_answered")),
        (503, None, ("failed", "failed", 503, "not_answered")),
    ],
)
async def test_who_refuses(
    attempt: Attempt, callee: FakeCallee, sip_status: int, q850: int | None, expected: tuple[Any, ...]
) -> None:
    await attempt.ringing()
    callee.refuse_us(sip_status, q850=q850)
    record = await attempt.over()
    assert (*outcome(record), record["q850"]) == (*expected, q850)
    assert attempt.workers.started == []


async def test_whoever_hears_of_the_end_finds_the_permit_of_the_call(
    attempt: Attempt, callee: FakeCallee
) -> None:
    await attempt.ringing()
    callee.refuse_us(486)
    await attempt.over()
    carried = dict(zip(attempt.told(), attempt.exchange.carried, strict=True))
    assert (carried["CallDialled"], carried["CallEnded"]) == (1, 0)


async def test_where_no_server_answers_the_callee_is_unreachable(
    attempt: Attempt, callee: FakeCallee
) -> None:
    await attempt.dialling()
    callee.send(CallDisconnected(503, "no server to send to", by_remote=False))
    record = await attempt.over()
    assert outcome(record) == ("unreachable", "failed", 503, "not_answered")


async def test_early_media_is_told_once_and_opens_nothing(attempt: Attempt, callee: FakeCallee) -> None:
    await attempt.ringing()
    callee.send(EARLY)
    callee.send(EARLY)
    await attempt.settled()
    assert attempt.told().count("EarlyMediaOffered") == 1
    assert attempt.workers.started == []
    callee.pick_up(negotiated("PCMA"))
    await attempt.workers.flowing()
    (params,) = attempt.workers.started
    assert params.codec == "PCMA"
    callee.bye()
    record = await attempt.over()
    assert (record["dial"]["early_media"], record["codec"]) == (True, "PCMA")


async def test_a_call_that_rings_for_too_long_is_given_up(
    exchange: Exchange, workers: FakeWorkers, callee: FakeCallee
) -> None:
    callee.rings_at_once = True
    attempt = Attempt(exchange, workers, callee, ring_timeout_s=0)
    await attempt.dialling()
    record = await attempt.over()
    assert outcome(record) == ("no_answer", "no-answer", 487, "not_answered")
    assert callee.done == ["dialled", "hang_up not_answered"]


async def test_where_not_even_a_ringing_is_heard_the_callee_is_unreachable(
    exchange: Exchange, workers: FakeWorkers, callee: FakeCallee
) -> None:
    attempt = Attempt(exchange, workers, callee, ring_timeout_s=0)
    await attempt.dialling()
    assert outcome(await attempt.over())[0] == "unreachable"


async def test_an_answer_that_comes_too_late_is_none(
    exchange: Exchange, workers: FakeWorkers, callee: FakeCallee
) -> None:
    attempt = Attempt(exchange, workers, callee)
    await attempt.ringing()
    attempt.session.end(EndReason.API_HUNG_UP)
    callee.pick_up()
    record = await attempt.over()
    assert outcome(record)[0] == "cancelled"
    assert record["answered_at"] is None
    assert workers.started == []


async def test_a_server_that_stops_leaves_those_who_talk(attempt: Attempt, callee: FakeCallee) -> None:
    await attempt.talking()
    attempt.session.call_off()
    await attempt.settled()
    assert callee.done == ["dialled"]
    callee.bye()
    assert outcome(await attempt.over())[0] == "answered"


async def test_a_worker_that_dies_while_it_rings_ends_the_call(attempt: Attempt, callee: FakeCallee) -> None:
    await attempt.ringing()
    attempt.workers.end(EndReason.WORKER_LOST)
    assert outcome(await attempt.over()) == ("failed", "failed", 200, "worker_lost")
    assert callee.done == ["dialled", "hang_up worker_lost"]


async def test_a_backend_that_is_lost_while_it_rings_ends_the_call(
    attempt: Attempt, callee: FakeCallee
) -> None:
    await attempt.ringing()
    attempt.workers.report(
        events.BackendDown(call_id="c-1", at=1.0, agent="echo", code="gone", message="why", fatal=False)
    )
    record = await attempt.over()
    assert outcome(record) == ("failed", "failed", 487, "backend_lost")
    assert record["detail"] == "gone: why"


async def test_the_longest_duration_counts_from_the_answer(attempt: Attempt, callee: FakeCallee) -> None:
    await attempt.ringing()
    assert attempt.session._media is not None
    attempt.session._media.max_duration_s = 0
    await attempt.settled()
    assert callee.done == ["dialled"]
    callee.pick_up()
    assert outcome(await attempt.over()) == ("answered", "completed", 200, "max_duration")
