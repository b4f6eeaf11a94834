"""SIGKILL at any moment: no call without its record, no record twice, no recording lost."""

from __future__ import annotations

import os
import signal

import pytest

from sipagent.formats import ULAW
from tests.e2e.conftest import SetupFactory
from tests.e2e.support import audio, processes
from tests.e2e.support.phone import Phone, call
from tests.e2e.support.server import NUMBER, Server, records, running
from tests.e2e.support.waiting import eventually

pytestmark = pytest.mark.e2e

SAID_MS = 4000
#: Of audio that a crash of everything at once may cost. The recording is written once a second.
LOST_MS = 2000


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
