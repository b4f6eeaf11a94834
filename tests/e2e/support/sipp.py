"""SIPp, bounded in every way: it plays the scenarios of `sipp_scenarios/`."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.e2e.support.ports import free_port, free_ports
from tests.e2e.support.sip import host_port

SCENARIOS = Path(__file__).parents[3] / "sipp_scenarios"
RTP_PORTS = 4
TRACE_CHARS, OUTPUT_CHARS = 6000, 1000


async def play(
    scenario: str,
    directory: Path,
    target: tuple[str, int],
    *arguments: str,
    number: str = "1000",
    host: str = "127.0.0.1",
    calls: int = 1,
    timeout_s: int = 20,
) -> None:
    """Play a scenario against `target`, as a client or (by `uas-` scenarios) as a server, for `calls` calls.

    Fails with SIPp's error log and its message trace.
    """
    traces = {kind: directory / f"{scenario}.{kind}.log" for kind in ("error", "message")}
    process = await asyncio.create_subprocess_exec(
        *("sipp", host_port(target), "-sf", SCENARIOS / f"{scenario}.xml", "-s", number),
        *("-i", host, "-p", str(free_port(host))),
        *("-mi", host, "-mp", str(free_ports(RTP_PORTS, host)[0])),
        *("-m", str(calls), "-timeout", f"{timeout_s}s", "-timeout_error", "-nostdin"),
        *("-trace_err", "-error_file", traces["error"]),
        *("-trace_msg", "-message_file", traces["message"]),
        *arguments,
        cwd=directory,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    logs = [path.read_text(errors="replace")[-TRACE_CHARS:] for path in traces.values() if path.exists()]
    assert process.returncode == 0, "\n".join(
        [f"{scenario}: exit {process.returncode}", *logs, output.decode()[-OUTPUT_CHARS:]]
    )
