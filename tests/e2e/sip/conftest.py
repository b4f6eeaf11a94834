"""A `SipAgent` in a process of its own, and SIPp to talk to it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.support.ports import free_port, free_ports

HERE = Path(__file__).parent
SCENARIOS = HERE.parents[2] / "sipp_scenarios"
PATIENCE_S = 10.0

AgentFactory = Callable[..., AbstractAsyncContextManager["Agent"]]


class Agent:
    """The running program; `port` is where it listens. Its lines are read in order, each once."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process = process
        self.port = port
        self.stderr = asyncio.create_task(_read_all(process.stderr))

    async def next(self, *kinds: str, patience_s: float = PATIENCE_S) -> dict[str, Any]:
        """The next event of one of these kinds; any kind if none is named."""
        assert self.process.stdout is not None
        async with asyncio.timeout(patience_s):
            while line := await self.process.stdout.readline():
                event = json.loads(line) if line.startswith(b"{") else {"event": "chatter"}
                if event["event"] in kinds or not kinds:
                    return dict(event)
        raise AssertionError(f"the program ended before {kinds}: {await self.stderr}")

    async def events(self, count: int, *kinds: str) -> list[dict[str, Any]]:
        return [await self.next(*kinds) for _ in range(count)]

    async def stop(self) -> str:
        """Terminate it, see that it ends in good order, and return its log."""
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        async with asyncio.timeout(PATIENCE_S):
            while self.process.stdout and await self.process.stdout.readline():
                pass
            code = await self.process.wait()
        log = await self.stderr
        assert code == 0, log
        return log


async def _read_all(stream: asyncio.StreamReader | None) -> str:
    assert stream is not None
    return (await stream.read()).decode()


@contextlib.asynccontextmanager
async def _running(
    *,
    trunk: dict[str, Any] | None = None,
    sip: dict[str, Any] | None = None,
    environment: dict[str, str] | None = None,
    **options: Any,
) -> AsyncIterator[Agent]:
    port = free_port()
    listeners = {"listen_udp": f"127.0.0.1:{port}", "listen_tcp": f"127.0.0.1:{port}"}
    config = {
        "sip": listeners | (sip or {}),
        "trunks": {"carrier": {"name": "carrier", "allowed_addresses": ["127.0.0.1"]} | (trunk or {})},
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        HERE / "agent_program.py",
        json.dumps(options | {"config": config}),
        env=os.environ | (environment or {}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    agent = Agent(process, port)
    try:
        await agent.next("started")
        yield agent
        log = await agent.stop()
        # At the start of a line: pjsip's warnings of what peers do name OpenSSL's SSL_ERROR_SSL.
        assert not re.search("^(ERROR|CRITICAL):", log, re.MULTILINE), log
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await agent.stderr


@pytest.fixture
def agent() -> AgentFactory:
    return _running


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def ports() -> Sequence[int]:
    return free_ports(2)


@pytest.fixture
def fast_clock() -> dict[str, str]:
    """An environment in which the clocks of a program run twenty times as fast."""
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    return {"LD_PRELOAD": str(library), "FAKETIME": "+0 x20"}


@pytest.fixture
def sipp(tmp_path: Path) -> Callable[..., Any]:
    """Run a scenario against a port of ours, or as a server with `target` 0; fails with SIPp's messages."""

    async def run(
        scenario: str, target: int, *arguments: str, address: str = "127.0.0.1", port: int | None = None
    ) -> None:
        host = f"[{address}]" if ":" in address else "127.0.0.1"
        messages = tmp_path / f"{scenario}.log"
        process = await asyncio.create_subprocess_exec(
            *("sipp", f"{host}:{target}", "-sf", SCENARIOS / f"{scenario}.xml", "-i", address),
            *("-p", str(port or free_port()), "-m", "1", "-timeout", "20s", "-timeout_error", "-nostdin"),
            *("-trace_msg", "-message_file", messages, *arguments),
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            output, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        traced = messages.read_text(errors="replace")[-6000:] if messages.exists() else ""
        assert process.returncode == 0, f"{output.decode()[-2000:]}\n{traced}"

    return run
