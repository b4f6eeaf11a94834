"""A call that rings until somebody outside has said what is to become of it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from rtp.ports import PortPool
from sipagent import events
from sipagent.call.directors.director import Accept, HangUp, Reject, Resume
from sipagent.call.state import State
from sipagent.errors import EndReason
from sipagent.worker.orders import agent_config
from tests.call.exchange import Exchange, Talk, outcome
from tests.call.fake_sip import FakeSip, invite
from tests.call.fake_workers import FakeWorkers


class Offered(Talk):
    """A call whose agent waits for a word; `others` are keys of that agent."""

    def __init__(self, directory: Path, ports: PortPool, workers: FakeWorkers, **others: Any) -> None:
        exchange = Exchange(directory, ports, workers, max_calls=2)
        agents = dict(exchange.config.agents)
        # A copy is not checked: it may wait less long than a configuration may say.
        agents["echo"] = agents["echo"].model_copy(update={"accept": "manual", **others})
        exchange.house.current.config = exchange.config.model_copy(update={"agents": agents})
        super().__init__(exchange, workers, FakeSip(invite()))

    async def offered(self) -> None:
        async with asyncio.timeout(2):
            while self.session.state is not State.OFFERED:
                await asyncio.sleep(0)
        assert self.workers.order is None


async def test_an_accepted_call_is_answered(tmp_path: Path, ports: PortPool, workers: FakeWorkers) -> None:
    talk = Offered(tmp_path, ports, workers)
    await talk.offered()
    talk.session.do(Accept())
    await talk.talking()
    talk.sip.bye()
    assert outcome(await talk.over()) == ("completed", "caller_hung_up", 200, None)
    told = [type(event) for event in talk.exchange.seen]
    assert told.index(events.CallOffered) < told.index(events.CallAccepted) < told.index(events.CallAnswered)


async def test_who_accepts_may_choose_and_change_the_agent(
    tmp_path: Path, ports: PortPool, workers: FakeWorkers
) -> None:
    talk = Offered(tmp_path, ports, workers)
    await talk.offered()
    talk.session.do(Accept(agent="discreet", instructions="Be kind.", voice="cedar"))
    await talk.talking()
    assert workers.order is not None
    agent = agent_config(workers.order.agent)
    assert (agent.name, agent.instructions, agent.voice) == ("discreet", "Be kind.", "cedar")
    assert not workers.order.record_digits
    talk.sip.bye()
    assert (await talk.over())["agent"] == "discreet"


async def test_a_rejected_call_gets_the_status_that_was_asked_for(
    tmp_path: Path, ports: PortPool, workers: FakeWorkers
) -> None:
    talk = Offered(tmp_path, ports, workers)
    await talk.offered()
    talk.session.do(Reject(sip_status=486))
    assert outcome(await talk.over()) == ("rejected", "refused", 486, "api_rejected")
    assert talk.sip.done == ["ring", "refuse 486 api_rejected"]
    assert workers.order is None


@pytest.mark.parametrize(
    ("default", "expected"),
    [
        ("reject", ("rejected", "refused", 480, "not_accepted")),
        ("accept", ("completed", "caller_hung_up", 200, None)),
    ],
)
async def test_if_nobody_says_anything_the_default_holds(
    tmp_path: Path,
    ports: PortPool,
    workers: FakeWorkers,
    default: str,
    expected: tuple[str, str, int, str | None],
) -> None:
    talk = Offered(tmp_path, ports, workers, manual_timeout_s=0.05, manual_default=default)
    if default == "accept":
        await talk.talking()
        talk.sip.bye()
    assert outcome(await talk.over()) == expected


async def test_the_caller_may_give_up(tmp_path: Path, ports: PortPool, workers: FakeWorkers) -> None:
    talk = Offered(tmp_path, ports, workers)
    await talk.offered()
    talk.sip.cancel()
    assert outcome(await talk.over()) == ("canceled", "caller_cancelled", 487, None)
    assert talk.sip.done == ["ring"]


async def test_a_draining_server_refuses_it_at_last(
    tmp_path: Path, ports: PortPool, workers: FakeWorkers
) -> None:
    talk = Offered(tmp_path, ports, workers)
    await talk.offered()
    talk.session.end(EndReason.DRAIN_DEADLINE)
    assert outcome(await talk.over()) == ("rejected", "refused", 503, "draining")


async def test_hanging_up_rejects(tmp_path: Path, ports: PortPool, workers: FakeWorkers) -> None:
    talk = Offered(tmp_path, ports, workers)
    await talk.offered()
    talk.session.do(HangUp(reason=EndReason.API_HUNG_UP))
    assert outcome(await talk.over()) == ("rejected", "refused", 603, "api_rejected")


async def test_nothing_else_can_be_asked_of_it(tmp_path: Path, ports: PortPool, workers: FakeWorkers) -> None:
    talk = Offered(tmp_path, ports, workers)
    await talk.offered()
    with pytest.raises(ValueError, match="no agent 'nobody'"):
        talk.session.do(Accept(agent="nobody"))
    with pytest.raises(ValueError, match="nobody has answered"):
        talk.session.do(Resume())
    talk.session.do(Accept())
    talk.session.do(Accept())
    await talk.talking()
    with pytest.raises(ValueError, match="does not wait"):
        talk.session.do(Accept())
    talk.sip.bye()
    assert outcome(await talk.over()) == ("completed", "caller_hung_up", 200, None)
