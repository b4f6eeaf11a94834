"""Callers handed on to humans whom we call ourselves: bridged through our media, or attended by Replaces."""

from __future__ import annotations

import asyncio
import json
import signal
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from rtp import g711
from sipagent.formats import ULAW, AudioFormat
from sipagent.simulator.realtime_options import Pattern, RealtimeOptions, Turn
from sipagent.simulator.realtime_server import RealtimeServer
from tests.e2e.conftest import SetupFactory
from tests.e2e.support import audio
from tests.e2e.support.commanded_server import at_desk
from tests.e2e.support.human import HumanPhone, human
from tests.e2e.support.phone import Phone
from tests.e2e.support.ports import free_port
from tests.e2e.support.referred_phone import referred_call
from tests.e2e.support.server import Record, Server, running
from tests.e2e.support.waiting import eventually

pytestmark = pytest.mark.e2e

GOODBYE, GOODBYE_MS, AGAIN, AGAIN_MS = 1, 600, 2, 600
WORDS, REPLY, TALK_MS = 3, 4, 1500
SPEAKS = {"greeting": "Hello", "turn_detection": {"kind": "server_vad", "threshold": 1.0}}
TO_SALES = at_desk(("Transfer", {"target": "sales", "summary": "wants a bicycle"}))


def speaks() -> RealtimeOptions:
    replies = [[Pattern(pattern_ms=GOODBYE_MS, number=GOODBYE)], [Pattern(pattern_ms=AGAIN_MS, number=AGAIN)]]
    return RealtimeOptions(script=tuple(Turn(reply=reply) for reply in replies), obedient=False)


class Desk:
    """What a test needs to hand a caller on to a human on `port`."""

    def __init__(self, setup: SetupFactory, server: RealtimeServer, **target: Any) -> None:
        self.port = free_port("127.0.0.1")
        sales = {"to": "+15550100", "how": "bridge", "goodbye_max_s": 3} | target
        transfer = {"uri_template": f"sip:{{number}}@127.0.0.1:{self.port}", "outcome_timeout_s": 3}
        self.setup = setup(
            server.url, agent=SPEAKS | {"transfers": {"sales": sales}}, trunk={"transfer": transfer}
        )

    def running(self, spare_threads: int = 0, errors: Sequence[str] = ()) -> Any:
        return running(self.setup, wrapper=TO_SALES, spare_threads=spare_threads, errors=errors)

    def human(self, **options: Any) -> Any:
        return human(self.setup, self.port, **options)


async def say_goodbye(server: Server, caller: Phone) -> None:
    """The agent has spoken, and the caller is to be handed on."""
    await caller.hear_speech(GOODBYE_MS)
    await server.wait_log("agent_speech_ended")
    server.process.send_signal(signal.SIGUSR1)


async def talk(caller: Phone, called: HumanPhone) -> None:
    """Both speak at once, for a while, and are silent again."""
    silence = ULAW.silence * 4000
    say = caller.say(audio.signal(WORDS, TALK_MS, ULAW) + silence)
    law = called.law
    await asyncio.gather(say, called.say(audio.signal(REPLY, TALK_MS, law) + law.silence * 4000))


def only_transfer(record: Record, *keys: str) -> tuple[Any, ...]:
    (transfer,) = record["transfers"]
    return tuple(transfer[key] for key in keys)


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


async def test_the_human_hears_first_what_it_is_about(setup: SetupFactory) -> None:
    """By the voice of the agent, in a session of its own."""
    async with RealtimeServer(speaks()) as model:
        desk = Desk(setup, model, whisper="A caller {summary}.")
        async with desk.running() as server, desk.human() as called:
            async with referred_call(desk.setup) as caller:
                await say_goodbye(server, caller)
                await called.pick_up()
                await server.wait_log("transfer_joined")
                await talk(caller, called)
                await caller.hang_up()
            record = await server.next_record()
        _, briefing = model.sessions
    whisper = audio.signal(GOODBYE, GOODBYE_MS, ULAW)
    assert called.speech_heard().startswith(whisper)
    assert audio.signal(WORDS, TALK_MS, ULAW) in called.audio_heard()
    assert whisper not in caller.audio_heard()[8 * GOODBYE_MS + 1600 :]
    assert "A caller wants a bicycle." in json.dumps(briefing.log.events("in"))
    assert record["usage"]["response"]["count"] == 2


def sound(path: Path, hz: float, ms: int) -> str:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, audio.RATE, 0, "NONE", ""))
        file.writeframes(audio.tone(hz, ms, AudioFormat("pcm")))
    return str(path)


