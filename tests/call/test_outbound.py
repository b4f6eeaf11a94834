"""A call of ours between a callee and a worker: whom we dial and when, and what becomes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rtp.ports import PortPool
from sipagent import events
from sipagent.call.admission import originating
from sipagent.call.admission.decision import Admit
from sipagent.call.admission.question import Load
from sipagent.call.directors.director import HangUp
from sipagent.call.origination import Origination
from sipagent.call.outbound import OutboundCall
from sipagent.config import FallbackConfig
from sipagent.errors import EndReason, ReasonCode
from sipagent.sip.messages import CallConfirmed, CallDisconnected, CallProgress, MediaNegotiated
from sipagent.worker.orders import agent_config
from tests.call.exchange import Exchange, kind
from tests.call.fake_sip import FakeSip, negotiated
from tests.call.fake_workers import FakeWorkers
from tests.rtp.test_ports import pool_of

TO, URI = "+15550100", "sip:+15550100@192.0.2.9"
EARLY = replace(negotiated(), is_early=True)


class FakeCallee(FakeSip):
    """The callee's side: it says what the test says, and ends what we hang up."""

    def __init__(self) -> None:
        super().__init__(None)
        self.sip_call_id = "sip-9"
        self.placed: list[tuple[str, str, Mapping[str, Any]]] = []
        self._is_answered = False

    def place(self, trunk: str, uri: str, local: object, **how: Any) -> FakeCallee:
        self.placed.append((trunk, uri, how))
        self._did("dialled")
        return self

    def hang_up(self, *, sip_status: int = 480, reason_code: str | None = None) -> None:
        self._did(f"hang_up {reason_code}")
        self.send(CallDisconnected(200 if self._is_answered else 487, "", by_remote=False))

    def ring(self) -> None:
        self.send(CallProgress(180, "Ringing"))

    def pick_up(self, media: MediaNegotiated | None = None) -> None:
        self._is_answered = True
        self.send(media or negotiated())
        self.send(CallConfirmed())

    def refuse_us(self, sip_status: int, reason: str = "", q850: int | None = None) -> None:
        self.send(CallDisconnected(sip_status, reason, True, q850))


