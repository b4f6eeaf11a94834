"""The delay that the server adds, on the wire and by the kernel's time: nobody else has to wake up for it.

Calls alone are measured; what else runs on the machine goes after workers that may run in real time.
"""

from __future__ import annotations

import contextlib
from bisect import bisect_left
from collections.abc import AsyncIterator, Sequence
from urllib.parse import urlsplit

import numpy as np
import pytest

from sipagent.formats import ULAW
from sipagent.simulator.realtime_options import Pattern, RealtimeOptions, Turn
from sipagent.simulator.realtime_server import RealtimeServer
from tests.e2e.conftest import SetupFactory
from tests.e2e.support import audio
from tests.e2e.support.namespaces import IS_ROOT
from tests.e2e.support.phone import Phone, call
from tests.e2e.support.server import Server, running
from tests.e2e.support.wire import Segment, Sent, Wire

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.alone,
    pytest.mark.skipif(not IS_ROOT, reason="needs root to see the wire"),
]

SAID_MS = 4000
GREETING_MS = 100
#: Long enough for the call to be answered before the agent speaks.
REPLY_DELAY_MS = 600
GREETINGS, AT_ONCE = 30, 10
NO_TURNS = {"audio": {"input": {"turn_detection": None}}}
TO_BACKEND_P99_MS, TO_WIRE_MAX_MS = 5, 20
TRIES = 3


@contextlib.asynccontextmanager
async def watching() -> AsyncIterator[Wire]:
    with contextlib.closing(Wire()) as wire:
        yield wire


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


def to_backend_ms(packets: Sequence[Sent], connection: Sequence[Segment]) -> list[float]:
    """From each packet of the caller to the next segment towards the model: every packet makes one."""
    messages = [segment.at for segment in connection if not segment.is_answer]
    assert sum(packets[0].at <= at <= packets[-1].at + 1 for at in messages) >= len(packets) * 0.98
    return [1000 * (messages[bisect_left(messages, packet.at)] - packet.at) for packet in packets]


def to_wire_ms(connection: Sequence[Segment], packets: Sequence[Sent]) -> float | None:
    """From the model's first audio to the first packet with it; None if the call wasn't answered before."""
    packets = [each for each in packets if each.at > connection[0].at]
    came = next(
        segment.at
        for segment in connection
        if segment.is_answer and b'"response.output_audio.delta"' in segment.data
    )
    heard = next(each.at for each in packets if each.packet.payload.strip(ULAW.silence))
    return 1000 * (heard - came) if packets[0].at < came else None


async def talk(server: Server) -> Phone:
    async with call(server.setup, speech=audio.signal(1, SAID_MS, ULAW)) as caller:
        await caller.hear(lambda: len(caller.heard) >= SAID_MS / 20)
        await caller.hang_up()
        return caller


async def hear_greetings(server: Server) -> list[Phone]:
    """Calls one after the other, so that their connections are in the same order, but together."""
    async with contextlib.AsyncExitStack() as stack:
        callers = [await stack.enter_async_context(call(server.setup)) for _ in range(AT_ONCE)]
        for caller in callers:
            await caller.hear_speech(GREETING_MS)
            await caller.hang_up()
    return callers


async def test_a_callers_packet_is_with_the_backend_at_once(setup: SetupFactory) -> None:
    async with RealtimeServer(RealtimeOptions()) as model:
        backend = {"kind": "openai_realtime", "url": model.url, "extra_session": NO_TURNS}
        tries: list[float] = []
        prepared = setup(model.url, agent={"backend": backend})
        async with running(prepared) as server, watching() as wire:
            while len(tries) < TRIES and not (tries and tries[-1] <= TO_BACKEND_P99_MS):
                caller = await talk(server)
                connection = wire.connections_to(port_of(model.url))[-1]
                delays = to_backend_ms(wire.rtp_from(caller.rtp_address[1])[:-10], connection)
                tries.append(float(np.percentile(delays, 99)))
            await server.next_records(len(tries))
    assert tries[-1] <= TO_BACKEND_P99_MS, tries


async def test_the_agents_audio_is_on_the_wire_within_a_frame(setup: SetupFactory) -> None:
    reply = (Turn(reply=[Pattern(pattern_ms=GREETING_MS, number=2)]),)
    options = RealtimeOptions(script=reply, obedient=False, reply_delay_ms=REPLY_DELAY_MS)
    callers: list[Phone] = []
    async with RealtimeServer(options) as model:
        backend = {"kind": "openai_realtime", "url": model.url, "extra_session": NO_TURNS}
        agent = {"greeting": "Hello", "backend": backend}
        prepared = setup(model.url, agent=agent, rtp_pairs=2 * GREETINGS)
        async with running(prepared) as server, watching() as wire:
            for _ in range(GREETINGS // AT_ONCE):
                callers += await hear_greetings(server)
            await server.next_records(GREETINGS)
            measured = [
                to_wire_ms(connection, wire.rtp_from(caller.rtp_target[1]))
                for caller, connection in zip(callers, wire.connections_to(port_of(model.url)), strict=True)
            ]
    delays = [delay for delay in measured if delay is not None]
    assert len(delays) >= GREETINGS / 2
    assert max(delays) <= TO_WIRE_MAX_MS, delays
