"""The simulated Realtime server: moves the messages of `RealtimeSession`, and fails on demand."""

from __future__ import annotations

import asyncio
import http
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from math import ceil
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import msgspec
from websockets.asyncio.server import Server, ServerConnection
from websockets.asyncio.server import serve as websockets_serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from sipagent.formats import AudioFormat
from sipagent.simulator import voice
from sipagent.simulator.realtime_log import SessionLog
from sipagent.simulator.realtime_options import AnyPart, RealtimeOptions
from sipagent.simulator.realtime_packing import PackingConnection
from sipagent.simulator.realtime_response import Sound
from sipagent.simulator.realtime_session import RealtimeSession
from sipagent.simulator.realtime_skipping import SkippingConnection

PATH = "/v1/realtime"
DEFAULT_MODEL = "gpt-realtime-2.1"
_BETA_CLOSE = 4000, "invalid_request_error.beta_api_shape_disabled"
_MAX_MESSAGE_BYTES = 16 * 2**20
_CLOSE_TIMEOUT_S = 0.3

#: A line for every connection would cost as much as its handshake.
_QUIET = logging.getLogger("websockets.server.inattentive")
_QUIET.setLevel(logging.WARNING)
_ATTENTIVE: dict[str, Any] = {"create_connection": PackingConnection}
_INATTENTIVE: dict[str, Any] = {"create_connection": SkippingConnection, "logger": _QUIET}

Studio = dict[tuple[AnyPart, AudioFormat], Sound]


