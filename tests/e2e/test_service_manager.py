"""What systemd hears of the server: ready, alive, reloading, stopping; and when it hears nothing."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.conftest import SetupFactory
from tests.e2e.support import processes
from tests.e2e.support.phone import call
from tests.e2e.support.server import Server, running
from tests.e2e.support.service_manager import Manager, service_manager
from tests.e2e.support.sip import options_answered
from tests.e2e.support.waiting import eventually

pytestmark = pytest.mark.e2e

WATCHDOG_S = 3.0
#: No test holds workers up for as long as this.
FROZEN_S = 60.0


@contextlib.asynccontextmanager
async def managed(
    setup: SetupFactory, directory: Path, *errors: str, workers: int = 2
) -> AsyncIterator[tuple[Server, Manager]]:
    prepared = setup(None, media={"workers": workers})
    async with (
        service_manager(directory, WATCHDOG_S) as manager,
        running(prepared, errors=errors, spare_threads=4, wrapper=("env", *manager.environment)) as server,
    ):
        yield server, manager


async def no_beat_for(manager: Manager, silence_s: float) -> bool:
    await manager.catch_up()
    manager.forget()
    try:
        await manager.wait_for("WATCHDOG", within_s=silence_s)
    except TimeoutError:
        return True
    return False


async def test_it_is_ready_once_it_answers_and_beats_while_it_lives(
    setup: SetupFactory, tmp_path: Path
) -> None:
    async with managed(setup, tmp_path) as (server, manager):
        await manager.wait_for("READY")
        assert await options_answered(server.setup.host, server.setup.sip_port, within_s=5.0)
        await manager.wait_for("WATCHDOG")
        assert (await manager.wait_for("STATUS"))["STATUS"] == "0 calls"


async def test_a_reload_is_announced_and_concluded(setup: SetupFactory, tmp_path: Path) -> None:
    async with managed(setup, tmp_path) as (server, manager):
        manager.forget()
        server.process.send_signal(signal.SIGHUP)
        reloading = await manager.wait_for("RELOADING")
        assert int(reloading["MONOTONIC_USEC"]) > 0
        await manager.wait_for("READY")


async def test_draining_asks_for_time_again_and_again(setup: SetupFactory, tmp_path: Path) -> None:
    async with managed(setup, tmp_path) as (server, manager), call(server.setup) as caller:
        await manager.wait_for("STATUS", "1 call")
        server.terminate()
        stopping = await manager.wait_for("STOPPING")
        assert int(stopping["EXTEND_TIMEOUT_USEC"]) > 10_000_000
        await manager.wait_for("STATUS", "draining, 1 call")
        manager.forget()
        await manager.wait_for("EXTEND_TIMEOUT_USEC")
        await manager.wait_for("WATCHDOG")
        await caller.hang_up()
        assert await server.exited() == 0


async def test_a_control_process_that_stands_still_does_not_beat(setup: SetupFactory, tmp_path: Path) -> None:
    late = ("worker_hung", "worker_died")  # what it may think of workers that it could not listen to
    async with managed(setup, tmp_path, *late) as (server, manager):
        await manager.wait_for("WATCHDOG")
        server.process.send_signal(signal.SIGSTOP)
        await eventually(lambda: processes.is_stopped(server.process.pid), "the process stands still")
        assert await no_beat_for(manager, WATCHDOG_S)
        server.process.send_signal(signal.SIGCONT)
        await manager.wait_for("WATCHDOG")


@contextlib.asynccontextmanager
async def frozen_workers(server: Server) -> AsyncIterator[None]:
    """Meanwhile no worker runs: neither those there are, nor those that are started in the place of them."""

    async def freeze() -> None:
        for number in itertools.count(1):
            line = await server.wait_log("worker_started", number, within_s=FROZEN_S)
            if line["pid"] in processes.children(server.process.pid):
                tell(line["pid"], signal.SIGSTOP)

    def tell(pid: int, signum: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signum)

    async with asyncio.TaskGroup() as group:
        freezing = group.create_task(freeze())
        try:
            yield
        finally:
            freezing.cancel()
            for pid in processes.children(server.process.pid):
                tell(pid, signal.SIGCONT)


async def test_without_a_worker_there_is_no_beat_until_one_is_back(
    setup: SetupFactory, tmp_path: Path
) -> None:
    lost = ("worker_hung", "worker_died", "watchdog_not_fed")
    async with managed(setup, tmp_path, *lost, workers=1) as (server, manager):
        async with frozen_workers(server):
            line = await server.wait_log("watchdog_not_fed")
            assert sorted(line["silent"]) == ["worker 0", "worker 1"]  # the second stands by
            await manager.wait_for("STATUS", "silent: worker ")
            assert await no_beat_for(manager, WATCHDOG_S)
        await manager.wait_for("WATCHDOG", within_s=20)


async def test_one_lost_worker_of_two_is_told_and_the_others_calls_are_kept(
    setup: SetupFactory, tmp_path: Path
) -> None:
    async with managed(setup, tmp_path, "worker_hung", "worker_died") as (server, manager):
        stopped = server.workers[0]
        os.kill(stopped, signal.SIGSTOP)
        await server.wait_log("worker_hung")
        await server.wait_log("worker_died")
        manager.forget()
        await manager.wait_for("WATCHDOG")
        assert not server.lines("watchdog_not_fed")