class Attempt:
    """A call that we are to place, and everybody in it."""

    def __init__(self, exchange: Exchange, workers: FakeWorkers, callee: FakeCallee, **wanted: Any) -> None:
        self.exchange, self.workers, self.callee = exchange, workers, callee
        origination = Origination(**{"to": TO, "to_uri": URI, "trunk": "pbx", "agent": "echo"} | wanted)
        admitted = originating.decide(origination, Load(), exchange.config, 0.0)
        assert isinstance(admitted, Admit)
        self.session = OutboundCall("c-1", origination, admitted, exchange.house)
        self._running = asyncio.create_task(self.session.run())

    async def dialling(self) -> None:
        await self.workers.opened()
        self.workers.get_ready()
        await self.callee.until("dialled")

    async def ringing(self) -> None:
        await self.dialling()
        self.callee.ring()
        await self.settled()

    async def talking(self) -> None:
        await self.ringing()
        self.callee.pick_up()
        await self.workers.flowing()

    async def settled(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    async def over(self) -> dict[str, Any]:
        async with asyncio.timeout(2):
            await self._running
        return self.exchange.only_record()

    def told(self) -> list[str]:
        return list(map(kind, self.exchange.seen))


@pytest.fixture
def ports() -> Iterator[PortPool]:
    pool = pool_of(1)
    yield pool
    pool.close()


@pytest.fixture
def workers() -> FakeWorkers:
    return FakeWorkers()


@pytest.fixture
def callee() -> FakeCallee:
    return FakeCallee()


@pytest.fixture
def exchange(tmp_path: Path, ports: PortPool, workers: FakeWorkers, callee: FakeCallee) -> Iterator[Exchange]:
    exchange = Exchange(tmp_path, ports, workers, callee.place, max_calls=2)
    yield exchange
    exchange.log.close()


@pytest.fixture
async def attempt(exchange: Exchange, workers: FakeWorkers, callee: FakeCallee) -> Attempt:
    return Attempt(exchange, workers, callee)


def outcome(record: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(record[key] for key in ("outcome", "call_status", "sip_status", "end_reason"))


async def test_a_call_is_told_from_its_origin_to_its_end(attempt: Attempt, callee: FakeCallee) -> None:
    await attempt.talking()
    callee.bye()
    record = await attempt.over()
    assert attempt.told() == [
        "CallOriginated",
        "CallRouted",
        "CallAdmitted",
        "LegReady",
        "CallDialled",
        "CallProgressed",
        "CallAnswered",
        "LegEnded",
        "CallCharged",
        "CallEnded",
    ]
    assert outcome(record) == ("answered", "completed", 200, "callee_hung_up")
    assert (record["direction"], record["from"], record["to"]) == ("outbound", "", TO)
    assert (record["agent"], record["route"], record["sip_call_id"]) == ("echo", "pbx -> echo", "sip-9")
    assert (record["dial"]["to_uri"], record["dial"]["early_media"]) == (URI, False)
    assert all(said["passed"] for said in record["route_trail"])


async def test_nobody_is_called_before_the_agent_is_ready(attempt: Attempt, callee: FakeCallee) -> None:
    await attempt.workers.opened()
    await attempt.settled()
    assert callee.placed == []
    attempt.workers.get_ready()
    await callee.until("dialled")
    callee.refuse_us(486)
    await attempt.over()


async def test_the_callee_sees_what_was_asked_for(
    exchange: Exchange, workers: FakeWorkers, callee: FakeCallee
) -> None:
    headers = (("X-Campaign", "spring"),)
    attempt = Attempt(exchange, workers, callee, from_uri="+15550199", headers=headers, hide_caller=True)
    await attempt.dialling()
    caller = {"from_uri": "sip:+15550199@198.51.100.1", "headers": headers, "hide_caller": True}
    assert callee.placed == [("pbx", URI, caller)]
    callee.refuse_us(486)
    assert (await attempt.over())["from"] == "+15550199"


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


async def test_the_leg_is_told_to_pass_over_what_comes_before_the_answer(attempt: Attempt) -> None:
    await attempt.dialling()
    assert attempt.workers.order is not None
    assert attempt.workers.order.discards_early
    attempt.callee.refuse_us(486)
    await attempt.over()


async def test_a_call_that_rings_for_too_long_is_given_up(
    exchange: Exchange, workers: FakeWorkers, callee: FakeCallee
) -> None:
    attempt = Attempt(exchange, workers, callee, ring_timeout_s=0.05)
    await attempt.ringing()
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


async def test_a_call_may_be_called_off_before_anybody_is_called(
    exchange: Exchange, workers: FakeWorkers, callee: FakeCallee
) -> None:
    attempt = Attempt(exchange, workers, callee)
    attempt.session.do(HangUp(reason=EndReason.API_HUNG_UP))
    record = await attempt.over()
    assert outcome(record) == ("cancelled", "canceled", 487, "api_hung_up")
    assert callee.placed == []
    assert workers.order is None


async def test_a_call_may_be_called_off_while_its_agent_gets_ready(
    attempt: Attempt, callee: FakeCallee
) -> None:
    await attempt.workers.opened()
    attempt.session.call_off()
    record = await attempt.over()
    assert outcome(record) == ("cancelled", "canceled", 503, "draining")
    assert "CallRefused" not in attempt.told()
    assert callee.placed == []


async def test_a_server_that_stops_leaves_those_who_talk(attempt: Attempt, callee: FakeCallee) -> None:
    await attempt.talking()
    attempt.session.call_off()
    await attempt.settled()
    assert callee.done == ["dialled"]
    callee.bye()
    assert outcome(await attempt.over())[0] == "answered"


async def test_without_its_agent_nobody_is_called(attempt: Attempt, callee: FakeCallee) -> None:
    await attempt.workers.opened()
    attempt.workers.fail(503, ReasonCode.BACKEND_NOT_READY)
    record = await attempt.over()
    assert outcome(record) == ("failed", "failed", 503, "refused")
    assert record["reason_code"] == "backend_not_ready"
    assert callee.placed == []


@pytest.mark.parametrize(("step", "is_called"), [({"agent": "spare"}, True), ({"goodbye": "/a.wav"}, False)])
async def test_a_fallback_that_can_talk_is_asked_and_no_other(
    exchange: Exchange, workers: FakeWorkers, callee: FakeCallee, step: dict[str, str], is_called: bool
) -> None:
    agents = exchange.config.agents
    fallback = FallbackConfig.model_validate({"steps": [step]})
    echo = agents["echo"].model_copy(update={"fallback": fallback})
    spare = agents["echo"].model_copy(update={"name": "spare"})
    exchange.config = exchange.config.model_copy(update={"agents": {**agents, "echo": echo, "spare": spare}})
    exchange.house.current.config = exchange.config
    attempt = Attempt(exchange, workers, callee)
    await workers.opened()
    workers.expect_another()
    workers.fail(503, ReasonCode.BACKEND_NOT_READY)
    if is_called:
        await workers.opened()
        assert workers.order is not None
        assert agent_config(workers.order.agent).name == "spare"
        workers.get_ready()
        await callee.until("dialled")
        callee.refuse_us(486)
    record = await attempt.over()
    assert outcome(record)[0] == ("busy" if is_called else "failed")
    assert bool(callee.placed) is is_called


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


async def test_what_is_known_of_the_callee_stands_in_the_agents_words(
    exchange: Exchange, workers: FakeWorkers, callee: FakeCallee
) -> None:
    agents = exchange.config.agents
    texts = {"instructions": "Ask {name} about {order}, not {other}.", "greeting": "Hello, {name}!"}
    echo = agents["echo"].model_copy(update=texts)
    exchange.config = exchange.config.model_copy(update={"agents": {**agents, "echo": echo}})
    exchange.house.current.config = exchange.config
    attempt = Attempt(exchange, workers, callee, variables={"name": "Ann", "order": "7"})
    await attempt.dialling()
    assert workers.order is not None
    assert agent_config(workers.order.agent).instructions == "Ask Ann about 7, not {other}."
    assert agent_config(workers.order.agent).greeting == "Hello, Ann!"
    callee.refuse_us(486)
    await attempt.over()


async def test_a_call_counts_from_the_moment_it_is_asked_for(attempt: Attempt) -> None:
    assert attempt.exchange.house.load.snapshot().calls_by_trunk == {"pbx": 1}
    await attempt.dialling()
    attempt.callee.refuse_us(486)
    await attempt.over()


async def test_a_caller_that_is_no_number_is_shown_to_nobody(
    exchange: Exchange, workers: FakeWorkers, callee: FakeCallee
) -> None:
    attempt = Attempt(exchange, workers, callee, from_uri="the shop")
    await workers.opened()
    workers.get_ready()
    record = await attempt.over()
    assert outcome(record)[0] == "failed"
    assert "can't be shown" in record["detail"]
    assert callee.placed == []


async def test_the_longest_duration_counts_from_the_answer(attempt: Attempt, callee: FakeCallee) -> None:
    await attempt.ringing()
    assert attempt.session._media is not None
    attempt.session._media.max_duration_s = 0
    await attempt.settled()
    assert callee.done == ["dialled"]
    callee.pick_up()
    assert outcome(await attempt.over()) == ("answered", "completed", 200, "max_duration")
