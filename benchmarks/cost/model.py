"""A model that costs next to nothing, so that hundreds of sessions fit beside the server that is measured.

`python -m benchmarks.cost.model PORT FORMAT [CERTIFICATE KEY]` serves Realtime sessions until its standard
input ends. It listens to nobody, and says the same speech in every session, all the time: a response of
RESPONSE_S each RESPONSE_S, in deltas of DELTA_MS with a piece of transcript each, SPEED times faster than
they are heard. It frames messages by hand and skips those of the caller unread, as `websockets` would not;
its protocol is in no way complete.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import ssl
import struct
import sys
from collections.abc import Iterator
from typing import cast

import uvloop

from sipagent.formats import CODECS, AudioFormat
from sipagent.simulator import voice

RESPONSE_S = 10
DELTA_MS = 200
SPEED = 5
PCM_RATE = 24000
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT, _PING, _PONG = 0x1, 0x9, 0xA


def frame(payload: bytes, opcode: int = _TEXT) -> bytes:
    """An unmasked frame (RFC 6455, 5.2)."""
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", 0x80 | opcode, size) + payload
    if size < 65536:
        return struct.pack("!BBH", 0x80 | opcode, 126, size) + payload
    return struct.pack("!BBQ", 0x80 | opcode, 127, size) + payload


def message(kind: str, **fields: object) -> bytes:
    return frame(json.dumps({"type": kind, **fields}).encode())


class Speech:
    """What a response says, in frames ready to be sent; a response of a session has a number."""

    def __init__(self, audio_format: str) -> None:
        law = AudioFormat("pcm", PCM_RATE) if audio_format == "pcm24" else CODECS["PCMU"]
        audio = voice.pattern(1, 1000 * RESPONSE_S, law)
        size = len(audio) * DELTA_MS // (1000 * RESPONSE_S)
        self._deltas = [base64.b64encode(audio[at : at + size]).decode() for at in range(0, len(audio), size)]
        self._of: dict[int, list[bytes]] = {}

    def response(self, number: int) -> list[bytes]:
        """What is sent at each step of it."""
        if number not in self._of:
            self._of[number] = list(self._steps(number))
        return self._of[number]

    def _steps(self, number: int) -> Iterator[bytes]:
        names = {"response_id": f"resp_{number}", "item_id": f"item_{number}", "content_index": 0}
        yield message("response.created", response={"id": f"resp_{number}", "status": "in_progress"})
        for delta in self._deltas:
            audio = message("response.output_audio.delta", event_id="e", output_index=0, delta=delta, **names)
            words = {"event_id": "e", "output_index": 0, "delta": " some words", **names}
            yield audio + message("response.output_audio_transcript.delta", **words)
        done = {"id": f"resp_{number}", "status": "completed"}
        yield message("response.output_audio.done", **names) + message("response.done", response=done)


class Session(asyncio.Protocol):
    """One connection."""

    def __init__(self, speech: Speech) -> None:
        self._speech = speech
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._is_open = self._is_configured = False
        self._skip = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        if self._skip >= len(data):
            self._skip -= len(data)
            return
        self._received += data[self._skip :]
        self._skip = 0
        if not self._is_open:
            self._shake_hands()
        while self._is_open and self._take_frame():
            pass

    def _shake_hands(self) -> None:
        head, end, rest = bytes(self._received).partition(b"\r\n\r\n")
        if not end:
            return
        self._received[:] = rest
        lines = (line.partition(b": ") for line in head.split(b"\r\n"))
        key = next(value for name, _, value in lines if name.lower() == b"sec-websocket-key")
        accepted = base64.b64encode(hashlib.sha1(key + _GUID).digest())
        answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        self._write(answer + b"Sec-WebSocket-Accept: " + accepted + b"\r\n\r\n")
        self._write(message("session.created", session={"id": "sess"}))
        self._is_open = True

    def _take_frame(self) -> bool:
        """Read a frame of what was received, or skip it, also what is still to come of it."""
        received = self._received
        if len(received) < 8:
            return False
        size, start = received[1] & 0x7F, 6
        if size == 126:
            size, start = received[2] << 8 | received[3], 8
        opcode = received[0] & 0x0F
        if self._is_configured and opcode == _TEXT:
            self._skip = max(start + size - len(received), 0)
            del received[: start + size]
            return bool(received)
        if len(received) < start + size:
            return False
        mask, payload = received[start - 4 : start], received[start : start + size]
        del received[: start + size]
        self._read(opcode, bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload)))
        return bool(received)

    def _read(self, opcode: int, payload: bytes) -> None:
        if opcode == _PING:
            self._write(frame(payload, _PONG))
        elif opcode == _TEXT and (asked := json.loads(payload))["type"] == "session.update":
            self._is_configured = True
            self._write(message("session.updated", session={"id": "sess", **asked["session"]}))
            self._speak(0, 0)

    def _speak(self, number: int, step: int) -> None:
        loop, steps = asyncio.get_running_loop(), self._speech.response(number)
        self._write(steps[step])
        if step + 1 < len(steps):
            self._timer = loop.call_later(DELTA_MS / SPEED / 1000, self._speak, number, step + 1)
        else:
            rest_s = RESPONSE_S - DELTA_MS / SPEED / 1000 * step
            self._timer = loop.call_later(rest_s, self._speak, number + 1, 0)

    def _write(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.write(data)


async def serve(port: int, audio_format: str, certificate: list[str]) -> None:
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
    loop, speech = asyncio.get_running_loop(), Speech(audio_format)
    for number in range(12):
        speech.response(number)
    await loop.create_server(lambda: Session(speech), "127.0.0.1", port, ssl=context, backlog=1024)
    print("listening", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), sys.argv[2], sys.argv[3:]))
