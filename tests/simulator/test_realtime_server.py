"""The simulated server on loopback: the official client, refusals, faults, and what it keeps."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from sipagent.backends.openai_wire import append_message
from sipagent.formats import ULAW
from sipagent.simulator import voice
from sipagent.simulator.realtime_options import (
    PATTERN_SCRIPT,
    Faults,
    Pattern,
    RealtimeOptions,
    Turn,
    TurnsByClock,
)
from sipagent.simulator.realtime_server import RealtimeServer, serve
from sipagent.simulator.realtime_skipping import REST_S
from tests.event_loop import turn

SESSION = {
    "type": "realtime",
    "audio": {
        "input": {
            "format": {"type": "audio/pcmu"},
            "turn_detection": {"type": "server_vad", "silence_duration_ms": 200},
        },
        "output": {"format": {"type": "audio/pcmu"}},
    },
}


def quick(**options: Any) -> RealtimeServer:
    script = (Turn(heard="Well?", reply=[Pattern(pattern_ms=1000)]),)
    return RealtimeServer(RealtimeOptions(script=script, reply_delay_ms=0, speed=100, **options))


@asynccontextmanager
async def client_of(server: RealtimeServer, **options: Any) -> AsyncIterator[ClientConnection]:
    async with connect(server.url, compression=None, ping_interval=None, **options) as connection:
        yield connection


async def events_until(connection: ClientConnection, kind: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    while not events or events[-1]["type"] != kind:
        events.append(json.loads(await connection.recv()))
    return events


async def collect(connection: ClientConnection, events: list[dict[str, Any]]) -> None:
    while True:
        events.append(json.loads(await connection.recv()))


async def test_the_official_client_holds_a_conversation():
    async with quick(api_key="sk-test") as server:
        base_url = server.url.removesuffix("/realtime")
        async with (
            AsyncOpenAI(api_key="sk-test", websocket_base_url=base_url) as client,
            client.realtime.connect(model="gpt-realtime-2.1") as connection,
        ):
            kinds, audio = [], b""
            async for event in connection:
                kinds.append(event.type)
                match event.type:
                    case "session.created":
                        await connection.session.update(session=SESSION)  # type: ignore[arg-type]
                    case "session.updated":
                        await connection.conversation.item.create(
                            item={
                                "type": "message",
                                "role": "user",
                                "content": [{"type": "input_text", "text": "Hi"}],
                            }
                        )
                        await connection.response.create()
                    case "response.output_audio.delta":
                        audio += base64.b64decode(event.delta)
                    case "response.done":
                        item_id = event.response.output[0].id
                        await connection.conversation.item.truncate(
                            item_id=item_id, content_index=0, audio_end_ms=500
                        )
                    case "conversation.item.truncated":
                        break
                    case "error":
                        pytest.fail(event.error.message)
    assert audio == voice.pattern(1, 1000, ULAW)
    assert "rate_limits.updated" in kinds


@pytest.mark.parametrize("status", [401, 403, 404, 429, 503])
async def test_refusal_by_http_status(status):
    async with quick(faults=Faults(refuse_status=status)) as server:
        with pytest.raises(InvalidStatus) as raised:
            await connect(server.url)
    assert raised.value.response.status_code == status
    assert server.sessions == []


@pytest.mark.parametrize(
    ("headers", "accepted"),
    [
        ({}, False),
        ({"Authorization": "Bearer sk-other"}, False),
        ({"Authorization": "Bearer sk-test"}, True),
        ({"api-key": "sk-test"}, True),
    ],
)
async def test_a_key_is_demanded_if_there_is_one(headers, accepted):
    async with quick(api_key="sk-test") as server:
        if accepted:
            async with client_of(server, additional_headers=headers) as connection:
                await events_until(connection, "session.created")
        else:
            with pytest.raises(InvalidStatus):
                await connect(server.url, additional_headers=headers)


async def test_another_path_is_not_found():
    async with quick() as server:
        with pytest.raises(InvalidStatus) as raised:
            await connect(server.url + "/beta")
    assert raised.value.response.status_code == 404


async def test_the_beta_header_is_closed_with_4000():
    async with (
        quick() as server,
        client_of(server, additional_headers={"OpenAI-Beta": "realtime=v1"}) as connection,
    ):
        with pytest.raises(ConnectionClosed) as raised:
            await connection.recv()
    assert raised.value.rcvd.code == 4000
    assert "beta_api_shape_disabled" in raised.value.rcvd.reason


@pytest.mark.parametrize(
    ("faults", "code", "last"),
    [
        (Faults(expire_after_s=0.05), 1001, "error"),
        (Faults(close_after_s=0.05), 1011, "session.created"),
        (Faults(close_after_s=0.05, close_code=1000), 1000, "session.created"),
        (Faults(drop_after_s=0.05), None, "session.created"),
    ],
)
async def test_endings(faults, code, last):
    async with quick(faults=faults) as server, client_of(server) as connection:
        events: list[dict[str, Any]] = []
        with pytest.raises(ConnectionClosed) as raised:
            await collect(connection, events)
        await server.sessions[0].ended.wait()
    assert events[-1]["type"] == last
    assert (raised.value.rcvd.code if raised.value.rcvd else None) == code


async def test_a_stalled_server_answers_nothing():
    async with quick() as server, client_of(server, close_timeout=0.05) as connection:
        await events_until(connection, "session.created")
        server.sessions[0].stall()
        pong = asyncio.ensure_future(await connection.ping())
        await connection.send('{"type": "response.create"}')
        done, _ = await asyncio.wait([pong, asyncio.ensure_future(connection.recv())], timeout=0.05)
        assert not done
        server.sessions[0].drop()  # or its end would wait for its part of the closing handshake


async def heard_audio(connection: ClientConnection, server: RealtimeServer) -> None:
    """Send the caller's audio to one that listens to nobody; returns when it has dropped it, and rests."""
    await connection.send(append_message(bytes(160)), text=True)
    while server.sessions[0].is_reading:
        await turn()


