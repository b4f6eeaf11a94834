"""A leg from its order to its last event."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from rtp import g711
from rtp.events import ByeReceived
from rtp.session import Direction, RtpSession
from sipagent import events
from sipagent.backends.base import (
    AudioFinished,
    BackendLost,
    TranscriptFinished,
    UsageCounted,
)
from sipagent.errors import BackendNotReady, BackendRefused, BackendUnreachable, ReasonCode
from sipagent.formats import ALAW, ULAW, AudioFormat
from sipagent.worker.agent.side import ABANDONED_S
from sipagent.worker.agent.speaker import PLAYOUT_MAX_MS
from sipagent.worker.phone import tape
from tests.media.test_recorder import sides
from tests.rtp.streams import tone
from tests.worker.fake_udp import PHONE
from tests.worker.rig import FRAME, Bench, noise
from tests.worker.scripted_backend import caller_speaks

SILENCE = ULAW.silence * FRAME


# --- getting ready ----------------------------------------------------------------------------------


async def test_a_leg_is_ready_when_its_backend_is_and_then_greets(bench: Bench) -> None:
    assert bench.events == []
    await bench.get_ready()
    assert bench.backend.told == [("greet",)]


@pytest.mark.parametrize(
    ("error", "reason_code"),
    [
        (BackendUnreachable("no route"), ReasonCode.BACKEND_UNREACHABLE),
        (BackendRefused("wrong key"), ReasonCode.BACKEND_REFUSED),
        (BackendNotReady("too slow"), ReasonCode.BACKEND_NOT_READY),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_a_backend_that_fails_to_open_fails_the_leg(
    bench: Bench, error: Exception, reason_code: ReasonCode
) -> None:
    bench.backend.opening.set_exception(error)
    await bench.running
    (failed,) = bench.events
    assert isinstance(failed, events.LegFailed)
    assert (failed.sip_status, failed.reason_code, failed.detail) == (503, reason_code, str(error))


async def test_a_leg_closed_before_it_is_ready_never_gets_ready(bench: Bench) -> None:
    bench.leg.close("caller_cancelled")
    await bench.running
    (failed,) = bench.events
    assert isinstance(failed, events.LegFailed)
    assert bench.backend.opening.cancelled()


async def test_a_defect_of_the_backend_ends_the_run_and_leaves_nothing_open(bench: Bench) -> None:
    bench.backend.opening.set_exception(ValueError("defect"))
    with pytest.raises(ValueError, match="defect"):
        await bench.running


# --- audio ------------------------------------------------------------------------------------------


async def test_the_caller_is_heard_bit_for_bit(bench: Bench) -> None:
    await bench.talk()
    bench.say(noise(50))
    assert bench.backend.heard == noise(50)
    (started,) = bench.all(events.MediaStarted)
    assert started.source == f"{PHONE[0]}:{PHONE[1]}"


async def test_the_agent_is_heard_bit_for_bit(bench: Bench) -> None:
    await bench.talk()
    bench.backend.speak(noise(50))
    bench.backend.say(AudioFinished(item_id="i1", content_index=0))
    assert bench.beat(50) == noise(50)
    assert bench.beat(2) == SILENCE * 2
    (started,), (ended,) = bench.all(events.AgentSpeechStarted), bench.all(events.AgentSpeechEnded)
    assert (started.item_id, ended.item_id) == ("i1", "i1")
    assert (ended.played_ms, ended.flushed_ms, ended.interrupted, ended.starvations) == (1000, 0, False, {})


async def test_what_the_agent_says_before_the_answer_waits(bench: Bench) -> None:
    await bench.get_ready()
    bench.backend.speak(noise(5))
    bench.start()
    assert bench.beat(5) == noise(5)


async def test_a_hole_in_the_agents_speech_has_a_cause(bench: Bench) -> None:
    await bench.talk()
    bench.backend.speak(noise(2))
    assert bench.beat(3) == noise(2) + SILENCE
    bench.backend.speak(noise(1))
    bench.backend.say(AudioFinished(item_id="i1", content_index=0))
    bench.beat(2)
    (ended,) = bench.all(events.AgentSpeechEnded)
    assert ended.starvations == {"backend_late": 1}


async def test_nothing_is_sent_on_hold(bench: Bench) -> None:
    await bench.get_ready()
    bench.start(direction="recvonly")
    bench.backend.speak(noise(2))
    assert bench.beat(3) == b""
    bench.start()
    assert bench.beat(2) == noise(2)


@pytest.mark.parametrize("audio", [AudioFormat("pcm", 24000)], ids=str)
async def test_a_backend_of_another_rate_hears_and_speaks(bench: Bench) -> None:
    await bench.talk()
    (built,) = bench.all(events.PathBuilt)
    assert built.path == (
        "caller: rtp -> decode(ulaw) -> resample(8000>24000) -> backend"
        " | agent: backend -> resample(24000>8000) -> playout -> encode(ulaw) -> rtp"
    )
    bench.say(g711.pcm_to_ulaw(tone(440, 0.2)))
    assert len(bench.backend.heard) == pytest.approx(0.2 * 48000, abs=0.005 * 48000)
    bench.backend.speak(tone(440, 0.2, 24000))
    bench.beat(9)
    assert not {SILENCE} & set(bench.audio_sent()[-9:])


# --- barge-in ---------------------------------------------------------------------------------------


async def test_a_caller_who_speaks_silences_the_agent_at_once(bench: Bench) -> None:
    await bench.talk()
    bench.backend.speak(noise(50))
    assert bench.beat(3) == noise(50)[: 3 * FRAME]
    bench.backend.say(caller_speaks())
    assert bench.backend.told[-1] == ("interrupt", "i1", 0, 60)
    assert bench.beat(2) == SILENCE * 2
    (ended,) = bench.all(events.AgentSpeechEnded)
    assert (ended.played_ms, ended.flushed_ms, ended.interrupted) == (60, 940, True)
    (speech,) = bench.all(events.SpeechStarted)
    assert (speech.item_id, speech.audio_ms) == ("caller-1", 1500)


async def test_the_model_learns_of_an_item_of_which_nothing_was_heard(bench: Bench) -> None:
    await bench.talk()
    bench.backend.speak(noise(50))
    bench.backend.say(caller_speaks())
    assert bench.backend.told[-1] == ("interrupt", "i1", 0, 0)
    assert bench.all(events.AgentSpeechStarted) == []


async def test_an_interruption_of_silence_names_no_item(bench: Bench) -> None:
    await bench.talk()
    bench.beat(3)
    bench.backend.say(caller_speaks())
    assert bench.backend.told[-1] == ("interrupt", None, 0, 0)


async def test_a_caller_may_speak_before_the_answer(bench: Bench) -> None:
    await bench.get_ready()
    bench.backend.speak(noise(5))
    bench.backend.say(caller_speaks())
    bench.start()
    assert bench.beat(2) == SILENCE * 2


# --- what else happens ------------------------------------------------------------------------------


async def test_digits_reach_the_model_whichever_way_they_come(bench: Bench) -> None:
    await bench.talk()
    bench.say(noise(2))
    bench.press("7")
    bench.leg.press("8", 160, "info")
    assert bench.backend.told[-2:] == [("digit", "7"), ("digit", "8")]
    pressed = [(each.digit, each.method) for each in bench.all(events.DigitReceived)]
    assert pressed == [("7", "rfc4733"), ("8", "info")]


async def test_transcripts_and_usage_are_passed_on(bench: Bench) -> None:
    await bench.talk()
    bench.backend.say(TranscriptFinished(role="agent", item_id="i1", text="Hello."))
    bench.backend.say(UsageCounted(source="response", usage={"total_tokens": 7}))
    (said,), (used,) = bench.all(events.Transcript), bench.all(events.UsageReported)
    assert (said.role, said.item_id, said.text) == ("agent", "i1", "Hello.")
    assert (used.source, used.usage) == ("response", {"total_tokens": 7})


async def test_a_reinvite_changes_the_law_and_the_path_says_so(bench: Bench) -> None:
    await bench.talk()
    bench.say(noise(5))
    bench.start("PCMA")
    bench.say(noise(5, seed=2))
    bench.backend.speak(noise(5, seed=3))
    bench.beat(5)
    assert b"".join(bench.audio_sent()[-5:]) == g711.ulaw_to_alaw(noise(5, seed=3))
    assert bench.backend.heard == noise(5) + g711.alaw_to_ulaw(noise(5, seed=2))
    assert [built.path for built in bench.all(events.PathBuilt)] == [
        "caller: rtp -> backend | agent: backend -> playout -> rtp",
        "caller: rtp -> alaw>ulaw -> backend | agent: backend -> playout -> ulaw>alaw -> rtp",
    ]


async def test_a_reinvite_that_changes_no_law_builds_no_path(bench: Bench) -> None:
    await bench.talk()
    bench.start(direction="recvonly")
    assert len(bench.all(events.PathBuilt)) == 1


@pytest.mark.parametrize("audio", [ALAW], ids=str)
async def test_a_backend_that_speaks_the_other_law_is_transcoded(bench: Bench) -> None:
    await bench.talk()
    bench.say(noise(2))
    assert bench.backend.heard == g711.ulaw_to_alaw(noise(2))


# --- the end ----------------------------------------------------------------------------------------


async def test_a_leg_ends_once_with_its_report(bench: Bench) -> None:
    await bench.talk()
    bench.say(noise(10))
    ended = await bench.end("caller_hung_up")
    assert ended.reason == "caller_hung_up"
    assert ended.rtp["inbound"]["packets"] == 10
    assert ended.audio == {"dropped_ms": 40, "playout_dropped_ms": 0}
    assert (ended.recording, ended.recording_truncated) == (None, False)
    assert isinstance(bench.what_the_phone_noticed()[-1], ByeReceived)


async def test_a_leg_that_ends_in_mid_utterance_says_what_was_heard_of_it(bench: Bench) -> None:
    await bench.talk()
    bench.backend.speak(noise(50))
    bench.beat(5)
    await bench.end()
    (spoken,) = bench.all(events.AgentSpeechEnded)
    assert (spoken.played_ms, spoken.flushed_ms) == (100, 900)


async def test_a_leg_without_a_backend_ends_when_nobody_does_anything_about_it(bench: Bench) -> None:
    await bench.talk()
    bench.backend.say(BackendLost(code="1006", message="gone", fatal=False))
    bench.beat(2)
    assert not bench.is_ending
    bench.now += ABANDONED_S
    bench.beat()
    await bench.running
    assert bench.all(events.LegEnded)[0].reason == "backend_lost"


async def test_the_first_reason_stands(bench: Bench) -> None:
    await bench.talk()
    bench.leg.close("media_timeout")
    assert (await bench.end("caller_hung_up")).reason == "media_timeout"


async def test_a_leg_may_end_before_audio_flows(bench: Bench) -> None:
    await bench.get_ready()
    ended = await bench.end("caller_hung_up")
    assert ended.rtp == {}


async def test_a_start_that_crosses_the_end_is_too_late(bench: Bench) -> None:
    await bench.get_ready()
    bench.leg.close("backend_lost")
    bench.start()
    await bench.running
    bench.start()
    assert bench.udp is None
    assert bench.all(events.PathBuilt) == []


async def test_a_tick_that_fails_ends_the_leg(bench: Bench) -> None:
    await bench.talk()
    ((tick, on_failure),) = bench.ticking.items()
    on_failure(ValueError("defect"))
    await bench.running
    (ended,) = bench.all(events.LegEnded)
    assert (ended.reason, ended.detail) == ("internal_error", "ValueError('defect')")
    assert tick not in bench.ticking


@pytest.mark.parametrize("channel", ["on_rtp", "on_rtcp"])
async def test_a_packet_that_fails_ends_the_leg(
    bench: Bench, channel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def defect(*arguments: object) -> None:
        raise ValueError("defect")

    monkeypatch.setattr(RtpSession, "receive_datagram", defect)
    monkeypatch.setattr(RtpSession, "receive_rtcp", defect)
    await bench.talk()
    getattr(bench.udp, channel)(b"", PHONE, bench.now)
    await bench.running
    (ended,) = bench.all(events.LegEnded)
    assert (ended.reason, ended.detail) == ("internal_error", "ValueError('defect')")


@pytest.mark.parametrize(
    ("spoken_s", "direction", "gone_after_s", "detail"),
    [
        (0, "sendrecv", 30, "no RTP ever for 30 s"),
        (1, "sendrecv", 20, "no RTP any more for 20 s"),
        (1, "recvonly", 300, "no RTP on hold for 300 s"),
        (0, "inactive", 300, "no RTP on hold for 300 s"),
    ],
)
async def test_a_peer_that_sends_no_rtp_is_given_up(
    bench: Bench, spoken_s: int, direction: Direction, gone_after_s: int, detail: str
) -> None:
    await bench.talk()
    bench.say(noise(50 * spoken_s))
    if direction != "sendrecv":
        bench.start(direction=direction)
    bench.beat(50 * gone_after_s - 2)
    assert not bench.is_ending
    bench.beat(3)
    await bench.running
    (ended,) = bench.all(events.LegEnded)
    assert (ended.reason, ended.detail) == ("media_timeout", detail)


async def test_rtcp_alone_keeps_no_call_alive(bench: Bench) -> None:
    await bench.talk()
    bench.say(noise(10))
    for _ in range(21):
        bench.beat(50)
        bench.phone.handle_timer(bench.now)
        assert bench.udp is not None
        for data, _ in bench.phone.rtcp_to_send():
            bench.udp.on_rtcp(data, (PHONE[0], PHONE[1] + 1), bench.now)
    await bench.running
    (ended,) = bench.all(events.LegEnded)
    assert ended.reason == "media_timeout"
    assert ended.rtp["rtt_ms"] is None or ended.rtp["rtt_ms"] >= 0


async def test_who_announces_silence_may_be_silent(bench: Bench) -> None:
    await bench.talk()
    bench.say(noise(10))
    bench.fall_silent()
    bench.beat(50 * 60)
    assert not bench.is_ending


async def test_speech_that_has_no_room_shows_in_the_report(bench: Bench) -> None:
    await bench.talk()
    bench.backend.speak(b"\1" * (PLAYOUT_MAX_MS + 1500) * ULAW.bytes_per_ms)
    ended = await bench.end()
    assert ended.audio["playout_dropped_ms"] == 1500


# --- the recording ----------------------------------------------------------------------------------


class TestRecorded:
    @pytest.fixture
    def recording(self, tmp_path: Path) -> Path:
        return tmp_path / "c-1.wav"

    async def test_it_holds_what_the_caller_said_and_what_it_was_sent(
        self, bench: Bench, recording: Path
    ) -> None:
        await bench.talk()
        (built,) = bench.all(events.PathBuilt)
        assert built.path == (
            "caller: rtp -> tee(rec.caller) -> backend | agent: backend -> playout -> tee(rec.agent) -> rtp"
        )
        bench.backend.speak(noise(20, seed=2))
        bench.say(noise(5))
        bench.backend.say(caller_speaks())
        bench.say(noise(5, seed=3))
        ended = await bench.end()
        assert (ended.recording, ended.recording_truncated) == (str(recording), False)
        said = noise(5) + noise(5, seed=3)
        heard = noise(20, seed=2)[: 5 * FRAME] + SILENCE * 5
        assert sides(recording) == (g711.ulaw_to_pcm(said), g711.ulaw_to_pcm(heard))

    async def test_a_call_ends_although_the_disk_hangs(
        self, bench: Bench, recording: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tape, "RECORDING_DEADLINE_S", 0.01)
        go_on = threading.Event()
        bench.recordings.submit_end(lambda: go_on.wait(2) and None)
        await bench.talk()
        bench.say(noise(5))
        ended = await bench.end()
        assert (ended.recording, ended.recording_truncated) == (str(recording), True)
        go_on.set()
