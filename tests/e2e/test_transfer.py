"""Callers handed on by REFER: the goodbye whole, the outcome followed, the caller taken back if it fails."""

from __future__ import annotations

import asyncio
import json
import signal
from functools import partial
from typing import Any

import pytest

from sipagent.formats import ULAW
from sipagent.simulator.realtime_options import Call, Pattern, RealtimeOptions, Turn
from sipagent.simulator.realtime_server import RealtimeServer
from tests.e2e.conftest import SetupFactory, Sipp
from tests.e2e.support import audio
from tests.e2e.support.commanded_server import at_desk
from tests.e2e.support.phone import Phone
from tests.e2e.support.referred_phone import referred_call
from tests.e2e.support.server import running

pytestmark = pytest.mark.e2e

GOODBYE, GOODBYE_MS, AGAIN, AGAIN_MS = 1, 3000, 2, 600
TRUNK = {"transfer": {"uri_template": "sip:{number}@127.0.0.1:9", "outcome_timeout_s": 2}}
SPEAKS = {"greeting": "Hello", "turn_detection": {"kind": "server_vad", "threshold": 1.0}}


def speaks() -> RealtimeOptions:
    """Says a long goodbye at once, and something else when it is told that the transfer failed."""
    replies = [Pattern(pattern_ms=GOODBYE_MS, number=GOODBYE)], [Pattern(pattern_ms=AGAIN_MS, number=AGAIN)]
    return RealtimeOptions(script=tuple(Turn(reply=reply) for reply in replies), obedient=False)


def agent(how: str = "refer", **target: Any) -> dict[str, Any]:
    return SPEAKS | {"transfers": {"sales": {"to": "+1555 0100", "how": how} | target}}


TO_SALES = at_desk(("Transfer", {"target": "sales", "summary": "wants a bicycle"}))


async def test_a_successful_transfer_keeps_the_goodbye_whole(setup: SetupFactory) -> None:
    async with RealtimeServer(speaks()) as model:
        prepared = setup(model.url, agent=agent(), trunk=TRUNK)
        async with running(prepared, wrapper=TO_SALES) as server, referred_call(prepared) as caller:
            await caller.hear_speech(600)
            server.process.send_signal(signal.SIGUSR1)
            refer = await caller.referred()
            assert caller.speech_heard() == audio.signal(GOODBYE, GOODBYE_MS, ULAW)
            assert refer["refer-to"] == "<sip:+15550100@127.0.0.1:9>"
            assert "127.0.0.1" in refer["referred-by"] or "localhost" in refer["referred-by"]
            caller.notify("100 Trying")
            caller.notify("200 OK")
            await caller.hung_up()
            record = await server.next_record()
            metrics = await server.metrics()
    assert "said" not in server.lines("transfer_started")[0]
    assert (record["end_reason"], record["call_status"]) == ("transferred", "completed")
    (transfer,) = record["transfers"]
    told = {key: transfer[key] for key in ("target", "to", "how", "outcome", "sip_status", "summary")}
    assert told == {
        "target": "sales",
        "to": "+15550100",
        "how": "refer",
        "outcome": "transferred",
        "sip_status": 200,
        "summary": "wants a bicycle",
    }
    (turn,) = [turn for turn in record["turns"] if turn["role"] == "agent"]
    assert (turn["played_ms"], turn["interrupted"]) == (GOODBYE_MS, False)
    assert metrics['sipagent_transfers_total{how="refer",outcome="transferred",trunk="carrier"}'] == 1


async def test_a_model_hands_its_caller_on_by_its_tool(setup: SetupFactory) -> None:
    """It says goodbye and calls the tool in one breath. Where that fails, the tool's answer tells it why."""
    leave = Call(call="transfer", arguments={"target": "sales", "summary": "wants a bicycle"})
    script = (
        Turn(reply=[Pattern(pattern_ms=GOODBYE_MS, number=GOODBYE), leave]),
        Turn(reply=[Pattern(pattern_ms=AGAIN_MS, number=AGAIN)]),
    )
    tools = {"transfer": {"kind": "transfer", "targets": ["sales"]}}
    goodbye, again = audio.signal(GOODBYE, GOODBYE_MS, ULAW), audio.signal(AGAIN, AGAIN_MS, ULAW)
    async with RealtimeServer(RealtimeOptions(script=script, obedient=False)) as model:
        prepared = setup(model.url, agent=agent() | {"tools": tools}, trunk=TRUNK)
        async with running(prepared) as server:
            async with referred_call(prepared) as caller:
                await caller.referred()
                assert caller.speech_heard() == goodbye
                caller.notify("200 OK")
                await caller.hung_up()
            assert (await server.next_record())["end_reason"] == "transferred"
            async with referred_call(prepared) as caller:
                await caller.referred()
                caller.notify("100 Trying")
                caller.notify("486 Busy Here")
                await caller.hear(partial(heard_all, caller, goodbye + again))
                await caller.hang_up()
            record = await server.next_record()
    assert [each["outcome"] for each in record["transfers"]] == ["failed"]
    session = model.sessions[-1]
    assert len(session.log.events("in", "response.create")) == 2
    assert any("function_call_output" in text and "busy" in text for text in texts_in(session))


