"""SIGKILL at random instants, with calls in every phase of life: one record per answered call, everywhere.

`make kill-test` does it a hundred times.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sqlite3
from collections import Counter

import pytest

from tests.e2e.conftest import SetupFactory
from tests.e2e.support import audio
from tests.e2e.support.phone import phone
from tests.e2e.support.server import Server, records, running
from tests.e2e.support.setup import Setup
from tests.e2e.support.waiting import eventually_equal
from tests.webhooks.receiver import SECRET, Received, Receiver, receiving

pytestmark = pytest.mark.e2e

KILLS, CALLS_PER_KILL = int(os.environ.get("KILLS", "6")), 6
LIFE_S = 1.5
#: A hundred kills leave this much to deliver and to store at last.
PATIENCE_S = 30.0 + KILLS


@pytest.mark.timeout(120 + 20 * KILLS)
async def test_kills_at_random_instants_leave_one_record_per_answered_call(
    setup: SetupFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the spool, in the database, and told by webhooks. The server is started again at once, while the
    workers of its predecessor may still be at work."""
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    chance, stumbling = random.Random(7), random.Random(8)
    answered: list[str] = []
    async with receiving() as receiver:
        receiver.decide = lambda message: 500 if stumbling.random() < 0.1 else 204
        endpoint = {"name": "crm", "url": receiver.url, "secret": {"env": "WEBHOOK_SECRET"}}
        prepared = setup(None, rtp_pairs=4 * CALLS_PER_KILL, top={"webhooks": [endpoint]})
        for kill in range(KILLS):
            async with running(prepared) as server:
                answered += await calls_cut_off(server, chance, workers_too=kill % 2 == 0)
        async with running(prepared):
            told = Counter(record["call_id"] for record in records(prepared))
            await eventually_equal(lambda: stored(prepared), told, "records in the database", PATIENCE_S)
            await receiver.until(lambda: ended(receiver).keys() >= told.keys(), "every end", PATIENCE_S)
    assert set(told.values()) == {1}
    by_sip_id = Counter(record["sip_call_id"] for record in records(prepared))
    assert set(by_sip_id.values()) == {1}
    assert len(answered) > KILLS * CALLS_PER_KILL // 3
    assert set(answered) <= by_sip_id.keys()
    assert {r["end_reason"] for r in records(prepared)} <= {"server_crashed", "caller_hung_up"}
    assert ended(receiver) == told, "told twice, or told of a call without a record"
    for call_id in told:
        assert_in_order([message for message in receiver.taken if message.call_id == call_id])
    assert_recordings_whole(prepared)


def ended(receiver: Receiver) -> Counter[str]:
    """By call, how many ends were told. What comes again under its webhook-id is one message."""
    ends = {message.id: message.call_id for message in receiver.taken if message.type == "call.ended"}
    return Counter(ends.values())


def stored(setup: Setup) -> Counter[str]:
    with contextlib.closing(sqlite3.connect(setup.storage / "calls.db")) as database:
        return Counter(call_id for (call_id,) in database.execute("SELECT call_id FROM calls"))


def assert_in_order(messages: list[Received]) -> None:
    """Each for the first time after all that happened before it, and the end after all."""
    first_times = list(dict.fromkeys(message.id for message in messages))
    numbers = [int(each.rpartition("_")[2]) for each in first_times if each.rpartition("_")[2].isdecimal()]
    assert numbers == sorted(numbers)
    assert first_times[-1].endswith("call_ended")


def assert_recordings_whole(setup: Setup) -> None:
    told_of = {record["recording"] for record in records(setup)} - {None}
    assert told_of == {str(path) for path in setup.storage.rglob("*.wav")}
    for recording in told_of:
        audio.recorded(recording)


async def calls_cut_off(server: Server, chance: random.Random, workers_too: bool) -> list[str]:
    """Kill the server among calls in every phase of life. Returns the Call-IDs that were answered."""
    answered: list[str] = []
    starts = [chance.uniform(0, LIFE_S) for _ in range(CALLS_PER_KILL)]
    lives = [asyncio.create_task(live(server.setup, at, chance.random(), answered)) for at in starts]
    await asyncio.wait(lives, timeout=LIFE_S)
    for pid in (server.process.pid, *(server.workers if workers_too else ())):
        os.kill(pid, signal.SIGKILL)
    for task in lives:
        task.cancel()
    await asyncio.gather(*lives, return_exceptions=True)
    await server.process.wait()
    return answered


async def live(setup: Setup, start_s: float, talk_s: float, answered: list[str]) -> None:
    await asyncio.sleep(start_s)
    async with phone(setup) as caller:
        assert (await caller.invite()).status == 200
        answered.append(caller.sip_call_id)
        await asyncio.sleep(talk_s)
        await caller.hang_up()
