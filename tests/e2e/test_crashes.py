"""SIGKILL at any moment: no call without its record, no record twice, no recording lost."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sqlite3
from collections import Counter

import pytest

from sipagent.formats import ULAW
from tests.e2e.conftest import SetupFactory
from tests.e2e.support import audio, processes
from tests.e2e.support.phone import Phone, call, phone
from tests.e2e.support.server import NUMBER, Server, Setup, records, running
from tests.e2e.support.waiting import eventually, eventually_equal

pytestmark = pytest.mark.e2e

SAID_MS = 4000
#: Of audio that a crash of everything at once may cost. The recording is written once a second.
LOST_MS = 2000
KILLS, CALLS_PER_KILL = 8, 6
LIFE_S = 1.5


@pytest.mark.parametrize("workers_too", [False, True], ids=["control", "everything"])
async def test_a_killed_server_keeps_the_record_and_the_audio(setup: SetupFactory, workers_too: bool) -> None:
    prepared = setup(None)
    said = audio.signal(1, SAID_MS, ULAW)
    async with running(prepared) as server, call(prepared, speech=said) as caller:
        await caller.hear_speech(SAID_MS)
        await server.kill(workers_too=workers_too)
    assert records(prepared) == []

    async with running(prepared) as restarted:
        (record,) = records(prepared)
        assert (record["end_reason"], record["call_status"]) == ("server_crashed", "completed")
        assert record["sip_call_id"] == caller.sip_call_id
        assert (record["agent"], record["to"]) == ("receptionist", NUMBER)
        survived = audio.samples(said[: 8 * (SAID_MS - LOST_MS if workers_too else SAID_MS)], "PCMU")
        left, right = audio.recorded(record["recording"])
        assert audio.holds(left, survived)
        assert audio.plays(right, survived)
        restarted.skip_records()
        await eventually_works(restarted)


@pytest.mark.timeout(180)
async def test_kills_at_random_instants_leave_one_record_per_answered_call(setup: SetupFactory) -> None:
    """The server is started again at once, while the workers of its predecessor may still be at work."""
    prepared = setup(None, rtp_pairs=4 * CALLS_PER_KILL)
    chance = random.Random(7)
    answered: list[str] = []
    for kill in range(KILLS):
        async with running(prepared) as server:
            answered += await calls_cut_off(server, chance, workers_too=kill % 2 == 0)
    async with running(prepared):
        counts = Counter(record["sip_call_id"] for record in records(prepared))
        known = sorted(record["call_id"] for record in records(prepared))
        await eventually_equal(lambda: in_database(prepared), known, "each call once in the database")
    assert len(answered) > KILLS * CALLS_PER_KILL // 3
    assert set(answered) <= counts.keys()
    assert set(counts.values()) == {1}
    assert {r["end_reason"] for r in records(prepared)} <= {"server_crashed", "caller_hung_up"}
    told_of = {record["recording"] for record in records(prepared)} - {None}
    assert told_of == {str(path) for path in prepared.storage.rglob("*.wav")}
    for recording in told_of:
        audio.recorded(recording)


def in_database(setup: Setup) -> list[str]:
    with contextlib.closing(sqlite3.connect(setup.storage / "calls.db")) as connection:
        return sorted(call_id for (call_id,) in connection.execute("SELECT call_id FROM calls"))


async def calls_cut_off(server: Server, chance: random.Random, workers_too: bool) -> list[str]:
    """Kill the server among calls in every phase of life. Returns the Call-IDs that were answered."""
    answered: list[str] = []
    starts = [chance.uniform(0, LIFE_S) for _ in range(CALLS_PER_KILL)]
    lives = [asyncio.create_task(live(server.setup, at, chance.random(), answered)) for at in starts]
    await asyncio.sleep(LIFE_S)
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


async def test_a_killed_worker_costs_its_calls_and_no_others(setup: SetupFactory) -> None:
    prepared = setup(None, media={"workers": 2})
    async with running(prepared, errors=["worker_died"], spare_threads=1) as server:
        async with call(prepared) as one, call(prepared) as other:
            for caller in (one, other):
                await caller.say(audio.signal(2, 1500, ULAW))
            victim, survivor = worker_of(server, one), worker_of(server, other)
            assert victim != survivor
            os.kill(victim, signal.SIGKILL)
            bye = await one.hung_up(within_s=2)
            assert "worker_lost" in bye["reason"]
            record = await server.next_record()
            assert (record["end_reason"], record["sip_call_id"]) == ("worker_lost", one.sip_call_id)
            assert not other.ended.is_set()

            await server.wait_log("worker_died")
            await eventually(lambda: len(processes.children(server.process.pid)) == 2, "a new worker")
            await other.hang_up()
            assert (await server.next_record())["end_reason"] == "caller_hung_up"
        await eventually_works(server)
        left, _ = audio.recorded(record["recording"])
        assert audio.holds(left, audio.samples(audio.signal(2, 1500, ULAW)[:4000], "PCMU"))
        assert (await server.metrics())["sipagent_worker_restarts_total"] == 1


def worker_of(server: Server, caller: Phone) -> int:
    """The worker that holds the call's RTP socket."""
    port = caller.rtp_target[1]
    return next(pid for pid in server.workers if port in processes.bound(pid, [port]))


async def eventually_works(server: Server) -> None:
    said = audio.signal(3, 400, ULAW)
    async with call(server.setup, speech=said) as caller:
        await caller.hear_speech(400)
        await caller.hang_up()
    assert (await server.next_record())["end_reason"] == "caller_hung_up"
