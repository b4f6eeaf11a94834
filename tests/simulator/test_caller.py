"""The pure parts of the simulated caller; calls themselves are for the end-to-end tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rtp import g711, wav
from sipagent.config import HostPort
from sipagent.media.pipeline import PCM_8K
from sipagent.simulator import voice
from sipagent.simulator.caller import CallOutcome, caller_config, host_of, rms, utterance
from tests.media.test_recorder import sides
from tests.rtp.streams import tone


@pytest.mark.parametrize(
    ("uri", "host"),
    [
        ("sip:1000@127.0.0.1:5060", "127.0.0.1"),
        ("sip:1000@127.0.0.1", "127.0.0.1"),
        ("sip:127.0.0.1:5060", "127.0.0.1"),
        ("sip:1000@sip.example;transport=tcp", "sip.example"),
        ("sip:1000@sip.example:5061;transport=tls", "sip.example"),
        ("sips:user:password@sip.example", "sip.example"),
        ("sip:1000@[::1]:5060", "::1"),
        ("sip:[2001:db8::1]", "2001:db8::1"),
    ],
)
def test_the_host_of_a_uri(uri: str, host: str) -> None:
    assert host_of(uri) == host


@pytest.mark.parametrize(("level", "loudness"), [(8000.0, 8000 / 2**0.5), (0.0, 0.0)])
def test_loudness_is_the_root_mean_square(level: float, loudness: float) -> None:
    assert rms(tone(400, 0.1, level=level)) == pytest.approx(loudness, rel=0.01)


def test_the_loudest_audio_is_no_overflow_and_no_audio_is_silent() -> None:
    assert rms(np.full(160, -32768, "<i2").tobytes()) == 32768.0
    assert rms(b"") == 0.0


# --- what is said -----------------------------------------------------------------------------------


def test_words_are_spoken() -> None:
    said = utterance("Good morning")
    assert said.pcm == voice.speech("Good morning", PCM_8K)
    assert not said.interrupts


def test_an_exclamation_mark_interrupts_the_agent() -> None:
    said = utterance("!Stop")
    assert said.interrupts
    assert said.pcm == voice.speech("Stop", PCM_8K)


@pytest.mark.parametrize("mark", ["", "!"])
def test_a_wav_file_is_played(tmp_path: Path, mark: str) -> None:
    pcm = tone(440, 0.2)
    path = tmp_path / "hello.wav"
    path.write_bytes(wav.header(1, 8000, len(pcm)) + pcm)
    said = utterance(f"{mark}{path}")
    assert (said.pcm, said.interrupts) == (pcm, mark == "!")


# --- what came of it --------------------------------------------------------------------------------


def test_the_call_is_written_with_what_was_said_left_and_what_was_heard_right(tmp_path: Path) -> None:
    said, heard = bytes(range(160)) * 2, bytes(range(160, 0, -1)) * 3
    frames = [(float(at), heard[at : at + 160]) for at in range(0, len(heard), 160)]
    outcome = CallOutcome(codec="PCMA", said=bytearray(said), heard=frames)
    outcome.write_wav(tmp_path / "heard.wav")
    left, right = sides(tmp_path / "heard.wav")
    assert left == g711.alaw_to_pcm(said)
    assert right == g711.alaw_to_pcm(heard[: len(said)])


def test_a_call_in_which_nothing_was_heard_is_an_empty_file(tmp_path: Path) -> None:
    CallOutcome(codec="PCMU", said=bytearray(160)).write_wav(tmp_path / "heard.wav")
    assert sides(tmp_path / "heard.wav") == (b"", b"")


# --- who calls --------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_the_caller_listens_on_one_transport_to_one_peer(transport: str) -> None:
    config = caller_config(HostPort("127.0.0.1", 5099), "127.0.0.2", transport)  # type: ignore[arg-type]
    listeners = {name: config.sip.listener(name) for name in ("udp", "tcp", "tls")}  # type: ignore[arg-type]
    assert [name for name, listener in listeners.items() if listener] == [transport]
    (trunk,) = config.trunks.values()
    assert trunk.allows("127.0.0.2")
    assert not trunk.allows("127.0.0.1")