async def test_one_that_listens_to_nobody_rests_after_audio_and_answers_then():
    async with (
        quick(turns_by_clock=TurnsByClock(), log_events=False) as server,
        client_of(server) as connection,
    ):
        await events_until(connection, "session.created")
        for _ in range(3):
            await heard_audio(connection, server)
            await (await connection.ping())
        await connection.send('{"type": "response.create"}')
        await events_until(connection, "response.created")


async def test_one_that_listens_to_nobody_stalls_as_well():
    async with (
        quick(turns_by_clock=TurnsByClock(), log_events=False) as server,
        client_of(server, close_timeout=0.05) as connection,
    ):
        await events_until(connection, "session.created")
        await heard_audio(connection, server)
        server.sessions[0].stall()
        pong = asyncio.ensure_future(await connection.ping())
        done, _ = await asyncio.wait([pong], timeout=3 * REST_S)
        assert not done
        server.sessions[0].drop()


async def test_a_session_keeps_what_it_received_and_sent(tmp_path: Path):
    async with quick(record_dir=tmp_path) as server, client_of(server) as connection:
        await connection.send(json.dumps({"type": "session.update", "session": SESSION}))
        await connection.send("{")
        caller = voice.tone(300, 100, ULAW)
        audio = base64.b64encode(caller).decode()
        await connection.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
        await connection.send('{"type": "response.create"}')
        await events_until(connection, "response.done")
        await connection.close()
        (session,) = server.sessions
        await session.ended.wait()
    assert bytes(session.log.caller_audio) == caller
    assert [bytes(audio) for audio in session.log.agent_audio.values()] == [voice.pattern(1, 1000, ULAW)]
    (append,) = session.log.events("in", "input_audio_buffer.append")
    assert append["audio"] == len(caller)
    lines = [json.loads(line) for line in (tmp_path / f"{session.id}.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines] == [entry.event for entry in session.log.entries]
    assert {"at", "direction", "event"} == set(lines[0])
    assert (tmp_path / f"{session.id}.caller.raw").read_bytes() == caller


async def test_many_sessions_at_once():
    async def converse(server: RealtimeServer) -> bytes:
        async with client_of(server) as connection:
            await connection.send(json.dumps({"type": "session.update", "session": SESSION}))
            await connection.send('{"type": "response.create"}')
            events = await events_until(connection, "response.done")
        deltas = [event["delta"] for event in events if event["type"] == "response.output_audio.delta"]
        return b"".join(base64.b64decode(delta) for delta in deltas)

    async with quick(log_events=False) as server:
        heard = await asyncio.gather(*(converse(server) for _ in range(100)))
    assert set(heard) == {voice.pattern(1, 1000, ULAW)}
    assert server.sessions == []


async def test_serve_tells_its_url_and_runs_until_cancelled():
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(RealtimeOptions(script=PATTERN_SCRIPT), url.set_result))
    async with connect(await url) as connection:
        await events_until(connection, "session.created")
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
