"""A load run's orders for calls, at a server that is busy, refuses, or isn't there."""

from __future__ import annotations

import asyncio

from benchmarks.load.orders import Orders


async def failures(answer: bytes) -> dict[str, int]:
    """Of two orders, each of which gets this answer."""

    async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"}")
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(answered, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        orders = Orders(f"http://127.0.0.1:{port}/v1/calls", "token")
        await orders.place("+49301234567", 2, every_s=0.0)
    counts = orders.counts()
    assert counts.failed == sum(counts.by_cause.values())
    return counts.by_cause


async def test_an_order_that_is_taken_is_none_that_failed() -> None:
    assert await failures(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n") == {}


async def test_a_refused_order_is_a_failed_call() -> None:
    refusal = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    assert await failures(refusal) == {"503": 2}


async def test_an_order_without_an_answer_is_a_failed_call_and_the_run_goes_on() -> None:
    assert await failures(b"") == {"RemoteProtocolError": 2}
