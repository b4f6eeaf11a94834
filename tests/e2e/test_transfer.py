"""Callers handed on by REFER: the goodbye whole, the outcome followed, the caller taken back if it fails."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from sipagent.formats import ULAW
from sipagent.simulator.realtime_options import Pattern, RealtimeOptions, Turn
from sipagent.simulator.realtime_server import RealtimeServer
from tests.e2e.conftest import SetupFactory
from tests.e2e.support import audio
from tests.e2e.support.commanded_server import at_desk
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
    return SPEAKS | {"transfers": {"sales": {"to": "+1555 0100", "how": how, "goodbye_max_s": 4} | target}}


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


@pytest.mark.parametrize(
    ("takes", "tells", "status", "why"),
    [
        ("202 Accepted", ["100 Trying", "486 Busy Here"], 486, "busy"),
        ("603 Decline", [], 603, "declined"),
        ("202 Accepted", ["100 Trying"], 408, "the peer never told the outcome"),
    ],
    ids=["busy", "declined", "no outcome"],
)
async def test_a_failed_transfer_returns_the_caller_to_the_agent(
    setup: SetupFactory, takes: str, tells: list[str], status: int, why: str
) -> None:
    async with RealtimeServer(speaks()) as model:
        prepared = setup(model.url, agent=agent(), trunk=TRUNK)
        async with running(prepared, wrapper=TO_SALES) as server:
            async with referred_call(prepared, takes=takes) as caller:
                await caller.hear_speech(600)
                server.process.send_signal(signal.SIGUSR1)
                await caller.referred()
                for each in tells:
                    caller.notify(each)
                both = audio.signal(GOODBYE, GOODBYE_MS, ULAW) + audio.signal(AGAIN, AGAIN_MS, ULAW)
                await caller.hear(lambda: caller.speech_heard() == both)
                await caller.hang_up()
            record = await server.next_record()
        (session,) = model.sessions
    assert record["end_reason"] == "caller_hung_up"
    (transfer,) = record["transfers"]
    assert (transfer["outcome"], transfer["sip_status"], transfer["detail"]) == ("failed", status, why)
    assert any(f"The transfer to sales failed: {why}." in text for text in texts_in(session))


def texts_in(session: Any) -> list[str]:
    """What the model was let know in words."""
    return [json.dumps(event) for event in session.log.events("in", "conversation.item.create")]