#: How the peer answers the REFER, what it tells by NOTIFY, and what that comes to.
FAILURES = (
    ("202 Accepted", ["100 Trying", "486 Busy Here"], 486, "busy"),
    ("603 Decline", [], 603, "declined"),
    ("202 Accepted", ["100 Trying"], 408, "the peer never told the outcome"),
)


async def test_a_failed_transfer_returns_the_caller_to_the_agent(setup: SetupFactory) -> None:
    both = audio.signal(GOODBYE, GOODBYE_MS, ULAW) + audio.signal(AGAIN, AGAIN_MS, ULAW)
    async with RealtimeServer(speaks()) as model:
        prepared = setup(model.url, agent=agent(), trunk=TRUNK)
        async with running(prepared, wrapper=TO_SALES) as server:
            for takes, tells, status, why in FAILURES:
                async with referred_call(prepared, takes=takes) as caller:
                    await caller.hear_speech(600)
                    server.process.send_signal(signal.SIGUSR1)
                    await caller.referred()
                    for each in tells:
                        caller.notify(each)
                    await caller.hear(partial(heard_all, caller, both))
                    await caller.hang_up()
                record = await server.next_record()
                assert record["end_reason"] == "caller_hung_up"
                (transfer,) = record["transfers"]
                ended = transfer["outcome"], transfer["sip_status"], transfer["detail"]
                assert ended == ("failed", status, why)
                session = model.sessions[-1]
                assert any(f"The transfer to sales failed: {why}." in text for text in texts_in(session))


def heard_all(caller: Phone, speech: bytes) -> bool:
    return caller.speech_heard() == speech


SCENARIOS = {
    "sip": {
        "uac-referred-notified-200-bye": ("transferred", "transferred", 200),
        "uac-referred-notified-486-kept": ("failed", "caller_hung_up", 486),
        "uac-refer-declined-603-kept": ("failed", "caller_hung_up", 603),
    },
    "tel": {"uac-referred-to-tel-bye-by-peer": ("transferred", "transferred", 0)},
}


@pytest.mark.parametrize("form", ["sip", "tel"])
async def test_what_carriers_make_of_a_refer(setup: SetupFactory, sipp: Sipp, form: str) -> None:
    """The echo has no goodbye to say: the REFER comes at once."""
    template = {"refer_to_template": "tel:{number}"} if form == "tel" else {}
    trunk = {"transfer": TRUNK["transfer"] | template}
    echo = {"transfers": {"sales": {"to": "+15550100", "how": "refer"}}}
    async with running(setup(None, agent=echo, trunk=trunk), wrapper=TO_SALES) as server:
        for count, scenario in enumerate(SCENARIOS[form], 1):
            playing = asyncio.create_task(sipp(scenario, server.setup))
            await server.wait_log("call_answered", count)
            server.process.send_signal(signal.SIGUSR1)
            await playing
            record = await server.next_record()
            (transfer,) = record["transfers"]
            ended = transfer["outcome"], record["end_reason"], transfer["sip_status"]
            assert ended == SCENARIOS[form][scenario], scenario


async def test_what_is_not_allowed_is_not_tried(setup: SetupFactory) -> None:
    to_the_moon = at_desk(("Transfer", {"target": "+99900000"}))
    async with RealtimeServer(speaks()) as model:
        prepared = setup(model.url, agent=agent(), trunk=TRUNK)
        async with running(prepared, wrapper=to_the_moon) as server, referred_call(prepared) as caller:
            await caller.hear_speech(600)
            server.process.send_signal(signal.SIGUSR1)
            failed = await server.wait_log("transfer_failed")
            await caller.hang_up()
            record = await server.next_record()
    assert failed["detail"] == "nobody may be transferred there"
    assert (caller.refer, record["transfers"]) == (None, [])


def texts_in(session: Any) -> list[str]:
    """What the model was let know in words."""
    return [json.dumps(event) for event in session.log.events("in", "conversation.item.create")]
