"""Digits between a telephone and the whole server, by every method and both ways."""

from __future__ import annotations

import sys
import time

import pytest

from rtp import g711
from rtp.inband import InbandDigits
from sipagent.formats import ULAW
from sipagent.media import tones
from sipagent.simulator.realtime_options import Pattern, RealtimeOptions, Turn
from sipagent.simulator.realtime_server import RealtimeServer
from tests.e2e.conftest import SetupFactory
from tests.e2e.support import audio, dialling_server
from tests.e2e.support.desk_phone import desk_call
from tests.e2e.support.lengths import flowed_s
from tests.e2e.support.server import Record, Server, running
from tests.e2e.support.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.alone]

GREETING, GREETING_MS = 3, 3000
#: Speaks at once, and takes nothing that the caller says for speech.
SPEAKS = {"greeting": "Hello", "turn_detection": {"kind": "server_vad", "threshold": 1.0}}
DIALS = (sys.executable, dialling_server.__file__, "19D")


def keys(digits: str) -> bytes:
    """As a telephone sounds them: 100 ms each, and as much silence."""
    return b"".join(g711.pcm_to_ulaw(tones.key(digit, 100)) + ULAW.silence * 800 for digit in digits)


def told(record: Record) -> list[tuple[str, str]]:
    return [(each["digit"], each["method"]) for each in record["digits"]]


# --- in ---------------------------------------------------------------------------------------------


async def test_tones_are_digits_to_whom_telephone_events_were_not_offered(setup: SetupFactory) -> None:
    async with running(setup(None)) as server:
        async with desk_call(server.setup, events=False, speech=keys("1590*#")) as caller:
            await server.wait_log("digit_received", digit="#")
            await caller.hang_up()
        assert told(await server.next_record()) == [(digit, "inband") for digit in "1590*#"]
        async with desk_call(server.setup, speech=keys("159")) as caller:
            await caller.hear_speech(250)
            caller.press("7")
            await server.wait_log("digit_received", digit="7")
            await caller.hang_up()
        assert told(await server.next_record()) == [("7", "rfc4733")]


async def test_a_press_by_three_methods_counts_once(setup: SetupFactory) -> None:
    async with running(setup(None, trunk={"dtmf": {"detect_inband": "always"}})) as server:
        async with desk_call(server.setup) as caller:
            for digit in "55":
                await caller.say(keys(digit))
                caller.press(digit)
                caller.press_by_info(digit)
            caller.press("0")
            await server.wait_log("digit_received", digit="0")
            await caller.hang_up()
        assert [digit for digit, _ in told(await server.next_record())] == ["5", "5", "0"]


@pytest.mark.paced
async def test_digits_that_are_not_to_be_kept_are_nowhere(setup: SetupFactory) -> None:
    """A card number, by a telephone that sends the tones along with the events."""
    prepared = setup(None, agent={"record_digits": False})
    async with running(prepared) as server:
        async with desk_call(server.setup) as caller:
            for digit in "4111":
                await caller.say(keys(digit))
                caller.press(digit)
            caller.press_by_info("6")
            await server.wait_log("digit_received", count=5)
            await caller.say(audio.signal(9, 1000, ULAW))
            await caller.hang_up()
        record = await server.next_record()
    assert {digit for digit, _ in told(record)} == {"***"}
    assert len(told(record)) == 5
    left, _ = audio.recorded(record["recording"])
    assert InbandDigits().feed(left.tobytes()) == []
    assert audio.holds(left, audio.samples(audio.signal(9, 1000, ULAW)[4000:], "PCMU"))
    kept = prepared.config.with_name("server.log").read_text()
    assert "Signal=" not in kept.replace("Signal= ***", "")
    assert {line["digit"] for line in server.lines("digit_received")} == {"***"}


# --- out --------------------------------------------------------------------------------------------


async def pressed_by_server(server: Server, digits: str, **options: bool) -> tuple[Record, bytes]:
    """A call in which the server presses keys while the agent speaks: its record, and what was heard."""
    async with desk_call(server.setup, **options) as caller:
        await caller.hear_speech(500)
        caller.press_by_info("#")
        if options.get("events", True):
            await caller.hear(lambda: len(caller.digits_heard) >= len(digits))
            assert "".join(press.digit for press in caller.digits_heard) == digits
            assert {press.duration_ms for press in caller.digits_heard} == {100}
        else:
            await eventually(lambda: caller.tones_heard() == digits or len(caller.infos) == 3, "digits")
        await server.wait_log("agent_speech_ended")
        hung_up_at = time.monotonic()
        await caller.hang_up()
        if caller.infos:
            signals = [dict(line.split("=") for line in body.split("\r\n") if line) for body in caller.infos]
            assert [(each["Signal"], each["Duration"]) for each in signals] == [
                (digit, "100") for digit in digits
            ]
        record = await server.next_record()
        left, _ = audio.recorded(record["recording"])
        assert len(left) / 8000 == pytest.approx(flowed_s(server, record, hung_up_at), abs=0.04)
        return record, caller.speech_heard()


@pytest.mark.parametrize(
    ("dtmf", "events", "method"),
    [
        ({}, True, "rfc4733"),
        ({"detect_inband": "off"}, False, "info"),
        ({"send": "inband", "detect_inband": "off"}, False, "inband"),
    ],
    ids=["events", "info", "tones"],
)
async def test_digits_reach_the_peer_and_the_agent_goes_on(
    setup: SetupFactory, dtmf: dict[str, str], events: bool, method: str
) -> None:
    script = (Turn(reply=[Pattern(pattern_ms=GREETING_MS, number=GREETING)]),)
    options = RealtimeOptions(script=script, obedient=False)
    async with RealtimeServer(options) as model:
        prepared = setup(model.url, agent=SPEAKS, trunk={"dtmf": dtmf})
        async with running(prepared, wrapper=DIALS) as server:
            record, heard = await pressed_by_server(server, "19D", events=events)
    (sent,) = record["digits_sent"]
    assert (sent["digits"], sent["method"]) == ("19D", method)
    greeting = audio.signal(GREETING, GREETING_MS, ULAW)
    if method == "inband":
        begun = next(
            at for at in range(0, len(greeting), 160) if heard[at : at + 160] != greeting[at : at + 160]
        )
        assert greeting[begun:] in heard
    else:
        assert heard.startswith(greeting)
    turn = next(turn for turn in record["turns"] if turn["role"] == "agent")
    assert (turn["played_ms"], turn["interrupted"]) == (GREETING_MS, False)
