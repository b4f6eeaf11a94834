"""Callers handed on to humans whom we call ourselves, and bridged through our media."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path

import pytest

from rtp import g711
from sipagent.formats import ULAW
from sipagent.simulator.realtime_server import RealtimeServer
from tests.e2e.conftest import SetupFactory
from tests.e2e.support import audio
from tests.e2e.support.referred_phone import referred_call
from tests.e2e.support.transfer_desk import (
    AGAIN,
    AGAIN_MS,
    GOODBYE_MS,
    REPLY,
    TALK_MS,
    WORDS,
    Desk,
    only_transfer,
    say_goodbye,
    speaks,
    talk,
)

pytestmark = pytest.mark.e2e


@pytest.mark.paced
@pytest.mark.parametrize("codec", ["PCMU", "PCMA"])
async def test_caller_and_human_talk_through_us_and_are_recorded(setup: SetupFactory, codec: str) -> None:
    async with RealtimeServer(speaks()) as model:
        desk = Desk(setup, model)
        async with desk.running() as server, desk.human(codecs=[codec]) as called:
            async with referred_call(desk.setup) as caller:
                await say_goodbye(server, caller)
                invite = await called.rings()
                await caller.hear_speech(GOODBYE_MS + 200)
                await called.pick_up()
                await server.wait_log("transfer_joined")
                await talk(caller, called)
                caller.press("7")
                await called.hear(lambda: [press.digit for press in called.digits_heard] == ["7"])
                await caller.hang_up()
            await called.hung_up()
            record = await server.next_record()
        (session,) = model.sessions
    words, reply = audio.signal(WORDS, TALK_MS, ULAW), audio.signal(REPLY, TALK_MS, called.law)
    as_ulaw = reply if codec == "PCMU" else g711.alaw_to_ulaw(reply)
    heard_by_human = words if codec == "PCMU" else g711.ulaw_to_alaw(words)
    assert invite.start.split()[1].startswith("sip:+15550100@127.0.0.1")
    assert heard_by_human in called.audio_heard()
    assert as_ulaw in caller.audio_heard()
    assert words[:1600] not in bytes(session.log.caller_audio)
    left, right = audio.recorded(record["recording"])
    assert audio.holds(left, audio.samples(words, "PCMU"))
    assert audio.holds(right, audio.samples(as_ulaw, "PCMU"))
    assert record["end_reason"] == "caller_hung_up"
    assert only_transfer(record, "how", "outcome") == ("bridge", "transferred")
    (leg,) = record["legs"]
    assert (leg["to"], leg["trunk"], leg["codec"]) == ("+15550100", "carrier", codec)
    assert leg["answered_s"] is not None
    assert leg["rtp"]["inbound"]["packets"] > 50
    assert leg["rtp"]["inbound"]["playout_delay_ms"] is not None
    ladder = Path(record["ladder"]).read_text()
    assert caller.sip_call_id in ladder
    assert called.sip_call_id in ladder


async def test_a_busy_human_leaves_the_caller_with_the_agent_who_may_try_again(setup: SetupFactory) -> None:
    async with RealtimeServer(speaks()) as model:
        desk = Desk(setup, model)
        async with desk.running() as server, desk.human() as called:
            async with referred_call(desk.setup) as caller:
                await say_goodbye(server, caller)
                await called.refuse(486, "Busy Here")
                again = audio.signal(AGAIN, AGAIN_MS, ULAW)
                await caller.hear(lambda: again in caller.audio_heard())
                await server.wait_log("agent_speech_ended", count=2)
                server.process.send_signal(signal.SIGUSR1)
                await called.pick_up()
                await server.wait_log("transfer_joined")
                await caller.hang_up()
            await called.hung_up()
            record = await server.next_record()
        (session,) = model.sessions
    failed, succeeded = record["transfers"]
    assert (failed["outcome"], failed["sip_status"], failed["detail"]) == ("failed", 486, "busy")
    assert succeeded["outcome"] == "transferred"
    assert [leg["sip_status"] for leg in record["legs"]] == [486, 200]
    assert "The transfer to sales failed: busy." in json.dumps(
        session.log.events("in", "conversation.item.create")
    )


async def test_a_human_who_lets_it_ring_is_given_up(setup: SetupFactory) -> None:
    async with RealtimeServer(speaks()) as model:
        desk = Desk(setup, model, ring_timeout_s=1)
        async with desk.running() as server, desk.human() as called:
            async with referred_call(desk.setup) as caller:
                await say_goodbye(server, caller)
                await asyncio.wait_for(called.cancelled.wait(), 10)
                again = audio.signal(AGAIN, AGAIN_MS, ULAW)
                await caller.hear(lambda: again in caller.audio_heard())
                await caller.hang_up()
            record = await server.next_record()
    assert only_transfer(record, "outcome", "sip_status", "detail") == ("failed", 408, "no answer")
    assert [(leg["sip_status"], leg["answered_s"]) for leg in record["legs"]] == [(487, None)]


@pytest.mark.parametrize("then", ["agent", "end"])
async def test_when_the_human_hangs_up(setup: SetupFactory, then: str) -> None:
    async with RealtimeServer(speaks()) as model:
        desk = Desk(setup, model, human_hangs_up=then)
        async with desk.running() as server, desk.human() as called:
            async with referred_call(desk.setup) as caller:
                await say_goodbye(server, caller)
                await called.pick_up()
                await server.wait_log("transfer_joined")
                await called.hang_up()
                if then == "end":
                    await caller.hung_up()
                else:
                    again = audio.signal(AGAIN, AGAIN_MS, ULAW)
                    await caller.hear(lambda: again in caller.audio_heard())
                    await caller.hang_up()
            record = await server.next_record()
    outcome, reason = {"agent": ("returned", "caller_hung_up"), "end": ("human_left", "human_hung_up")}[then]
    assert only_transfer(record, "outcome") == (outcome,)
    assert record["end_reason"] == reason
    assert [leg["end_reason"] for leg in record["legs"]] == ["human_hung_up"]


async def test_a_caller_who_leaves_while_it_rings_ends_both_calls(setup: SetupFactory) -> None:
    async with RealtimeServer(speaks()) as model:
        desk = Desk(setup, model)
        async with desk.running() as server, desk.human() as called:
            async with referred_call(desk.setup) as caller:
                await say_goodbye(server, caller)
                await called.rings()
                await caller.hang_up()
            await asyncio.wait_for(called.cancelled.wait(), 10)
            record = await server.next_record()
    assert only_transfer(record, "outcome") == ("caller_left",)
    assert record["end_reason"] == "caller_hung_up"


@pytest.mark.paced
async def test_where_the_peer_does_not_know_refer_the_call_is_bridged(setup: SetupFactory) -> None:
    async with RealtimeServer(speaks()) as model:
        desk = Desk(setup, model, how="auto")
        async with desk.running() as server, desk.human() as called:
            async with referred_call(desk.setup, takes="405 Method Not Allowed") as caller:
                await say_goodbye(server, caller)
                await caller.referred()
                await called.pick_up()
                await server.wait_log("transfer_joined")
                await talk(caller, called)
                await caller.hang_up()
            record = await server.next_record()
    assert audio.signal(REPLY, TALK_MS, ULAW) in caller.audio_heard()
    assert only_transfer(record, "how", "outcome") == ("bridge", "transferred")
