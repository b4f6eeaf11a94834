"""Digits through a leg: in by every method, out as telephone events or tones, and out of recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rtp import g711
from rtp.events import DigitReceived
from rtp.inband import InbandDigits
from sipagent import events
from sipagent.backends.base import AudioFinished
from sipagent.formats import ULAW
from sipagent.media import tones
from tests.media.test_recorder import sides
from tests.worker.rig import FRAME, SILENCE, Bench, noise


def key(digit: str, ms: int = 100) -> bytes:
    """A press as a telephone sounds it, and as much silence."""
    return g711.pcm_to_ulaw(tones.key(digit, ms)) + ULAW.silence * 8 * ms


def told(bench: Bench) -> list[tuple[str, str]]:
    return [(each.digit, each.method) for each in bench.all(events.DigitReceived)]


# --- in ---------------------------------------------------------------------------------------------


async def test_digits_reach_the_model_whichever_way_they_come(bench: Bench) -> None:
    await bench.talk()
    bench.say(noise(2))
    bench.press("7")
    bench.leg.press("8", 160, "info")
    assert bench.backend.told[-2:] == [("digit", "7"), ("digit", "8")]
    pressed = [(each.digit, each.method) for each in bench.all(events.DigitReceived)]
    assert pressed == [("7", "rfc4733"), ("8", "info")]


@pytest.mark.parametrize(
    ("order", "payload_type", "heard"),
    [
        ({"detect_inband": "auto"}, None, [("4", "inband"), ("2", "inband")]),
        ({"detect_inband": "auto"}, 101, []),
        ({"detect_inband": "always"}, 101, [("4", "inband"), ("2", "inband")]),
        ({"detect_inband": "off"}, None, []),
    ],
    ids=["auto without events", "auto with events", "always", "off"],
)
async def test_tones_are_digits_where_they_are_listened_for(
    bench: Bench, payload_type: int | None, heard: list[tuple[str, str]]
) -> None:
    await bench.get_ready()
    bench.start(dtmf_payload_type=payload_type)
    bench.say(key("4") + key("2"))
    assert told(bench) == heard
    assert [each[1] for each in bench.backend.told if each[0] == "digit"] == [digit for digit, _ in heard]
    (built,) = bench.all(events.PathBuilt)
    assert ("tee(digits)" in built.path) == bool(heard)


@pytest.mark.parametrize("order", [{"detect_inband": "auto"}], ids=[""])
async def test_a_reinvite_may_take_telephone_events_away(bench: Bench) -> None:
    await bench.talk()
    bench.say(key("4"))
    bench.start(dtmf_payload_type=None)
    bench.say(key("5"))
    assert told(bench) == [("5", "inband")]


@pytest.mark.parametrize("order", [{"detect_inband": "always"}], ids=[""])
async def test_a_press_told_by_every_method_counts_once(bench: Bench) -> None:
    await bench.talk()
    bench.say(key("7"))
    bench.press("7")
    bench.leg.press("7", 160, "info")
    assert told(bench) == [("7", "inband")]
    assert bench.backend.told.count(("digit", "7")) == 1


# --- out --------------------------------------------------------------------------------------------


async def test_digits_go_out_as_events_and_the_agent_waits_meanwhile(bench: Bench) -> None:
    await bench.talk()
    bench.backend.speak(noise(100))
    bench.backend.say(AudioFinished(item_id="i1", content_index=0))
    before = bench.beat(10)
    bench.leg.send_digits("5#", inband=False)
    bench.beat(150)
    heard = [each for each in bench.what_the_phone_noticed() if isinstance(each, DigitReceived)]
    assert heard == [DigitReceived("5", 100), DigitReceived("#", 100)]
    assert before == noise(100)[: 10 * FRAME]
    audio = b"".join(bench.audio_sent())
    assert audio.replace(SILENCE, b"") == noise(100)
    (ended,) = bench.all(events.AgentSpeechEnded)
    assert (ended.played_ms, ended.starvations) == (2000, {})


@pytest.mark.parametrize(("payload_type", "inband"), [(None, False), (101, True)])
async def test_digits_go_out_as_tones_to_who_takes_no_events(
    bench: Bench, payload_type: int | None, inband: bool
) -> None:
    await bench.get_ready()
    bench.start(dtmf_payload_type=payload_type)
    bench.backend.speak(noise(30))
    bench.leg.send_digits("12A", inband)
    sent = bench.beat(60)
    heard = InbandDigits().feed(g711.ulaw_to_pcm(sent))
    assert "".join(each.digit for each in heard) == "12A"
    assert noise(30) in sent


async def test_digits_wait_for_the_end_of_a_hold(bench: Bench) -> None:
    await bench.talk()
    bench.start(direction="recvonly")
    bench.leg.send_digits("9", inband=False)
    assert bench.beat(20) == b""
    bench.start()
    bench.beat(20)
    heard = [each for each in bench.what_the_phone_noticed() if isinstance(each, DigitReceived)]
    assert heard == [DigitReceived("9", 100)]


async def test_before_there_is_media_digits_are_not_sent(bench: Bench) -> None:
    await bench.get_ready()
    bench.leg.send_digits("9", inband=False)
    bench.start()
    assert bench.beat(20) == SILENCE * 20


# --- not to be kept ---------------------------------------------------------------------------------


class TestDiscreet:
    @pytest.fixture
    def recording(self, tmp_path: Path) -> Path:
        return tmp_path / "c-1.wav"

    @pytest.fixture
    def order(self) -> dict[str, Any]:
        return {"record_digits": False}

    async def test_digits_are_marked_as_not_to_be_kept(self, bench: Bench) -> None:
        await bench.talk()
        bench.press("7")
        bench.leg.press("8", 160, "info")
        assert [each.kept for each in bench.all(events.DigitReceived)] == [False, False]
        assert bench.backend.told[-2:] == [("digit", "7"), ("digit", "8")]

    async def test_a_tone_is_not_in_the_recording_although_it_is_no_digit_here(
        self, bench: Bench, recording: Path
    ) -> None:
        await bench.talk()
        speech = noise(100)
        bench.say(speech + key("3", ms=200) + speech)
        assert told(bench) == []
        await bench.end()
        caller, _ = sides(recording)
        assert InbandDigits().feed(caller) == []
        pressed = np.frombuffer(caller, "<i2")[len(speech) : len(speech) + 1600]
        assert not pressed.any()
        assert g711.ulaw_to_pcm(speech[:-2400]) == caller[: 2 * (len(speech) - 2400)]
        assert caller.endswith(g711.ulaw_to_pcm(speech[FRAME * 10 :]))

    async def test_what_leaks_of_a_tone_around_its_event_is_not_in_the_recording(
        self, bench: Bench, recording: Path
    ) -> None:
        await bench.talk()
        bench.say(noise(100))
        bench.say(g711.pcm_to_ulaw(tones.key("3", 20)))
        bench.press("3")
        bench.say(g711.pcm_to_ulaw(tones.key("3", 20)))
        bench.say(noise(100, seed=2))
        await bench.end()
        caller, _ = sides(recording)
        leaked = tones.key("3", 20)[80:240]
        assert leaked not in caller
        assert g711.ulaw_to_pcm(g711.pcm_to_ulaw(leaked)) not in caller
        assert g711.ulaw_to_pcm(noise(100, seed=2)[FRAME * 60 : FRAME * 90]) in caller

    async def test_tones_that_we_send_are_not_in_the_recording(self, bench: Bench, recording: Path) -> None:
        await bench.talk()
        bench.backend.speak(noise(50))
        bench.leg.send_digits("12", inband=True)
        bench.beat(100)
        await bench.end()
        _, agent = sides(recording)
        assert InbandDigits().feed(agent) == []
        assert g711.ulaw_to_pcm(noise(50)) in agent
