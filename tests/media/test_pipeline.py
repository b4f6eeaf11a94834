"""The audio path as one expression a direction, and how a call's start prints it."""

from __future__ import annotations

import pytest

from sipagent.formats import ALAW, ULAW, AudioFormat
from sipagent.media import pipeline
from sipagent.media.recorder import Recorder

PCM24 = AudioFormat("pcm", 24000)


class Laneless(Recorder):
    """A recorder that notes which lane is opened in which format."""

    def __init__(self) -> None:
        self.lanes: dict[str, AudioFormat] = {}
        self.recorded: dict[str, bytes] = {"caller": b"", "agent": b""}

    def lane(self, side, source):  # type: ignore[no-untyped-def]
        self.lanes[side] = source

        def write(audio: bytes, now: float) -> None:
            self.recorded[side] += audio

        return write


@pytest.fixture
def recorder() -> Laneless:
    return Laneless()


def nowhere(audio: bytes, now: float) -> None:
    pass


@pytest.mark.parametrize(
    ("phone", "backend", "caller", "agent", "wire"),
    [
        (ULAW, ULAW, "backend", "playout", "rtp"),
        (ALAW, ALAW, "backend", "playout", "rtp"),
        (ULAW, ALAW, "ulaw>alaw -> backend", "playout", "alaw>ulaw -> rtp"),
        (ALAW, ULAW, "alaw>ulaw -> backend", "playout", "ulaw>alaw -> rtp"),
        (
            ULAW,
            PCM24,
            "decode(ulaw) -> resample(8000>24000) -> backend",
            "resample(24000>8000) -> playout",
            "encode(ulaw) -> rtp",
        ),
        (
            ALAW,
            PCM24,
            "decode(alaw) -> resample(8000>24000) -> backend",
            "resample(24000>8000) -> playout",
            "encode(alaw) -> rtp",
        ),
    ],
    ids=str,
)
def test_the_path_of_every_pair_of_phone_and_backend(
    phone: AudioFormat, backend: AudioFormat, caller: str, agent: str, wire: str, recorder: Laneless
) -> None:
    queued = pipeline.playout_format(backend)
    assert str(pipeline.caller(phone, backend, nowhere, None)) == caller
    assert str(pipeline.agent(backend, nowhere)) == agent
    assert str(pipeline.wire(queued, phone, nowhere, None)) == wire
    assert str(pipeline.caller(phone, backend, nowhere, recorder)) == f"tee(rec.caller) -> {caller}"
    assert str(pipeline.wire(queued, phone, nowhere, recorder)) == f"tee(rec.agent) -> {wire}"


def test_playout_holds_law_bytes_or_pcm_at_the_phones_rate() -> None:
    assert pipeline.playout_format(ULAW) is ULAW
    assert pipeline.playout_format(PCM24) == AudioFormat("pcm", 8000)


def test_the_recording_gets_what_came_from_the_phone_and_what_left_playout(recorder: Laneless) -> None:
    sent: list[bytes] = []
    caller = pipeline.caller(ULAW, PCM24, nowhere, recorder)
    wire = pipeline.wire(pipeline.PCM_8K, ULAW, lambda audio, now: sent.append(audio), recorder)
    assert recorder.lanes == {"caller": ULAW, "agent": pipeline.PCM_8K}
    caller.write(b"\x12" * 160, 1.0)
    wire.write(b"\0\0" * 160, 1.0)
    assert recorder.recorded == {"caller": b"\x12" * 160, "agent": b"\0\0" * 160}
    assert sent == [b"\xff" * 160]


def test_without_a_recorder_there_is_no_tee() -> None:
    assert "tee" not in str(pipeline.caller(ULAW, ULAW, nowhere, None))
    assert "tee" not in str(pipeline.wire(ULAW, ULAW, nowhere, None))
