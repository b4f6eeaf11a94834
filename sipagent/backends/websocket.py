"""The shell of every backend that is reached over a WebSocket: moves messages, knows no vendor."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from sipagent.backends.base import BackendEvent, BackendLost, Endpoint, EventHandler, WireProtocol
from sipagent.backends.send_queue import SendQueue
from sipagent.backends.websocket_audio import AudioSender
from sipagent.backends.websocket_opening import (
    HeardConnection,
    close_of,
    configure,
    line_to,
    open_connection,
)
from sipagent.backends.websocket_writer import MessageWriter
from sipagent.conversation import HistoryItem
from sipagent.errors import BackendError, BackendNotReady, BackendUnreachable

#: A peer that has sent nothing, after a ping, in two intervals of 0.9 s is gone. So it is noticed within
#: 2.7 s, and a call hears no more than 3 s of silence; 1.8 s outlast a few retransmissions on a bad path.
#: websockets' own keepalive isn't used, because its ping waits, without a limit, for a stalled socket to take
#: the bytes.
PING_INTERVAL_S = 0.9
MOST_SILENT_INTERVALS = 2
#: If this process itself was held up, the pong may have arrived and not been read yet.
READ_GRACE_S = 0.05
#: For all of `close`.
CLOSE_DEADLINE_S = 1.0


class WebSocketBackend:
    """One session of a `WireProtocol`. Two tasks move messages, a third watches that the peer is alive.
    Audio passes them by, as long as the peer takes it.
    """

    def __init__(self, protocol: WireProtocol, endpoint: Endpoint) -> None:
        self.input_format = protocol.input_format
        self.output_format = protocol.output_format
        self._protocol = protocol
        self._endpoint = endpoint
        self._queue = SendQueue()
        self._something_to_send = asyncio.Event()
        self._connection: ClientConnection | None = None
        self._audio = AudioSender(
            protocol.input_format,
            endpoint.send_every_ms,
            protocol.audio_message,
            self._queue,
            self._something_to_send.set,
        )
        self.send_audio = self._audio.send
        self.is_busy = False
        """The protocol's answer, kept since it's asked for 50 times a second and seldom changes."""
        self._tasks: list[asyncio.Task[None]] = []
        self._on_event: EventHandler = _unheard
        self._over = False

    async def open(self, on_event: EventHandler) -> None:
        deadline_s = self._endpoint.ready_deadline_ms / 1000
        try:
            async with asyncio.timeout(deadline_s) as deadline, line_to(self._endpoint):
                deadline.reschedule(asyncio.get_running_loop().time() + deadline_s)  # its turn: from now on
                self._connection = connection = await open_connection(self._endpoint)
                events = await configure(self._protocol, connection)
        except TimeoutError:
            await self.close()
            if self._connection is None:
                raise BackendUnreachable("no connection within the deadline", code="timeout") from None
            raise BackendNotReady("not ready within the deadline", code="timeout") from None
        except (BackendError, asyncio.CancelledError):
            await self.close()
            raise
        writer = MessageWriter(connection)
        self._on_event = on_event
        self._audio.begin(writer)
        self._post()
        for event in events:
            on_event(event)
        for work in (self._receive(connection), self._send(connection), self._watch(connection, writer)):
            task = asyncio.create_task(work)
            task.add_done_callback(self._task_ended)
            self._tasks.append(task)

    def greet(self) -> None:
        self._protocol.greet()
        self._post()

    def interrupt(self, item_id: str | None, content_index: int, heard_ms: int) -> None:
        self._protocol.interrupt(item_id, content_index, heard_ms)
        self._post()

    def played(self, item_id: str) -> None:
        pass

    def send_digit(self, digit: str) -> None:
        self._protocol.send_digit(digit)
        self._post()

    def say(self, text: str) -> None:
        self._protocol.say(text)
        self._post()

    def recall(self, history: Sequence[HistoryItem]) -> None:
        self._protocol.recall(history)
        self._post()

    def end_turn(self, item_id: str, was_speech: bool) -> None:
        self._audio.flush()
        self._protocol.end_turn(item_id, was_speech)
        self._post()

    def inject(self, text: str, respond: bool) -> None:
        self._protocol.inject(text, respond)
        self._post()

    def answer_tool(self, tool_call_id: str, output: str) -> None:
        self._protocol.answer_tool(tool_call_id, output)
        self._post()

    def instruct(self, instructions: str) -> None:
        self._protocol.instruct(instructions)
        self._post()

    def counters(self) -> dict[str, int]:
        return {"dropped_ms": self._queue.dropped_ms, **self._protocol.counters()}

    def finish(self) -> None:
        pass

    async def close(self) -> None:
        self._over = True
        self._on_event = _unheard
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()  # how they ended holds the frames that they ended in, and so this backend
        if self._connection is not None:
            try:
                async with asyncio.timeout(CLOSE_DEADLINE_S):
                    await self._connection.close()
            except TimeoutError:
                self._connection.transport.abort()

    async def _receive(self, connection: ClientConnection) -> None:
        try:
            while not self._over:
                self._protocol.receive_message(await connection.recv(decode=False))
                self._hand_over()
        except ConnectionClosed as closed:
            code, reason = close_of(closed)
            self._lose(str(code), reason or "the connection was closed")
        await connection.close()

    async def _send(self, connection: ClientConnection) -> None:
        try:
            while True:
                await self._something_to_send.wait()
                self._something_to_send.clear()
                while (message := self._queue.pop()) is not None:
                    await connection.send(message, text=True)
        except ConnectionClosed:
            return  # `_receive` tells

    async def _watch(self, connection: HeardConnection, writer: MessageWriter) -> None:
        silent_intervals = 0
        while silent_intervals < MOST_SILENT_INTERVALS:
            connection.was_heard = False
            writer.ping()
            await asyncio.sleep(PING_INTERVAL_S)
            silent_intervals = 0 if connection.was_heard else silent_intervals + 1
            if silent_intervals == MOST_SILENT_INTERVALS:
                await asyncio.sleep(READ_GRACE_S)
                silent_intervals = 0 if connection.was_heard else silent_intervals
        self._lose(
            "ping_timeout", f"nothing came for {MOST_SILENT_INTERVALS * PING_INTERVAL_S:g} s after a ping"
        )
        connection.transport.abort()

    def _hand_over(self) -> None:
        self._post()
        while (event := self._protocol.next_event()) is not None:
            if isinstance(event, BackendLost):
                self._over = True
            self._on_event(event)

    def _post(self) -> None:
        """To be called whenever the protocol was told something."""
        self.is_busy = self._protocol.is_busy
        for message in self._protocol.messages_to_send():
            self._queue.put_control(message)
            self._something_to_send.set()

    def _lose(self, code: str, message: str) -> None:
        if not self._over:
            self._protocol.lose(code, message)
            self._hand_over()

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        """A task that dies of a defect must not leave a call deaf."""
        if not task.cancelled() and (error := task.exception()) is not None:
            task.get_loop().call_exception_handler({"message": "backend task failed", "exception": error})
            self._lose("internal_error", repr(error))
            if self._connection is not None:
                self._connection.transport.abort()


def _unheard(event: BackendEvent) -> None:
    """Before `open` and after `close` nobody listens."""
