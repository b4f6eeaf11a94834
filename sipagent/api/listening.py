"""Events as they happen, over WebSockets: of one call, or of all."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from sipagent import events
from sipagent.api.access import Client, Needs
from sipagent.api.control import CantBeDone, Control
from sipagent.api.problems import Problem
from sipagent.call.record.call_record import iso
from sipagent.call.record.outward import fields_of, name_of
from sipagent.config import RedactionConfig
from sipagent.worker.orders import TapAudio
from sipagent.worker.reports import AudioTapped

router = APIRouter()

#: Messages that wait for a slow listener. What comes while they do is lost, and it is told how much.
MOST_WAITING = 1000
ENDED, ANSWERED, AUDIO = "call.ended", "call.answered", "audio"

Heard = dict[str, Any] | bytes


class Ear:
    """One listener's queue. Policy: what comes while it is full is dropped and counted.

    `audio_of` is the call whose audio it wants; that comes as bytes, after a message that names the codec.
    """

    def __init__(self, hears: Callable[[str, str | None], bool], audio_of: str | None = None) -> None:
        self.hears = hears
        self.audio_of = audio_of
        self._codec = ""
        self._waiting: asyncio.Queue[Heard] = asyncio.Queue(MOST_WAITING)
        self._lost = 0

    def put_audio(self, audio: AudioTapped) -> None:
        if audio.codec != self._codec:
            self._codec = audio.codec
            self.put(
                {"type": AUDIO, "call_id": audio.call_id, "data": {"codec": audio.codec, "frame_ms": 20}}
            )
        self.put(audio.caller + audio.agent)

    def put(self, message: Heard) -> None:
        if self._waiting.full():
            self._lost += 1
        else:
            self._waiting.put_nowait(message)

    async def next(self) -> Heard:
        """The next message; what was lost is told after all that came before it."""
        if self._lost and self._waiting.empty():
            lost, self._lost = self._lost, 0
            return {"type": "lost", "messages": lost}
        return await self._waiting.get()


class Hub:
    """Passes events on to those who listen. `publish` never waits."""

    def __init__(self, policy: RedactionConfig) -> None:
        self._policy = policy
        self._ears: set[Ear] = set()
        self._trunks: dict[str, str | None] = {}

    def publish(self, event: events.Event) -> None:
        """One event of one call, the first of which is a `CallBegun`."""
        if isinstance(event, events.CallBegun):
            self._trunks[event.call_id] = event.trunk
        if self._ears and (fields := fields_of(event, self._policy)) is not None:
            trunk = self._trunks.get(event.call_id)
            hearing = [ear for ear in self._ears if ear.hears(event.call_id, trunk)]
            timestamp = iso(time.time() - time.monotonic() + event.at)
            kind = name_of(type(event))
            message = {"type": kind, "timestamp": timestamp, "call_id": event.call_id, "data": fields}
            for ear in hearing:  # the same for all: it may wait with many
                ear.put(message)
        if isinstance(event, events.CallEnded):
            self._trunks.pop(event.call_id, None)

    def hear(self, audio: AudioTapped) -> None:
        """20 ms of a call that somebody listens to."""
        for ear in self._ears:
            if ear.audio_of == audio.call_id:
                ear.put_audio(audio)

    def wants_audio(self, call_id: str) -> bool:
        """Is there anybody who listens to this call?"""
        return any(ear.audio_of == call_id for ear in self._ears)

    @contextlib.contextmanager
    def listening(
        self, hears: Callable[[str, str | None], bool], audio_of: str | None = None
    ) -> Iterator[Ear]:
        """`hears` is asked with call id and trunk."""
        ear = Ear(hears, audio_of)
        self._ears.add(ear)
        try:
            yield ear
        finally:
            self._ears.discard(ear)


@router.websocket("/v1/events")
async def all_events(websocket: WebSocket) -> None:
    """Every event of every call that the token may see."""
    client = await _admitted(websocket)
    if client is not None:
        hub: Hub = websocket.app.state.hub
        with hub.listening(lambda call_id, trunk: client.sees(trunk)) as ear:
            await websocket.accept()
            await _serve(websocket, ear)


@router.websocket("/v1/calls/{call_id}/events")
async def events_of_call(websocket: WebSocket, call_id: str, audio: bool = False) -> None:
    """The events of one call from now on, after its record so far; closed with 1000 when it has ended.

    With `audio` also what is heard, as binary messages: 20 ms of the caller, then 20 ms of what it is sent.
    """
    client = await _admitted(websocket)
    if client is None:
        return
    control: Control = websocket.app.state.control
    record = control.live_record(call_id)
    if record is None or not client.sees(record.get("trunk")):
        unknown = Problem(404, "call_unknown", f"there is no call '{call_id}'")
        await websocket.send_denial_response(unknown.response())
        return
    hub: Hub = websocket.app.state.hub
    try:
        with hub.listening(lambda other, trunk: other == call_id, call_id if audio else None) as ear:
            await websocket.accept()
            await websocket.send_json({"type": "snapshot", "call_id": call_id, "data": {"record": record}})
            _tap(control, hub, call_id)
            await _serve(websocket, ear, call_id)
    finally:
        _tap(control, hub, call_id)


def _tap(control: Control, hub: Hub, call_id: str) -> None:
    """Have the call heard, if anybody listens. One that isn't answered yet is asked again when it is."""
    with contextlib.suppress(CantBeDone):
        control.do(call_id, TapAudio(call_id=call_id, on=hub.wants_audio(call_id)))


async def _admitted(websocket: WebSocket) -> Client | None:
    try:
        return await Needs("calls:listen")(websocket)
    except Problem as problem:
        await websocket.send_denial_response(problem.response())
        return None


async def _serve(websocket: WebSocket, ear: Ear, only: str | None = None) -> None:
    """Send what is heard, until the listener goes, or the call that is the only one has ended."""
    gone = asyncio.create_task(_until_gone(websocket))
    telling = asyncio.create_task(_tell(websocket, ear, only))
    try:
        await asyncio.wait({gone, telling}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()
        telling.cancel()
        with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect):
            await telling


async def _tell(websocket: WebSocket, ear: Ear, only: str | None) -> None:
    state = websocket.app.state
    while True:
        message = await ear.next()
        if isinstance(message, bytes):
            await websocket.send_bytes(message)
            continue
        await websocket.send_json(message)
        if only is not None and message["type"] == ANSWERED:
            _tap(state.control, state.hub, only)
        if only is not None and message["type"] == ENDED:
            await websocket.close()
            return


async def _until_gone(websocket: WebSocket) -> None:
    """What a listener says is not for us."""
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass
