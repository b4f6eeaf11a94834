"""A call that was admitted and is over before its answer."""

from __future__ import annotations

from rtp.ports import PortPool
from sipagent.errors import EndReason, ReasonCode, SdpError
from tests.call.exchange import Exchange, Talk, outcome
from tests.call.fake_sip import FakeSip, invite
from tests.call.fake_workers import FakeWorkers


async def test_the_caller_cancels_while_the_leg_gets_ready(talk: Talk) -> None:
    await talk.preparing()
    talk.sip.cancel()
    assert outcome(await talk.over()) == ("canceled", "caller_cancelled", 487, None)
    assert talk.sip.done == ["ring"]


async def test_the_caller_cancels_in_the_moment_the_leg_is_ready(talk: Talk, workers: FakeWorkers) -> None:
    await talk.preparing()
    workers.is_slow_to_close = True
    talk.sip.cancel()
    await talk.settled()
    workers.get_ready()
    workers.end(EndReason.CALLER_CANCELLED)
    assert outcome(await talk.over()) == ("canceled", "caller_cancelled", 487, None)


async def test_a_leg_that_fails_refuses_the_call_with_its_reason(talk: Talk, workers: FakeWorkers) -> None:
    await talk.preparing()
    workers.fail(503, ReasonCode.BACKEND_NOT_READY)
    record = await talk.over()
    assert outcome(record) == ("rejected", "refused", 503, "backend_not_ready")
    assert talk.sip.done == ["ring", "refuse 503 backend_not_ready"]
    assert record["detail"] == "why"


async def test_a_worker_lost_while_the_leg_gets_ready_refuses_the_call(
    talk: Talk, workers: FakeWorkers
) -> None:
    await talk.preparing()
    workers.end(EndReason.WORKER_LOST)
    assert outcome(await talk.over()) == ("rejected", "refused", 503, "no_worker")


async def test_the_server_ends_a_call_that_rings(talk: Talk) -> None:
    await talk.preparing()
    talk.session.end(EndReason.DRAIN_DEADLINE)
    assert outcome(await talk.over()) == ("rejected", "drain_deadline", 503, "draining")
    assert talk.sip.done[-1] == "refuse 503 draining"


async def test_an_offer_that_cannot_be_answered_after_all_is_refused_by_its_rule(talk: Talk) -> None:
    talk.sip.unanswerable = SdpError("c= is a host name")
    await talk.preparing()
    talk.workers.get_ready()
    record = await talk.over()
    assert outcome(record) == ("rejected", "refused", 488, "bad_offer")
    assert record["detail"] == "c= is a host name"
    assert talk.sip.done == ["ring", "refuse 488 bad_offer"]


async def test_without_a_free_port_the_call_is_refused(
    exchange: Exchange, workers: FakeWorkers, ports: PortPool
) -> None:
    taken = ports.acquire(0.0)
    talk = Talk(exchange, workers, FakeSip(invite()))
    await talk.finished()
    ports.release(taken, 0.0)
    assert outcome(await talk.over()) == ("rejected", "refused", 503, "no_rtp_port")


async def test_without_a_worker_the_call_is_refused(exchange: Exchange, workers: FakeWorkers) -> None:
    workers.are_gone = True
    talk = Talk(exchange, workers, FakeSip(invite()))
    assert outcome(await talk.over()) == ("rejected", "refused", 503, "no_worker")
