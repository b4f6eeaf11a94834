"""The audio path as one expression a direction, and how a call's start prints it."""

from __future__ import annotations

from typing import Any

import pytest

from rtp import g711
from sipagent.formats import ALAW, ULAW, AudioFormat
from sipagent.media import pipeline

PCM24 = AudioFormat("pcm", 24000)


class Laneless:
    """In the place of a recorder: notes which lane is opened in which format."""

    def __init__(self) -> None:
        self.lanes: dict[str, AudioFormat] = {}
        self.recorded: dict[str, bytes] = {"caller": b"", "agent": b""}

    def lane(self, side, source):  # type: ignore[no-untyped-def]
        self.lanes[side] = source

        def write(audio: bytes, now: float) -> None:
            self.recorded[side] += audio

        return write


@pytest.fixture
def recorder() -> Any:
    return Laneless()


def nowhere(audio: bytes, now: float) -> None:
    pass


@pytest.mark.parametrize(
    ("phone", "backend", "caller", "agent"),
    [
        (ULAW, ULAW, "backend", "playout"),
        (ALAW, ALAW, "backend", "playout"),
        (ULAW, ALAW, "ulaw>alaw -> backend", "alaw>ulaw -> playout"),
        (ALAW, ULAW, "alaw>ulaw -> backend", "ulaw>alaw -> playout"),
        (
            ULAW,
            PCM24,
            "decode(ulaw) -> resample(8000>24000) -> backend",
            "resample(24000>8000) -> encode(ulaw) -> playout",
        ),
        (
            ALAW,
            PCM24,
            "decode(alaw) -> resample(8000>24000) -> backend",
            "resample(24000>8000) -> encode(alaw) -> playout",
        ),
    ],
    ids=str,
)
def test_the_path_of_every_pair_of_phone_and_backend(
    phone: AudioFormat, backend: AudioFormat, caller: str, agent: str, recorder: Laneless
) -> None:
    assert str(pipeline.caller(phone, backend, nowhere, None)) == caller
    assert str(pipeline.agent(backend, phone, nowhere)) == agent
    assert str(pipeline.wire(phone, phone, nowhere, None)) == "rtp"
    assert str(pipeline.caller(phone, backend, nowhere, recorder)) == f"tee(rec.caller) -> {caller}"
    assert str(pipeline.wire(phone, phone, nowhere, recorder)) == "tee(rec.agent) -> rtp"


def test_a_phone_that_speaks_another_law_than_was_expected() -> None:
    assert str(pipeline.wire(ULAW, ALAW, nowhere, None)) == "ulaw>alaw -> rtp"


def test_the_recording_gets_what_came_from_the_phone_and_what_left_playout(recorder: Laneless) -> None:
    sent: list[bytes] = []
    caller = pipeline.caller(ULAW, PCM24, nowhere, recorder)
    wire = pipeline.wire(ALAW, ULAW, lambda audio, now: sent.append(audio), recorder)
    assert recorder.lanes == {"caller": ULAW, "agent": ALAW}
    caller.write(b"\x12" * 160, 1.0)
    wire.write(b"\xd5" * 160, 1.0)
    assert recorder.recorded == {"caller": b"\x12" * 160, "agent": b"\xd5" * 160}
    assert sent == [g711.alaw_to_ulaw(b"\xd5" * 160)]


def test_without_a_recorder_there_is_no_tee() -> None:
    assert "tee" not in str(pipeline.caller(ULAW, ULAW, nowhere, None))
    assert "tee" not in str(pipeline.wire(ULAW, ULAW, nowhere, None))