class RealtimeServer:
    """Use as `async with RealtimeServer(options) as server`.

    Sessions are in `sessions`; with `log_events` they stay there after they ended, for their logs.
    """

    def __init__(self, options: RealtimeOptions | None = None) -> None:
        self.options = options or RealtimeOptions()
        self.sessions: list[ServedSession] = []
        self._numbers = count(1)
        self._studio: Studio = {}
        self._server: Server | None = None

    @property
    def url(self) -> str:
        assert self._server is not None, "the server isn't running"
        host, port = next(iter(self._server.sockets)).getsockname()[:2]
        return f"ws://{host}:{port}{PATH}"

    async def __aenter__(self) -> Self:
        self._server = await websockets_serve(
            self._serve,
            self.options.host,
            self.options.port,
            process_request=self._refusal,
            compression=None,
            max_size=_MAX_MESSAGE_BYTES,
            ping_interval=None,
            close_timeout=_CLOSE_TIMEOUT_S,
            **(_INATTENTIVE if self.options.is_inattentive else _ATTENTIVE),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    def _refusal(self, connection: ServerConnection, request: Request) -> Response | None:
        status = self.options.faults.refuse_status
        key = self.options.api_key
        sent = (request.headers.get("Authorization"), request.headers.get("api-key"))
        if status is None and key is not None and sent != (f"Bearer {key}", None) and sent != (None, key):
            status = 401
        if status is None and urlsplit(request.path).path != PATH:
            status = 404
        if status is None:
            return None
        phrase = http.HTTPStatus(status).phrase
        body = msgspec.json.encode({"error": {"message": phrase, "type": "invalid_request_error"}})
        headers = Headers({"Content-Type": "application/json", "Content-Length": str(len(body))})
        return Response(status, phrase, headers, body)

    async def _serve(self, connection: ServerConnection) -> None:
        assert isinstance(connection, PackingConnection)
        assert connection.request is not None
        if "realtime=v1" in connection.request.headers.get_all("OpenAI-Beta"):
            await connection.close(*_BETA_CLOSE)
            return
        query = parse_qs(urlsplit(connection.request.path).query)
        model = query.get("model", [DEFAULT_MODEL])[0]
        session = ServedSession(connection, self.options, next(self._numbers), model, self._studio)
        self.sessions.append(session)
        await session.run()
        if not self.options.log_events:
            self.sessions.remove(session)


class ServedSession:
    """One connection: what comes in is handled at once, one task sends what is due."""

    def __init__(
        self, connection: PackingConnection, options: RealtimeOptions, number: int, model: str, studio: Studio
    ) -> None:
        self.ended = asyncio.Event()
        self._connection = connection
        self._options = options
        self._studio = studio
        self._wake = asyncio.Event()
        self._stalled = False
        self._loop = asyncio.get_running_loop()
        self._now = self._loop.time
        expires_at = int(time.time()) + options.max_session_s
        self._session = RealtimeSession(options, number, model, expires_at, self._now())
        self.log = SessionLog(self.id, keep=options.log_events, directory=options.record_dir)

    @property
    def id(self) -> str:
        return self._session.id

    @property
    def is_reading(self) -> bool:
        """Whether it is told of what comes at once."""
        return self._connection.transport.is_reading()

    async def run(self) -> None:
        timers = [self._loop.call_later(delay_s, action) for delay_s, action in self._faults()]
        sender = asyncio.create_task(self._send())
        try:
            await self._receive()
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
            for timer in timers:
                timer.cancel()
            self.log.close()
            self.ended.set()

    async def _receive(self) -> None:
        try:
            while True:
                data = await self._connection.recv(decode=False)
                self.log.received(data)
                if self._session.is_of_no_interest(data):
                    continue
                timer = self._session.next_timer()
                self._session.receive_message(data, self._now())
                if self._session.has_output or self._session.next_timer() != timer:
                    self._wake.set()
        except ConnectionClosed:
            return

    async def _send(self) -> None:
        try:
            while not self._stalled:
                self._session.advance(self._now())
                for response, part in self._session.sounds_needed():
                    sound = await self._sound(part, response.audio_format)
                    response.provide(sound, self._now())
                if events := self._session.events_to_send():
                    for event in events:
                        self.log.sent(event)
                    await self._connection.send_texts(map(msgspec.json.encode, events))
                if self._session.close_request is not None:
                    await self._connection.close(*self._session.close_request)
                    return
                await self._wait()
        except ConnectionClosed:
            return  # `_receive` ends by it

    async def _wait(self) -> None:
        """Until something is due, or was done.

        uvloop's clock has whole milliseconds: woken before the next of them, we would wake again and again.
        """
        due = self._session.next_timer()
        timer = None if due is None else self._loop.call_at(ceil(1000 * due) / 1000, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            if timer is not None:
                timer.cancel()
        self._wake.clear()

    async def _sound(self, part: AnyPart, audio_format: AudioFormat) -> Sound:
        """Made once, on another thread, and shared by all sessions."""
        key = part, audio_format
        if key not in self._studio:
            synthetic = self._options.voice == "synthetic"
            self._studio[key] = await asyncio.to_thread(voice.sound, part, audio_format, synthetic)
        return self._studio[key]

    def _faults(self) -> list[tuple[float, Callable[[], None]]]:
        faults = self._options.faults
        planned = (
            (faults.close_after_s, self._close),
            (faults.drop_after_s, self.drop),
            (faults.stall_after_s, self.stall),
        )
        return [(delay_s, action) for delay_s, action in planned if delay_s is not None]

    def close(self, code: int, reason: str = "") -> None:
        """Close in order, of the server's own accord."""
        self._session.close_request = code, reason
        self._wake.set()

    def drop(self) -> None:
        """End the TCP connection without a closing handshake."""
        self._connection.transport.abort()

    def stall(self) -> None:
        """Neither read nor write any more, and answer no ping."""
        self._stalled = True
        self._connection.read_no_more()
        self._wake.set()

    def _close(self) -> None:
        self.close(self._options.faults.close_code)


async def serve(options: RealtimeOptions, on_start: Callable[[str], None]) -> None:
    """Runs a server until cancelled, without keeping sessions in memory. `on_start` gets its URL."""
    async with RealtimeServer(replace(options, log_events=False)) as server:
        on_start(server.url)
        await asyncio.get_running_loop().create_future()
