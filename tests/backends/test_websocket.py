"""The WebSocket shell and a session that is open: it talks, loses its server, and closes."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from sipagent.backends.base import AudioReceived, BackendEvent, BackendLost, CallerSpeechStarted, SessionReady
from sipagent.formats import ULAW
from sipagent.simulator import voice
from tests.backends.websocket_rig import FRAME, Listener, backend_for, backend_tasks, connected, simulated

SPEECH = voice.tone(300, 400, ULAW)


# --- talking


async def test_audio_flows_both_ways_unchanged():
    async with connected(server := simulated()) as (backend, listener):
        log, said = server.sessions[0].log, bytearray()

        def is_heard() -> bool:
            return log.caller_audio == said

        spoken = SPEECH + b"\xff" * 8000
        for start in range(0, len(spoken), 160):
            said += spoken[start : start + 160]
            backend.send_audio(spoken[start : start + 160])
            await log.until(is_heard)
        await listener.wait_for(CallerSpeechStarted)
        await listener.wait_for(AudioReceived)
        heard = b"".join(event.audio for event in listener.events if isinstance(event, AudioReceived))
        assert backend.counters()["dropped_ms"] == 0
    assert voice.pattern(1, 4000, ULAW).startswith(heard)
    assert bytes(log.caller_audio) == spoken


async def test_control_messages_go_out():
    async with connected(server := simulated()) as (backend, listener):
        backend.send_digit("7")
        first = await listener.wait_for(AudioReceived)
        backend.interrupt(first.item_id, 0, 100)
        log = server.sessions[0].log
        await log.until(lambda: log.events("out", "conversation.item.truncated"))
        (truncated,) = log.events("out", "conversation.item.truncated")
    assert (truncated["item_id"], truncated["audio_end_ms"]) == (first.item_id, 100)


async def test_a_message_carries_as_much_audio_as_was_asked_for():
    async with connected(server := simulated(), send_every_ms=40) as (backend, _):
        for _ in range(5):
            backend.send_audio(FRAME)
        log = server.sessions[0].log
        await log.until(lambda: len(log.caller_audio) == 4 * len(FRAME))
        sent = log.events("in", "input_audio_buffer.append")
        assert [event["audio"] for event in sent] == [320, 320]
        backend.end_turn("", was_speech=False)  # what is left belongs to the turn
        await log.until(lambda: len(log.caller_audio) == 5 * len(FRAME))


# --- losing it


@pytest.mark.parametrize("code", [1000, 1001, 1011, 1012])
async def test_any_close_we_did_not_ask_for_is_a_loss(code):
    async with connected(server := simulated()) as (_, listener):
        server.sessions[0].close(code, "bye")
        lost = await listener.wait_for(BackendLost)
    assert lost == BackendLost(code=str(code), message="bye", fatal=False)
    assert listener.events[-1] is lost


async def test_a_dropped_connection_is_a_loss():
    async with connected(server := simulated()) as (_, listener):
        server.sessions[0].drop()
        assert (await listener.wait_for(BackendLost)).code == "1006"


async def test_expiry_is_told_once():
    async with connected(server := simulated(expire_after_s=0.5)) as (_, listener):
        lost = await listener.wait_for(BackendLost)
        await server.sessions[0].ended.wait()
    assert lost.code == "session_expired"
    assert [event for event in listener.events if isinstance(event, BackendLost)] == [lost]


async def test_a_defect_in_the_listener_is_a_loss_and_is_told_to_the_loop():
    defects: list[BaseException] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: defects.append(context["exception"]))
    losses: list[BackendLost] = []
    lost = asyncio.Event()

    def broken(event: BackendEvent) -> None:
        if isinstance(event, BackendLost):
            losses.append(event)
            lost.set()
        elif not isinstance(event, SessionReady):
            raise RuntimeError("defect")

    async with simulated() as server:
        backend = backend_for(server.url)
        await backend.open(broken)
        backend.send_digit("1")
        await lost.wait()
        await backend.close()
    assert [event.code for event in losses] == ["internal_error"]
    assert [str(defect) for defect in defects] == ["defect"]


# --- closing


async def test_closing_is_silent_idempotent_and_leaves_nothing():
    async with simulated() as server:
        backend, listener = backend_for(server.url), Listener()
        await backend.open(listener)
        await backend.close()
        await backend.close()
        await server.sessions[0].ended.wait()
    assert [type(event) for event in listener.events] == [SessionReady]
    assert backend_tasks() == []
    backend.send_audio(SPEECH)
    backend.interrupt("i1", 0, 0)


async def test_closing_before_opening_does_nothing():
    await backend_for("ws://127.0.0.1:9/").close()


async def test_a_backend_that_is_closed_needs_no_garbage_collector():
    gc.collect()
    gc.disable()
    try:
        async with connected(simulated()) as (backend, listener):
            backend.send_digit("7")
            await listener.wait_for(AudioReceived)
            gone = weakref.ref(backend)
        del backend
        assert gone() is None
    finally:
        gc.enable()
