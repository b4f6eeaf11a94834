"""Frames, as the library's own server reads them."""

from __future__ import annotations

import itertools

import pytest
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from sipagent.backends.websocket_frame import KEYS_AT_ONCE, mask_keys, text_frame

KEY = b"\x37\xfa\x21\x3d"


def read(*pieces: bytes) -> list[Frame]:
    """What a server makes of these pieces of a stream."""
    server = ServerProtocol(state=OPEN, max_size=None)
    for piece in pieces:
        server.receive_data(piece)
    assert server.parser_exc is None
    return [event for event in server.events_received() if isinstance(event, Frame)]


def message_of(size: int) -> bytes:
    return bytes(itertools.islice(itertools.cycle(range(0x20, 0x7F)), size))


def test_the_example_of_the_rfc():
    assert text_frame(b"Hello", KEY) == bytes.fromhex("818537fa213d7f9f4d5158")  # RFC 6455, 5.7


@pytest.mark.parametrize("size", [0, 1, 125, 126, 263, 65535, 65536, 70000])
def test_a_message_of_any_size_is_one_frame_of_text(size):
    message = message_of(size)
    assert read(text_frame(message, KEY)) == [Frame(Opcode.TEXT, message)]


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
def test_it_may_come_byte_by_byte(size):
    message = message_of(size)
    assert read(*(bytes((byte,)) for byte in text_frame(message, KEY))) == [Frame(Opcode.TEXT, message)]


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
def test_it_is_the_frame_that_the_library_would_build(size, monkeypatch):
    monkeypatch.setattr("secrets.token_bytes", lambda count: KEY[:count])
    message = message_of(size)
    assert text_frame(message, KEY) == Frame(Opcode.TEXT, message).serialize(mask=True)


def test_every_frame_has_a_key_of_its_own_and_every_connection_has_others():
    count = 3 * KEYS_AT_ONCE
    keys = [*itertools.islice(mask_keys(), count), *itertools.islice(mask_keys(), count)]
    assert {len(key) for key in keys} == {4}
    assert len(set(keys)) >= len(keys) - 2  # 2.7e-4 that two are alike by chance, 4e-8 four