async def test_files_are_played_to_both_and_the_model_goes_on_listening(
    setup: SetupFactory, tmp_path: Path
) -> None:
    wait, whisper = sound(tmp_path / "wait.wav", 700, 400), sound(tmp_path / "whisper.wav", 900, 600)
    async with RealtimeServer(speaks()) as model:
        desk = Desk(setup, model, wait_file=wait, whisper_file=whisper, model="listens")
        async with desk.running(spare_threads=4) as server, desk.human() as called:
            async with referred_call(desk.setup) as caller:
                await say_goodbye(server, caller)
                await called.rings()
                await caller.hear_speech(GOODBYE_MS + 1000)
                await called.pick_up()
                await server.wait_log("transfer_joined")
                await talk(caller, called)
                await caller.hang_up()
            record = await server.next_record()
        (session,) = model.sessions
    waited = caller.speech_heard()[8 * GOODBYE_MS :][: 8 * 900]
    assert audio.pitch_hz(audio.samples(waited, "PCMU")) == pytest.approx(700, abs=10)
    told = called.speech_heard()[: 8 * 500]
    assert audio.pitch_hz(audio.samples(told, "PCMU")) == pytest.approx(900, abs=10)
    words, reply = audio.signal(WORDS, TALK_MS, ULAW), audio.signal(REPLY, TALK_MS, ULAW)
    assert words in called.audio_heard()
    assert reply in caller.audio_heard()
    assert words in bytes(session.log.caller_audio)
    assert reply[:1600] not in bytes(session.log.caller_audio)
    assert only_transfer(record, "outcome") == ("transferred",)


async def test_attended_the_human_is_asked_first_and_then_takes_our_place(setup: SetupFactory) -> None:
    async with RealtimeServer(speaks()) as model:
        desk = Desk(setup, model, how="attended")
        async with desk.running() as server, desk.human() as called:
            async with referred_call(desk.setup) as caller:
                await say_goodbye(server, caller)
                await called.pick_up()
                refer = await caller.referred()
                caller.notify("100 Trying")
                caller.notify("200 OK")
                await caller.hung_up()
            await called.hung_up()
            record = await server.next_record()
    assert called.invited is not None
    target, _, parameters = refer["refer-to"].strip("<>").partition("?")
    assert target == f"sip:+15550100@127.0.0.1:{desk.port}"
    replaces = dict(each.split("=", 1) for each in parameters.split("&"))["Replaces"]
    call_id, *tags = replaces.replace("%3B", ";").replace("%3D", "=").split(";")
    ours = called.invited["from"].rpartition("tag=")[2]
    assert call_id.replace("%40", "@") == called.sip_call_id
    assert dict(tag.split("=") for tag in tags) == {"to-tag": called._tag, "from-tag": ours}
    assert record["end_reason"] == "transferred"
    assert only_transfer(record, "how", "outcome", "sip_status") == ("attended", "transferred", 200)


async def test_attended_and_refused_the_caller_is_with_the_agent_again(setup: SetupFactory) -> None:
    async with RealtimeServer(speaks()) as model:
        desk = Desk(setup, model, how="attended")
        async with desk.running() as server, desk.human() as called:
            async with referred_call(desk.setup, takes="403 Forbidden") as caller:
                await say_goodbye(server, caller)
                await called.pick_up()
                await called.hung_up()
                again = audio.signal(AGAIN, AGAIN_MS, ULAW)
                await caller.hear(lambda: again in caller.audio_heard())
                await caller.hang_up()
            record = await server.next_record()
    assert only_transfer(record, "how", "outcome", "sip_status") == ("attended", "failed", 403)


@pytest.mark.parametrize(("by_file", "pitch_hz"), [(False, 425), (True, 700)], ids=["tone", "file"])
async def test_we_put_a_caller_on_hold_and_take_it_up_again(
    setup: SetupFactory, tmp_path: Path, by_file: bool, pitch_hz: int
) -> None:
    music = {"hold_file": sound(tmp_path / "music.wav", 700, 400)} if by_file else {}
    heard_on_hold = {"hold": "tone"} | music
    async with RealtimeServer(speaks()) as model:
        prepared = setup(model.url, agent=SPEAKS, trunk=heard_on_hold)
        wrapper = at_desk(("Hold", {}), ("Resume", {}))
        async with running(prepared, wrapper=wrapper, spare_threads=4 if by_file else 0) as server:
            async with referred_call(prepared) as caller:
                await caller.hear_speech(GOODBYE_MS)
                server.process.send_signal(signal.SIGUSR1)
                await server.wait_log("call_held", by="us", direction="sendonly")
                await caller.hear_speech(GOODBYE_MS + 150)
                server.process.send_signal(signal.SIGUSR2)
                await server.wait_log("call_resumed")
                await eventually(lambda: caller.holds == ["sendonly", "sendrecv"], "a re-INVITE")
                await caller.hang_up()
            record = await server.next_record()
    (held,) = record["holds"]
    assert (held["by"], held["direction"]) == ("us", "sendonly")
    tone = caller.speech_heard()[8 * GOODBYE_MS :]
    assert audio.pitch_hz(audio.samples(tone, "PCMU")) == pytest.approx(pitch_hz, abs=10)
