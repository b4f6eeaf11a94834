"""Stopping in good order, what is written and what isn't, and what an operator sees."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sipagent.formats import ULAW
from tests.e2e.conftest import SetupFactory, Sipp
from tests.e2e.support import audio
from tests.e2e.support.phone import call
from tests.e2e.support.server import Server, running
from tests.e2e.support.waiting import eventually

pytestmark = pytest.mark.e2e

SAID = audio.signal(1, 600, ULAW)


@pytest.mark.paced
async def test_sigterm_lets_a_call_finish_and_refuses_new_ones(setup: SetupFactory, sipp: Sipp) -> None:
    prepared = setup(None)
    async with running(prepared) as server, call(prepared) as caller:
        assert (await server.get("/readyz")).status_code == 200
        server.terminate()
        await server.wait_log("server_draining")
        await sipp("uac-draining-503", prepared)
        refused = await server.next_record()
        assert (refused["sip_status"], refused["reason_code"]) == (503, "draining")
        assert (await server.get("/readyz")).status_code == 503
        assert (await server.get("/healthz")).status_code == 200

        await caller.say(SAID)
        await caller.hear_speech(600)
        await caller.hang_up()
        assert await server.exited() == 0
        finished = await server.next_record()
        assert (finished["end_reason"], finished["call_status"]) == ("caller_hung_up", "completed")
        assert audio.holds(audio.recorded(finished["recording"])[0], audio.samples(SAID, "PCMU"))


@pytest.mark.paced
async def test_a_call_that_outlasts_the_drain_deadline_is_ended(setup: SetupFactory) -> None:
    prepared = setup(None, limits={"drain_deadline_s": 1})
    async with running(prepared) as server, call(prepared, speech=SAID) as caller:
        await caller.hear_speech(600)
        server.terminate()
        assert "drain_deadline" in (await caller.hung_up())["reason"]
        assert await server.exited() == 0
        record = await server.next_record()
        assert record["end_reason"] == "drain_deadline"
        assert audio.holds(audio.recorded(record["recording"])[0], audio.samples(SAID, "PCMU"))


@pytest.mark.parametrize("who", ["agent", "trunk"])
async def test_recording_off_writes_nothing(setup: SetupFactory, who: str) -> None:
    async with running(setup(None, **{who: {"record": False}})) as server:
        async with call(server.setup, speech=SAID) as caller:
            await caller.hear_speech(600)
            await caller.hang_up()
        record = await server.next_record()
        assert record["recording"] is None
        assert "rec." not in record["path"]
        assert not list(server.setup.storage.glob("recordings/**/*"))


async def have_ticked(server: Server) -> list[str]:
    """The workers whose clocks have run."""
    metrics = await server.metrics()
    name = 'sipagent_tick_late_seconds_count{{worker="{}"}}'
    ticks = {worker: metrics.get(name.format(worker), 0.0) for worker in ("0", "1")}
    return [worker for worker, count in ticks.items() if count > 0]


async def test_metrics_tell_of_workers_and_calls(setup: SetupFactory) -> None:
    async with running(setup(None)) as server:
        async with call(server.setup, speech=SAID) as caller:
            await caller.hear_speech(600)
            during = await server.metrics()
            assert during['sipagent_calls_active{trunk="carrier"}'] == 1
            assert during["sipagent_rtp_port_pairs_in_use"] == 1
            await caller.hang_up()
        record = await server.next_record()
        for worker in ("0", "1"):
            await server.wait_metric(f'sipagent_worker_cpu_seconds_total{{worker="{worker}"}}')
        await eventually(lambda: have_ticked(server), "the worker that had the call has told of its ticks")
        after = await server.metrics()
        assert len(await have_ticked(server)) == 1  # the clock of the other stood still

    assert after['sipagent_calls_received_total{direction="inbound",trunk="carrier"}'] == 1
    assert after['sipagent_calls_ended_total{reason="caller_hung_up",trunk="carrier"}'] == 1
    assert after['sipagent_call_setup_seconds_count{trunk="carrier"}'] == 1
    assert after['sipagent_rtp_packets_total{kind="inbound_packets"}'] == record["rtp"]["inbound"]["packets"]
    for worker in ("0", "1"):
        assert after[f'sipagent_worker_cpu_seconds_total{{worker="{worker}"}}'] > 0
        assert after[f'sipagent_worker_resident_bytes{{worker="{worker}"}}'] > 10e6
    assert after["sipagent_worker_restarts_total"] == 0


@contextlib.contextmanager
def tiny_disk(directory: Path) -> Iterator[Path]:
    """256 KB: eight seconds of a stereo recording."""
    directory.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", directory], check=True)
    try:
        yield directory
    finally:
        subprocess.run(["umount", directory], check=True)


@pytest.mark.paced
async def test_a_full_disk_costs_the_recording_and_nothing_else(setup: SetupFactory, tmp_path: Path) -> None:
    with tiny_disk(tmp_path / "storage/recordings") as disk:
        (disk / "ballast").write_bytes(bytes(144 * 1024))
        prepared = setup(None, storage={"directory": str(tmp_path / "storage")})
        said = audio.signal(2, 4000, ULAW)
        async with running(prepared) as server, call(prepared, speech=said) as caller:
            await caller.hear_speech(4000)
            await caller.hang_up()
            record = await server.next_record()
        assert caller.speech_heard() == said
        assert (record["end_reason"], record["recording_truncated"]) == ("caller_hung_up", True)
        left, _ = audio.recorded(record["recording"])
        assert audio.holds(left, audio.samples(said[: 8 * 1000], "PCMU"))
