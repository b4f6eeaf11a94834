"""What happens to a call that is on, and stands in its record."""

from __future__ import annotations

import pytest

from sipagent import events
from sipagent.worker.orders import AnswerTool
from tests.call.exchange import Exchange, Talk, kind, outcome
from tests.call.fake_sip import FakeSip, invite, negotiated
from tests.call.fake_workers import FakeWorkers


async def test_a_reinvite_reaches_the_leg_and_the_call_was_answered_once(
    talk: Talk, workers: FakeWorkers
) -> None:
    await talk.talking()
    talk.sip.send(negotiated("PCMA"))
    talk.sip.bye()
    record = await talk.over()
    assert [params.codec for params in workers.started] == ["PCMU", "PCMA"]
    assert sum(isinstance(event, events.CallAnswered) for event in talk.exchange.seen) == 1
    assert outcome(record)[1] == "caller_hung_up"


async def test_holds_are_told_once_each_and_stand_in_the_record(talk: Talk, workers: FakeWorkers) -> None:
    await talk.talking()
    for direction in ("recvonly", "inactive", "sendrecv", "sendrecv", "sendonly"):
        talk.sip.send(negotiated(direction=direction))
    talk.sip.bye()
    first, second = (await talk.over())["holds"]
    assert (first["direction"], second["direction"], second["ended_s"]) == ("recvonly", "sendonly", None)
    assert first["started_s"] <= first["ended_s"]
    kinds = [kind(event) for event in talk.exchange.seen]
    assert kinds.count("CallHeld") == 2
    assert kinds.count("CallResumed") == 1
    directions = [params.direction for params in workers.started]
    assert directions[1:] == ["recvonly", "inactive", "sendrecv", "sendrecv", "sendonly"]


@pytest.fixture
async def with_model(exchange: Exchange, workers: FakeWorkers) -> Talk:
    """A call whose agent is a model with tools."""
    talk = Talk(exchange, workers, FakeSip(invite(to="model")))
    await talk.talking()
    return talk


def called(name: str, arguments: str) -> events.ToolCalled:
    return events.ToolCalled(call_id="c-1", at=1.0, tool_call_id="t-1", name=name, arguments=arguments)


async def test_what_directors_tell_is_heard_by_all_and_answers_the_model(
    with_model: Talk, workers: FakeWorkers
) -> None:
    workers.report(called("note", '{"message": "Hi"}'))
    await workers.until_told(AnswerTool)
    with_model.sip.bye()
    record = await with_model.over()
    assert [message["fields"] for message in record["messages"]] == [{"message": "Hi"}]
    assert [use["outcome"] for use in record["tools"]] == ["ok"]
    (answer,) = workers.told
    assert isinstance(answer, AnswerTool)
    assert answer.tool_call_id == "t-1"


async def test_a_tool_that_the_end_of_the_call_overtook_has_its_answer_in_the_record(
    with_model: Talk, workers: FakeWorkers
) -> None:
    workers.report(called("hang_up", "{}"))
    with_model.sip.bye()
    assert [use["outcome"] for use in (await with_model.over())["tools"]] == ["call_ended"]
