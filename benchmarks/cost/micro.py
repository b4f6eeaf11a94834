"""What the steps of a packet's road cost, each alone and warm: the least that they can."""

from __future__ import annotations

import base64
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np

from rtp.inband import InbandDigits
from rtp.packet import RtpPacket, serialize
from rtp.params import RtpParams
from rtp.playout import Playout
from rtp.resample import make_resampler
from rtp.session import RtpSession
from sipagent.backends.openai_wire import append_message, decode_audio, decode_event
from sipagent.backends.websocket_frame import mask_keys, text_frame
from sipagent.formats import CODECS
from sipagent.media.recorder import Recorder, RecordingWriter

ROUNDS, REPEATS = 4000, 5
FRAME_S, DELTA_MS = 0.02, 200
PHONE = ("192.0.2.1", 4000)
LAW = CODECS["PCMU"]
FRAME = bytes(range(160))

Step = Callable[[int], object]


def costs() -> Iterator[tuple[str, float]]:
    """Each step and its microseconds, the best of REPEATS."""
    with tempfile.TemporaryDirectory() as directory:
        for name, step in _steps(Path(directory)):
            yield name, min(_timed(step, repeat) for repeat in range(REPEATS))


def _timed(step: Step, repeat: int) -> float:
    began = time.perf_counter()
    for number in range(repeat * ROUNDS, (repeat + 1) * ROUNDS):
        step(number)
    return (time.perf_counter() - began) / ROUNDS * 1e6


def _steps(directory: Path) -> Iterator[tuple[str, Step]]:
    yield "packet in: source, statistics, jitter buffer", _packet_in()
    yield "tick out: packet, timers", _tick_out()
    yield "snapshot of a session, once a second", _snapshot()
    yield "tick out: 20 ms from playout", _playout()
    up, down = make_resampler(8000, 24000), make_resampler(24000, 8000)
    pcm_8k, pcm_24k = bytes(320), bytes(960)
    yield "resample 20 ms from 8 to 24 kHz", lambda _: up.process(pcm_8k)
    yield "resample 20 ms from 24 to 8 kHz", lambda _: down.process(pcm_24k)
    yield "message out: base64 and JSON of 20 ms, G.711", lambda _: append_message(FRAME)
    yield "message out: base64 and JSON of 20 ms, 24 kHz", lambda _: append_message(pcm_24k)
    message, keys = append_message(FRAME), mask_keys()
    yield "message out: masked WebSocket frame of 20 ms, G.711", lambda _: text_frame(message, next(keys))
    delta = _delta()
    yield f"message in: JSON of {DELTA_MS} ms, G.711", lambda _: decode_event(delta)
    audio = decode_event(delta).delta or ""
    yield f"message in: base64 of {DELTA_MS} ms, G.711", lambda _: decode_audio(audio)
    detector, noise = InbandDigits(), np.random.default_rng(1).normal(0, 3000, 160).astype("<i2").tobytes()
    yield "digits in-band: 20 ms of noise", lambda _: detector.feed(noise)
    writer = RecordingWriter()
    yield "recorder: 20 ms of both sides, written", _recorder(directory / "call.wav", writer)
    writer.close()


def _packet_in() -> Step:
    session = RtpSession(RtpParams(PHONE))
    packets = [
        serialize(RtpPacket(0, number & 0xFFFF, number * 160, 7, FRAME)) for number in range(REPEATS * ROUNDS)
    ]

    def step(number: int) -> None:
        now = number * FRAME_S
        if session.inbound.hear(packets[number], PHONE, now) is None:
            session.receive_datagram(packets[number], PHONE, now)
            while session.pop_frame(now) is not None or session.next_event() is not None:
                pass

    return step


def _snapshot() -> Step:
    session = RtpSession(RtpParams(PHONE))
    session.send_frame(FRAME, 0.0)
    return lambda number: session.handover(number * FRAME_S)


def _tick_out() -> Step:
    session = RtpSession(RtpParams(PHONE))

    def step(number: int) -> None:
        now = number * FRAME_S
        session.send_frame(FRAME, now)
        session.handle_timer(now)
        session.datagrams_to_send()
        session.rtcp_to_send()

    return step


def _playout() -> Step:
    playout = Playout(LAW.bytes_per_ms, LAW.silence)

    def step(number: int) -> None:
        if number % 10 == 0:
            playout.push(FRAME * 10, "item", 0)
        playout.pop_whole(len(FRAME), number * FRAME_S)

    return step


def _delta() -> bytes:
    names = {"type": "response.output_audio.delta", "event_id": "e", "response_id": "r", "item_id": "i"}
    delta = base64.b64encode(bytes(DELTA_MS * LAW.bytes_per_ms)).decode()
    return msgspec.json.encode({**names, "output_index": 0, "content_index": 0, "delta": delta})


def _recorder(path: Path, writer: RecordingWriter) -> Step:
    recorder = Recorder(str(path), writer, LAW, LAW, 0.0, on_truncated=print)
    caller, agent = recorder.lane("caller", LAW), recorder.lane("agent", LAW)

    def step(number: int) -> None:
        now = (number + 1) * FRAME_S
        caller(FRAME, now)
        agent(FRAME, now)
        recorder.advance(now)

    return step
