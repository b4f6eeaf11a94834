"""The caller's audio as frames that are dropped unparsed, and what is not."""

from __future__ import annotations

import pytest
from websockets.frames import Frame, Opcode

from sipagent.backends.openai_wire import append_message
from sipagent.simulator.realtime_skipping import audio_bytes


def framed(message: bytes, *, masked: bool = True, fin: bool = True) -> bytes:
    return Frame(Opcode.TEXT, message, fin=fin).serialize(mask=masked)


AUDIO = framed(append_message(bytes(range(160))))
OTHER = framed(b'{"type":"response.cancel","event_id":"response.cancel_1","response_id":"resp_1234567890"}')


def test_what_our_backend_appends_is_skipped() -> None:
    assert audio_bytes(AUDIO) == len(AUDIO)
    assert audio_bytes(AUDIO * 3) == 3 * len(AUDIO)


def test_what_follows_audio_is_kept() -> None:
    assert audio_bytes(AUDIO + OTHER) == len(AUDIO)
    assert audio_bytes(AUDIO + AUDIO[:-1]) == len(AUDIO)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(OTHER, id="no audio"),
        pytest.param(AUDIO[:-1], id="all but a byte"),
        pytest.param(AUDIO[:20], id="a beginning"),
        pytest.param(framed(append_message(bytes(160)), masked=False), id="unmasked"),
        pytest.param(framed(append_message(bytes(160)), fin=False), id="a fragment"),
        pytest.param(framed(b"x" * 300), id="no JSON"),
        pytest.param(framed(append_message(bytes(100_000))), id="too long"),
    ],
)
def test_all_else_is_parsed(data: bytes) -> None:
    assert audio_bytes(data) == 0
