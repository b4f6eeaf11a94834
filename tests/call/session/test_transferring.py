"""A call that is put on hold by us, or handed on: what the session and its transfers make of it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from rtp.ports import PortPool
from sipagent import events
from sipagent.call.directors.director import Hold, Resume, Transfer
from sipagent.call.transfer.attempt import HumanGone
from sipagent.sip.messages import ReferReported
from sipagent.worker.orders import GiveBack, Inject, SetAside
from tests.call.exchange import Talk
from tests.call.fake_workers import FakeWorkers

TO_BOB = Transfer(target="sip:bob@192.0.2.9", how="refer", is_configured=True)
REFERRED = "refer <sip:bob@192.0.2.9>"


@pytest.fixture
async def talk(talk: Talk) -> Talk:
    """A call that is on."""
    await talk.talking()
    return talk


def told(workers: FakeWorkers) -> list[type[object]]:
    return [type(message) for message in workers.told]


async def test_while_we_hold_the_peer_its_agent_is_aside(talk: Talk, workers: FakeWorkers) -> None:
    talk.session.do(Hold())
    await talk.settled()
    assert told(workers) == [SetAside]
    talk.session.do(Resume())
    await talk.settled()
    assert told(workers) == [SetAside, GiveBack]
    talk.sip.bye()
    (held,) = (await talk.over())["holds"]
    assert (held["by"], held["direction"]) == ("us", "sendonly")


async def test_a_refer_that_succeeds_ends_our_call(talk: Talk, workers: FakeWorkers) -> None:
    talk.session.do(TO_BOB)
    assert REFERRED in talk.sip.done
    for status in (100, 180, 200):
        talk.sip.send(ReferReported(status, ""))
    record = await talk.over()
    assert record["end_reason"] == "transferred"
    assert [SetAside(call_id="c-1"), SetAside(call_id="c-1", ringing=True)] == workers.told
    (transfer,) = record["transfers"]
    assert (transfer["to"], transfer["outcome"], transfer["sip_status"]) == ("bob", "transferred", 200)


async def test_a_refer_that_fails_gives_the_caller_back(talk: Talk, workers: FakeWorkers) -> None:
    talk.session.do(TO_BOB)
    talk.sip.send(ReferReported(100, ""))
    talk.sip.send(ReferReported(486, "Busy Here"))
    await talk.settled()
    assert told(workers) == [SetAside, GiveBack, Inject]
    injected = workers.told[-1]
    assert isinstance(injected, Inject)
    assert injected.respond
    assert "failed: busy." in injected.text
    talk.sip.bye()
    record = await talk.over()
    assert record["end_reason"] == "caller_hung_up"
    assert [each["outcome"] for each in record["transfers"]] == ["failed"]


async def test_whoever_tells_the_agent_itself_is_left_to_it(talk: Talk, workers: FakeWorkers) -> None:
    talk.session.do(replace(TO_BOB, tells_agent=True))
    talk.sip.send(ReferReported(603, "Decline"))
    await talk.settled()
    assert told(workers) == [SetAside, GiveBack]
    talk.sip.bye()
    await talk.over()


async def test_a_peer_that_took_the_refer_and_ends_our_call_has_transferred_it(talk: Talk) -> None:
    talk.session.do(TO_BOB)
    talk.sip.send(ReferReported(100, ""))
    talk.sip.bye()
    record = await talk.over()
    assert record["end_reason"] == "transferred"
    assert [each["outcome"] for each in record["transfers"]] == ["transferred"]


async def test_a_caller_who_hangs_up_before_has_hung_up(talk: Talk) -> None:
    talk.session.do(TO_BOB)
    talk.sip.bye()
    record = await talk.over()
    assert record["end_reason"] == "caller_hung_up"
    assert [each["outcome"] for each in record["transfers"]] == ["caller_left"]


async def test_the_goodbye_is_said_first(talk: Talk, workers: FakeWorkers) -> None:
    workers.report(events.AgentSpeechStarted(call_id="c-1", at=1.0, item_id="i"))
    await talk.settled()
    talk.session.do(TO_BOB)
    assert REFERRED not in talk.sip.done
    workers.report(events.AgentFellSilent(call_id="c-1", at=2.0))
    await talk.sip.until(REFERRED)
    talk.sip.bye()
    await talk.over()


async def test_a_second_transfer_at_once_is_refused(talk: Talk, workers: FakeWorkers) -> None:
    talk.session.do(TO_BOB)
    talk.session.do(TO_BOB)
    await talk.settled()
    assert talk.sip.done.count(REFERRED) == 1
    assert told(workers) == [SetAside, Inject]
    talk.sip.bye()
    assert len((await talk.over())["transfers"]) == 1


async def test_without_a_media_worker_the_human_is_not_called(
    talk: Talk, ports: PortPool, workers: FakeWorkers
) -> None:
    """No RTP port is free either: the caller is given back, and both calls leave one record."""
    talk.session.do(Transfer(target="sip:bob@192.0.2.9", how="bridge", is_configured=True))
    assert told(workers) == [SetAside]
    await workers.until_told(Inject)
    assert told(workers) == [SetAside, GiveBack, Inject]
    talk.sip.bye()
    record = await talk.over()
    assert [each["outcome"] for each in record["transfers"]] == ["failed"]
    assert [leg["sip_status"] for leg in record["legs"]] == [503]


async def test_what_an_earlier_attempt_left_behind_is_not_this_ones_failure(
    talk: Talk, workers: FakeWorkers
) -> None:
    """The call that was given up says so late, when the next one is on already."""
    talk.session.do(TO_BOB)
    talk.sip.send(HumanGone(487, "cancelled", "c-1-2"))
    talk.sip.send(ReferReported(100, ""))
    await talk.settled()
    assert told(workers) == [SetAside]
    talk.sip.send(ReferReported(200, ""))
    assert [each["outcome"] for each in (await talk.over())["transfers"]] == ["transferred"]
