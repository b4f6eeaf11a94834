"""A media worker is killed or hangs in mid-call: its calls go on in another, and nobody has to call again."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from itertools import pairwise

import pytest

from sipagent.formats import ULAW
from tests.e2e.conftest import SetupFactory
from tests.e2e.support import audio, processes
from tests.e2e.support.phone import Phone, call
from tests.e2e.support.server import Server, running
from tests.e2e.support.waiting import eventually

pytestmark = pytest.mark.e2e

#: What the log may say when a worker is lost.
ERRORS = ["worker_died", "worker_hung"]
MOST_GAP_S = 1.0
BEFORE, AFTER, SAID_MS = 11, 12, 600


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def stop(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)


def worker_of(server: Server, caller: Phone) -> int:
    """The worker that holds the call's RTP socket."""
    port = caller.rtp_target[1]
    workers = processes.children(server.process.pid)
    return next(pid for pid in workers if port in processes.bound(pid, [port]))


def gap_s(caller: Phone) -> float:
    """The longest time between two packets that the caller heard."""
    return max(after.at - before.at for before, after in pairwise(caller.heard))


async def all_up(server: Server) -> None:
    """One worker more than carry calls: it stands by."""
    await server.wait_metric("sipagent_workers_up")
    while (await server.metrics())["sipagent_workers_up"] < 3:
        pass


@pytest.mark.parametrize("lose", [kill, stop])
async def test_a_call_goes_on_in_another_worker(setup: SetupFactory, lose: Callable[[int], None]) -> None:
    before, after = (audio.signal(number, SAID_MS, ULAW) for number in (BEFORE, AFTER))
    prepared = setup(None)
    async with running(prepared, errors=ERRORS, spare_threads=1) as server:
        await all_up(server)
        async with call(prepared) as caller:
            await caller.say(before)
            await caller.hear_speech(SAID_MS)
            lose(worker_of(server, caller))
            await server.wait_log("leg_rehomed")
            await eventually(lambda: server.lines("backend_replaced"), "a new backend")
            await caller.say(after)
            await caller.hear(lambda: caller.speech_heard().endswith(after[-8 * 200 :]))
            await caller.hang_up()
        record = await server.next_record()
        await server.wait_log("worker_died")
        await all_up(server)
    print(gap_s(caller), record["rehomings"], record["recording_holes"], record["rtp"])
    assert gap_s(caller) <= MOST_GAP_S
    assert record["end_reason"] == "caller_hung_up"
