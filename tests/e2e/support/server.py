"""The whole server as a process: `sipagent run` on a configuration of a test, watched from outside."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.support import processes
from tests.e2e.support.server_log import Line, ServerLog
from tests.e2e.support.setup import HOST, NUMBER, Setup
from tests.e2e.support.sip import options_answered
from tests.e2e.support.waiting import PATIENCE_S, eventually, eventually_equal

SIPAGENT = Path(sys.executable).with_name("sipagent")
#: As many as asyncio's default executor comes to have, with one of the store of dials.
THREADS = min(32, (os.cpu_count() or 1) + 4)
Record = dict[str, Any]


class Server:
    """A running `sipagent run`. Its log is read as it comes, line by line."""

    def __init__(self, setup: Setup, process: asyncio.subprocess.Process) -> None:
        self.setup = setup
        self.process = process
        self.workers: list[int] = []
        self._earlier_records = len(records(setup))
        self._records_read = 0
        assert process.stderr is not None
        self._log = ServerLog(process.stderr, setup.config.with_name("server.log"))
        self._idle: dict[int, processes.Holdings] = {}

    @property
    def uri(self) -> str:
        return f"sip:{NUMBER}@{self.setup.host}:{self.setup.sip_port}"

    # --- its log ------------------------------------------------------------------------------------

    @property
    def log(self) -> list[Line]:
        return self._log.all

    def lines(self, event: str, **fields: Any) -> list[Line]:
        """The lines so far that have these fields."""
        return self._log.lines(event, **fields)

    async def wait_log(self, event: str, count: int = 1, within_s: float = PATIENCE_S, **fields: Any) -> Line:
        """The `count`-th line with these fields, which may have been written already."""
        return await self._log.wait_for(event, count, within_s, **fields)

    def tail(self, lines: int = 30) -> str:
        return self._log.tail(lines)

    # --- what it keeps and tells --------------------------------------------------------------------

    def calls(self) -> list[Record]:
        """The records of this server's calls, oldest first."""
        return records(self.setup)[self._earlier_records :]

    async def next_record(self, within_s: float = PATIENCE_S) -> Record:
        """The record of the next call that ends, and its lines in the log: each is returned once."""
        return (await self.next_records(1, within_s))[0]

    async def next_records(self, count: int, within_s: float = PATIENCE_S) -> list[Record]:
        first, self._records_read = self._records_read, self._records_read + count
        try:
            await eventually(lambda: len(self.calls()) >= first + count, f"{count} more records", within_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.tail()}") from None
        ended = self.calls()[first : first + count]
        for record in ended:
            await self.wait_log("call_ended", call_id=record["call_id"])
        return ended

    def skip_records(self) -> None:
        """Whatever calls have ended are of no interest."""
        self._records_read = len(self.calls())

    async def get(self, path: str) -> httpx.Response:
        async with httpx.AsyncClient(trust_env=False) as client:
            return await client.get(f"http://{HOST}:{self.setup.http_port}{path}", timeout=PATIENCE_S)

    async def metrics(self) -> dict[str, float]:
        """Samples by name, with labels as Prometheus writes them: `name{a="1",b="2"}`."""
        text = (await self.get("/metrics")).text
        return {
            _sample_name(sample.name, sample.labels): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    async def wait_metric(self, name: str, within_s: float = PATIENCE_S) -> float:
        """Its value once it has one other than 0: workers report once a second."""

        async def value() -> float:
            return (await self.metrics()).get(name, 0)

        return await eventually(value, name, within_s)

    # --- its life -----------------------------------------------------------------------------------

    async def started(self) -> None:
        await self.wait_log("server_started", within_s=60)
        self.workers = processes.children(self.process.pid)
        for pid in (self.process.pid, *self.workers):
            self._idle[pid] = self._holdings(pid)

    def terminate(self) -> None:
        self.process.terminate()

    async def exited(self, within_s: float = PATIENCE_S) -> int:
        """The exit code, once it and its workers (who share its log) are gone."""
        async with asyncio.timeout(within_s):
            await self._log.closed()
            return await self.process.wait()

    async def stop(self) -> None:
        """SIGTERM, and out in good order."""
        self.terminate()
        assert await self.exited() == 0, self.tail()
        assert self.lines("server_stopped"), self.tail()

    async def kill(self, *, workers_too: bool = False) -> None:
        """SIGKILL; returns when the workers are gone as well, of their own accord unless `workers_too`."""
        for pid in (self.process.pid, *(self.workers if workers_too else ())):
            os.kill(pid, signal.SIGKILL)
        assert await self.exited() == -signal.SIGKILL
        alive = partial(filter, processes.is_alive, self.workers)
        await eventually(lambda: not list(alive()), "workers end with the server", within_s=2)

    async def destroy(self) -> None:
        """After a failure: end whatever is left."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()
        async with asyncio.timeout(PATIENCE_S):
            await self._log.closed()

    # --- after every test ---------------------------------------------------------------------------

    async def assert_clean(self, errors: Sequence[str] = (), spare_threads: int = 0) -> None:
        """Nothing is left of calls but their records. See `running` for what may be excused."""
        assert await options_answered(self.setup.host, self.setup.sip_port, within_s=1.0)
        await self.assert_one_record_per_call()
        metrics = await self.metrics()
        active = {name: value for name, value in metrics.items() if name.startswith("sipagent_calls_active")}
        assert not any(active.values()), active
        assert metrics["sipagent_rtp_port_pairs_in_use"] == 0
        await self._assert_nothing_held(spare_threads)
        assert not list(self.setup.storage.rglob("*.part"))
        assert not list(self.setup.storage.glob("spool/open/*"))
        self.assert_no_errors(errors)

    def assert_no_errors(self, allowed: Sequence[str] = ()) -> None:
        bad = [line for line in self._log.errors() if line["event"] not in allowed]
        assert not bad, json.dumps(bad, indent=1)

    async def assert_one_record_per_call(self) -> None:
        """Every call that has begun so far has ended, or soon does."""

        def unpaired() -> tuple[list[str], list[str]]:
            """Calls in the log without a record, and records without a call: each may come first."""
            begun = self.lines("call_received") + self.lines("call_originated")
            told = Counter(line["call_id"] for line in begun + self.lines("call_cut_off_by_crash"))
            kept = Counter(record["call_id"] for record in self.calls())
            return sorted((told - kept).elements()), sorted((kept - told).elements())

        await eventually_equal(unpaired, ([], []), "calls and records that don't belong to each other")
        for record in self.calls():
            assert record["end_reason"], record
            assert record["call_status"] != "in-progress", record

    def _holdings(self, pid: int) -> processes.Holdings:
        return processes.holdings(pid, {*self.setup.rtp_ports, self.setup.sip_port, self.setup.tls_port})

    async def _assert_nothing_held(self, spare_threads: int) -> None:
        for pid, idle in self._idle.items():
            if processes.is_alive(pid):
                beyond = partial(self._held_beyond, pid, idle, spare_threads)
                await eventually_equal(beyond, Counter(), f"held by {pid} beyond what it held idle")
        for pid in filter(processes.is_alive, self.workers):
            assert not processes.bound(pid, self.setup.rtp_ports), "a worker kept RTP sockets"

    def _held_beyond(self, pid: int, idle: processes.Holdings, spare_threads: int) -> Counter[str]:
        return self._holdings(pid).beyond(idle) - Counter(threads=spare_threads)


@contextlib.asynccontextmanager
async def running(
    setup: Setup, *, errors: Sequence[str] = (), spare_threads: int = 0, wrapper: Sequence[str] = ()
) -> AsyncIterator[Server]:
    """A server on `setup`. If the test hasn't ended it, it must be clean and stop in good order.

    `errors` are events that this test expects to be logged as errors, `spare_threads` how many of its
    executor's threads the server may have come to need; `wrapper` is a command to run it under.
    """
    process = await asyncio.create_subprocess_exec(
        *(*wrapper, SIPAGENT, "run", "-c", setup.config),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        limit=2**22,
    )
    server = Server(setup, process)
    try:
        await server.started()
        yield server
        if process.returncode is None:
            await server.assert_clean(errors, spare_threads)
            await server.stop()
        server.assert_no_errors(errors)
    finally:
        await server.destroy()


def records(setup: Setup) -> list[Record]:
    """Every record in the spool of this set-up, oldest first."""
    files = sorted(setup.storage.glob("spool/calls-*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def _sample_name(name: str, labels: Mapping[str, str]) -> str:
    pairs = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
    return f"{name}{{{pairs}}}" if pairs else name
