"""Audio in the messages of an OpenAI Realtime server, and in ours."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipagent.backends.openai_wire import append_message, decode_audio


@given(st.binary(max_size=4000))
def test_audio_comes_and_goes_as_it_is(audio):
    message = json.loads(append_message(audio))
    assert message["type"] == "input_audio_buffer.append"
    assert base64.b64decode(message["audio"], validate=True) == audio
    assert decode_audio(message["audio"]) == audio


def test_lines_do_not_matter():
    audio = bytes(range(200))
    assert decode_audio(base64.encodebytes(audio).decode()) == audio


@pytest.mark.parametrize("delta", ["A", "AAA", "AAAAA=", "ÄÖÜß"])
def test_what_is_no_base64_is_an_error(delta):
    with pytest.raises(ValueError, match=r"padding|ASCII|number of data"):
        decode_audio(delta)
