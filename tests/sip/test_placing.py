"""An INVITE of ours on its way: which server is tried next, and when none is."""

from __future__ import annotations

import asyncio
import time
from typing import Any, cast

import pytest

from sipagent.sip.messages import CallDisconnected
from sipagent.sip.placing import Placing, Way
from sipagent.sip.targets import NextHop, Target
from tests.event_loop import turn

FIRST, SECOND = Target("192.0.2.1", 5060, "udp"), Target("192.0.2.2", 5060, "udp")
FULL = CallDisconnected(503, "Service Unavailable", by_remote=True)
SILENCE = CallDisconnected(408, "Request Timeout", by_remote=False)


class Accounts:
    """Stands for a trunk's account."""

    def towards(self, target: Target | None) -> str:
        return f"by {target}"


class House:
    def __init__(self, *targets: Target, patience_s: float = 60.0) -> None:
        self.dialled: list[str] = []
        self.went_on = asyncio.Event()
        self.failed: list[CallDisconnected] = []
        self.hop = NextHop(targets)
        way = Way(cast(Any, Accounts()), self.hop if targets else None, patience_s)
        self.placing = Placing(way, self.dial, self.failed.append)
        self.placing.start()

    def dial(self, account: Any) -> None:
        self.dialled.append(account)
        if len(self.dialled) > 1:
            self.went_on.set()

    async def goes_on_after(self, end: CallDisconnected) -> bool:
        goes_on = self.placing.fails_over(end)
        await turn()
        self.placing.stop()
        return goes_on


@pytest.mark.parametrize("end", [FULL, SILENCE, CallDisconnected(502, "no such host", by_remote=False)])
async def test_the_next_server_is_tried(end: CallDisconnected) -> None:
    house = House(FIRST, SECOND)
    assert await house.goes_on_after(end)
    assert house.dialled == [f"by {FIRST}", f"by {SECOND}"]


@pytest.mark.parametrize("end", [CallDisconnected(486, "Busy", True), CallDisconnected(408, "Timeout", True)])
async def test_what_a_callee_says_is_the_end(end: CallDisconnected) -> None:
    house = House(FIRST, SECOND)
    assert not await house.goes_on_after(end)
    assert house.dialled == [f"by {FIRST}"]


async def test_a_call_that_has_rung_goes_nowhere_else() -> None:
    house = House(FIRST, SECOND)
    house.placing.on_answer(100)
    house.placing.on_answer(180)
    assert not await house.goes_on_after(FULL)


async def test_an_invite_is_taken_once_its_server_has_said_so() -> None:
    house = House(FIRST, SECOND)
    assert not house.placing.is_taken
    house.placing.on_answer(100)
    assert house.placing.is_taken
    house.placing.on_answer(401)  # another INVITE is on its way
    assert not house.placing.is_taken
    house.placing.on_answer(503)
    assert await house.goes_on_after(FULL)
    assert not house.placing.is_taken


async def test_the_last_failure_is_told_when_no_server_is_left() -> None:
    house = House(FIRST)
    assert await house.goes_on_after(SILENCE)
    assert house.failed == [SILENCE]


async def test_without_servers_the_uri_says_where() -> None:
    assert House().dialled == ["by None"]


async def test_a_server_that_says_nothing_is_given_up_for_the_next() -> None:
    house = House(FIRST, SECOND, patience_s=0.0)
    async with asyncio.timeout(5):
        await house.went_on.wait()
    assert house.dialled == [f"by {FIRST}", f"by {SECOND}"]
    assert house.hop.best(time.monotonic()) == SECOND
    house.placing.stop()


@pytest.mark.parametrize(("retry_after_s", "best"), [(None, FIRST), (20, SECOND)])
async def test_a_full_server_is_left_alone_if_it_asks_for_that(
    retry_after_s: int | None, best: Target
) -> None:
    house = House(FIRST, SECOND)
    house.placing.on_answer(503, retry_after_s)
    assert await house.goes_on_after(FULL)
    assert house.hop.best(time.monotonic()) == best
