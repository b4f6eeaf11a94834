"""A leg from its order to its last event."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from rtp.events import ByeReceived
from sipagent import events
from sipagent.backends.base import BackendLost, TranscriptFinished, UsageCounted
from sipagent.errors import BackendNotReady, BackendRefused, BackendUnreachable, ReasonCode
from sipagent.formats import ULAW
from sipagent.worker.agent.side import ABANDONED_S
from sipagent.worker.reporter import Reporter
from tests.worker.fake_udp import PHONE
from tests.worker.rig import Bench, noise


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


async def test_transcripts_and_usage_are_passed_on(bench: Bench) -> None:
    await bench.talk()
    bench.backend.say(TranscriptFinished(role="agent", item_id="i1", text="Hello."))
    bench.backend.say(UsageCounted(source="response", usage={"total_tokens": 7}))
    (said,), (used,) = bench.all(events.Transcript), bench.all(events.UsageReported)
    assert (said.role, said.item_id, said.text) == ("agent", "i1", "Hello.")
    assert (used.source, used.usage) == ("response", {"total_tokens": 7})


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

    await bench.talk()
    bench.say(noise(1))
    monkeypatch.setattr(Reporter, "rtp", defect)
    bench.phone.close(bench.now)
    ((goodbye, _),) = bench.phone.rtcp_to_send()
    getattr(bench.udp, channel)(goodbye, PHONE, bench.now)
    await bench.running
    (ended,) = bench.all(events.LegEnded)
    assert (ended.reason, ended.detail) == ("internal_error", "ValueError('defect')")


@pytest.mark.parametrize("recorded", [True, False])
async def test_a_leg_that_is_over_needs_no_garbage_collector(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, recorded: bool
) -> None:
    bench = Bench(monkeypatch, ULAW, tmp_path / "call.wav.part" if recorded else None)
    await bench.talk()
    bench.say(noise(5))
    bench.backend.speak(noise(5))
    bench.beat(5)
    speaker, stream = bench.leg._speaker, bench.leg._stream
    assert stream is not None
    parts = [bench.leg, speaker, speaker.turns, speaker.seat, stream, stream._paths, stream._incoming]
    recorder = stream._tape.recorder
    assert (recorder is not None) == recorded
    if recorder is not None:
        parts += [recorder, recorder._timeline]
    known = {(type(each), id(each)) for each in parts}  # compiled, they take no weak references
    del speaker, stream, recorder, parts

    def alive() -> list[object]:
        return [each for each in gc.get_objects() if (type(each), id(each)) in known]

    assert len(alive()) == len(known)
    gc.collect()
    gc.disable()
    try:
        await bench.end()
        bench.recordings.close()
        del bench.leg, bench.running, bench.udp, bench.backend
        bench.backends.clear()
        bench.ticking.clear()
        assert alive() == []
    finally:
        gc.enable()
