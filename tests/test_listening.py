"""The ears of the benchmarks: what they find must be what was put there."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.listening import FRAME, RATE, Pcm, Track, by_phone, delays_ms, found_blocks, quality
from benchmarks.speech import VOICES, speech
from rtp import g711
from rtp.packet import RtpPacket

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
SECONDS = 4


@pytest.fixture(scope="module")
def said() -> Pcm:
    return speech(VOICES[0])[: SECONDS * RATE]


def shifted(pcm: Pcm, samples: int) -> Pcm:
    return np.concatenate([np.zeros(samples, np.int16), pcm])


def test_blocks_are_found_where_they_are(said: Pcm) -> None:
    blocks = found_blocks(said, shifted(said, 1234))
    assert len(blocks) >= 2 * SECONDS - 2
    assert {block.heard - block.said for block in blocks} == {1234}


def test_a_stretch_in_the_middle_is_found(said: Pcm) -> None:
    """A gap between two halves moves the second."""
    half = len(said) // 2
    heard = np.concatenate([said[:half], np.zeros(800, np.int16), said[half:]])
    assert {block.heard - block.said for block in found_blocks(said, heard)} == {0, 800}


def test_delay_is_from_piece_to_piece(said: Pcm) -> None:
    """Audio that is 100 ms behind in its stream, which itself runs 30 ms late."""
    delays = delays_ms(Track.steady(said, 5.0), Track.steady(shifted(said, 800), 5.03))
    assert delays == pytest.approx([130.0] * len(delays))


@pytest.mark.slow
def test_quality_of_the_same_and_of_nothing(said: Pcm) -> None:
    best, shift, worst = quality(said, said), quality(said, shifted(said, 4000)), quality(said, said[:0])
    assert best.pesq > 4.5
    assert best.stoi == pytest.approx(1.0, abs=0.001)
    assert shift == pytest.approx(best, abs=0.01)
    assert worst.pesq < 1.5
    assert worst.stoi < 0.1


def test_a_phone_plays_what_came_after_its_buffer(said: Pcm) -> None:
    law = g711.pcm_to_ulaw(said.tobytes())
    frames = [law[at : at + FRAME] for at in range(0, len(law), FRAME)]
    packets = [(1 + 0.02 * n, RtpPacket(0, n, n * FRAME, 1, frame)) for n, frame in enumerate(frames)]
    heard = by_phone(packets)
    assert g711.ulaw_to_pcm(law) in heard.pcm.tobytes()
    assert 40 <= delays_ms(Track.steady(said, 1.0), heard)[0] <= 100
