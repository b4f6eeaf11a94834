"""Whom we call, when, and as whom."""

from __future__ import annotations

import pytest

from sipagent.call.directors.director import HangUp
from sipagent.config import FallbackConfig
from sipagent.errors import EndReason, ReasonCode
from sipagent.worker.orders import agent_config
from tests.call.exchange import Exchange
from tests.call.fake_workers import FakeWorkers
from tests.call.outbound.callee import TO, URI, Attempt, FakeCallee, outcome


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
    await attempt.preparing()
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


async def test_the_leg_is_told_to_pass_over_what_comes_before_the_answer(attempt: Attempt) -> None:
    await attempt.dialling()
    assert attempt.workers.order is not None
    assert attempt.workers.order.discards_early
    attempt.callee.refuse_us(486)
    await attempt.over()


async def test_a_call_counts_from_the_moment_it_is_asked_for(attempt: Attempt) -> None:
    assert attempt.exchange.house.load.snapshot().calls_by_trunk == {"pbx": 1}
    await attempt.dialling()
    attempt.callee.refuse_us(486)
    await attempt.over()


async def test_without_its_agent_nobody_is_called(attempt: Attempt, callee: FakeCallee) -> None:
    await attempt.preparing()
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
    await attempt.preparing()
    attempt.session.call_off()
    record = await attempt.over()
    assert outcome(record) == ("cancelled", "canceled", 503, "draining")
    assert "CallRefused" not in attempt.told()
    assert callee.placed == []
