"""What a call costs in the whole server: `sipagent run` with so many calls, watched from outside.

SIPp signals, `phones.c` sends and hears RTP for all calls, `model.py` is the model. Counted are the server's
processes alone. Everything runs on this machine, so the kernel's part of delivering a packet is with whoever
sends it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pylibsrtp

from rtp.packet import RtpPacket, serialize
from sipagent.formats import CODECS
from sipagent.simulator import voice
from tests.e2e.support.ports import free_port
from tests.e2e.support.server import HOST, NUMBER, Server, running, write_setup

HERE = Path(__file__).parent
PHONES = HERE.parents[1] / "build/phones"
SUITE = "AES_CM_128_HMAC_SHA1_80"
CRYPTO_KEY = bytes(range(30))
SPEECH_S = 20
CALLS_PER_S = 25
SETTLE_S, MEASURE_S = 4.0, 20.0
NO_TURNS = {"audio": {"input": {"turn_detection": None}}}
PATIENCE_S = 30
_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Conditions:
    """What calls are like."""

    calls: int
    audio: str = "auto"
    tls: bool = False
    srtp: bool = False
    records: bool = True


@dataclass(frozen=True)
class Cost:
    """Of one run. Shares are percent of a core, for each call."""

    conditions: Conditions
    workers_share: float
    control_share: float
    pss_mb: float
    late_p99_ms: float
    starved: int
    lost_out: int
    sent_in: float
    """Packets that phones sent, for each call and second."""
    phones_late_ms: float
    others_share: float
    """What SIPp, phones and model took, percent of a core."""

    @property
    def share(self) -> float:
        return self.workers_share + self.control_share


@dataclass(frozen=True)
class Usage:
    """Of processes, so far. Seconds, and MB of memory that is theirs (PSS)."""

    cpu_s: float
    pss_mb: float

    @classmethod
    def of(cls, *pids: int) -> Usage:
        return cls(sum(map(_cpu_s, pids)), sum(map(_pss_mb, pids)))


class Phones:
    """The callers' end of RTP."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process, self.port = process, port

    async def report(self) -> tuple[int, ...]:
        """Calls heard, packets sent, received and missing, latest wake-up in µs, since the last report."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(b"?\n")
        return tuple(map(int, (await self.process.stdout.readline()).split()))


def build_phones() -> None:
    PHONES.parent.mkdir(exist_ok=True)
    source = HERE / "phones.c"
    if not PHONES.exists() or PHONES.stat().st_mtime < source.stat().st_mtime:
        subprocess.run(["cc", "-O2", "-Wall", "-o", PHONES, source], check=True)


def write_datagrams(path: Path, *, srtp: bool) -> None:
    """What every caller says. One key and one SSRC for all: for each call it is a stream of its own."""
    law = CODECS["PCMU"]
    speech = voice.pattern(2, 1000 * SPEECH_S, law)
    packets = [
        serialize(RtpPacket(0, at // 160, at, 0x5EED, speech[at : at + 160]))
        for at in range(0, len(speech), 160)
    ]
    if srtp:
        policy = pylibsrtp.Policy(CRYPTO_KEY, pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
        session = pylibsrtp.Session(policy)
        packets = [session.protect(packet) for packet in packets]
    path.write_bytes(b"".join(len(packet).to_bytes(2, "big") + packet for packet in packets))


@contextlib.asynccontextmanager
async def phones(directory: Path, *, srtp: bool) -> AsyncIterator[Phones]:
    build_phones()
    datagrams, port = directory / "datagrams", free_port()
    write_datagrams(datagrams, srtp=srtp)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = await asyncio.create_subprocess_exec(PHONES, str(port), datagrams, **pipes)
    try:
        yield Phones(process, port)
    finally:
        process.kill()
        await process.wait()


@contextlib.asynccontextmanager
async def model(directory: Path, conditions: Conditions) -> AsyncIterator[tuple[int, str]]:
    """Its process and URL. With TLS its certificate is in `directory`."""
    port, files = free_port(), [directory / "model.pem", directory / "model.key"]
    if conditions.tls:
        subject = ("-subj", f"/CN={HOST}", "-addext", f"subjectAltName=IP:{HOST}")
        make = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2")
        arguments = [*make, *subject, "-out", files[0], "-keyout", files[1]]
        await asyncio.to_thread(subprocess.run, arguments, check=True, capture_output=True)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.cost.model", str(port), conditions.audio),
        *(files if conditions.tls else ()),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    await process.stdout.readline()
    try:
        yield process.pid, f"{'wss' if conditions.tls else 'ws'}://{HOST}:{port}/v1/realtime"
    finally:
        process.kill()
        await process.wait()


@contextlib.asynccontextmanager
async def dialled(server: Server, conditions: Conditions, media_port: int) -> AsyncIterator[int]:
    """All calls, as SIPp makes them: its process. Returns at once."""
    crypto = (
        f"a=crypto:1 {SUITE} inline:{b64encode(CRYPTO_KEY).decode()}" if conditions.srtp else "a=ptime:20"
    )
    process = await asyncio.create_subprocess_exec(
        *("sipp", f"{HOST}:{server.setup.sip_port}", "-sf", HERE / "uac-phones.xml", "-s", NUMBER),
        *("-i", HOST, "-p", str(free_port()), "-nostdin", "-m", str(conditions.calls)),
        *(
            "-r",
            str(CALLS_PER_S),
            "-l",
            str(conditions.calls),
            "-key",
            "media",
            str(media_port),
            "-key",
            "attribute",
            crypto,
        ),
        *("-key", "profile", "SAVP" if conditions.srtp else "AVP"),
        cwd=server.setup.config.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process.pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def measure(conditions: Conditions) -> Cost:
    """Set the calls up, let them settle, and watch them for MEASURE_S."""
    with tempfile.TemporaryDirectory(prefix="sipagent-bench-") as name:
        directory = Path(name)
        async with (
            model(directory, conditions) as (model_pid, url),
            phones(directory, srtp=conditions.srtp) as far,
            _server(directory, url, conditions) as server,
        ):
            ours = (server.process.pid, *server.workers)
            idle = Usage.of(*ours)
            async with dialled(server, conditions, far.port) as sipp_pid:
                await _all_up(server, conditions.calls)
                await asyncio.sleep(SETTLE_S)
                others = (model_pid, far.process.pid, sipp_pid)
                cost = await _watch(server, far, others, idle, conditions)
            await server.kill(workers_too=True)
            return cost


@contextlib.asynccontextmanager
async def _server(directory: Path, url: str, conditions: Conditions) -> AsyncIterator[Server]:
    agent = {
        "record": conditions.records,
        "backend": {
            "kind": "openai_realtime",
            "url": url,
            "audio": conditions.audio,
            "extra_session": NO_TURNS,
            "ready_deadline_ms": 10000,
        },
    }
    setup = write_setup(
        directory / "server",
        url,
        agent=agent,
        trunk={"srtp": "required" if conditions.srtp else "off"},
        rtp_pairs=conditions.calls + 20,
        logging={"level": "info"},
    )
    # The server inherits whom it is to trust.
    trusted = {"SSL_CERT_FILE": str(directory / "model.pem")} if conditions.tls else {}
    with mock.patch.dict(os.environ, trusted):
        async with running(setup) as server:
            yield server


async def _all_up(server: Server, calls: int) -> None:
    deadline = time.monotonic() + calls / CALLS_PER_S + PATIENCE_S
    while (active := await _active(server)) < calls:
        if time.monotonic() > deadline:
            raise RuntimeError(f"only {active} of {calls} calls are up\n{server.tail()}")
        await asyncio.sleep(0.5)


async def _active(server: Server) -> float:
    metrics = await server.metrics()
    return sum(value for name, value in metrics.items() if name.startswith("sipagent_calls_active"))


async def _watch(
    server: Server, far: Phones, others: tuple[int, ...], idle: Usage, conditions: Conditions
) -> Cost:
    calls, control, workers = conditions.calls, server.process.pid, server.workers
    metrics = await server.metrics()
    await far.report()
    began, before = time.monotonic(), [_cpu_s(pid) for pid in (control, *workers)]
    others_before = Usage.of(*others)
    await asyncio.sleep(MEASURE_S)
    used = [_cpu_s(pid) - earlier for pid, earlier in zip((control, *workers), before, strict=True)]
    elapsed_s = time.monotonic() - began
    heard, sent, _, missing, late_us = await far.report()
    others_s = Usage.of(*others).cpu_s - others_before.cpu_s
    pss_mb = Usage.of(control, *workers).pss_mb - idle.pss_mb
    after = await server.metrics()
    active = await _active(server)
    if heard != calls or active != calls:
        raise RuntimeError(f"of {calls} calls {active} are up and {heard} are heard")
    return Cost(
        conditions,
        workers_share=100 * sum(used[1:]) / elapsed_s / calls,
        control_share=100 * used[0] / elapsed_s / calls,
        pss_mb=pss_mb / calls,
        late_p99_ms=_late_p99_ms(metrics, after),
        starved=int(_grown("sipagent_agent_starved_frames_total", metrics, after)),
        lost_out=missing,
        sent_in=sent / elapsed_s / calls,
        phones_late_ms=late_us / 1000,
        others_share=100 * others_s / elapsed_s,
    )


def _grown(name: str, before: dict[str, float], after: dict[str, float]) -> float:
    return sum(value - before.get(key, 0) for key, value in after.items() if key.startswith(name))


def _late_p99_ms(before: dict[str, float], after: dict[str, float]) -> float:
    """The bound of the bucket that holds it."""
    counts: dict[float, float] = {}
    for key, value in after.items():
        if key.startswith("sipagent_tick_late_seconds_bucket"):
            bound = float(key.partition('le="')[2].partition('"')[0])
            counts[bound] = counts.get(bound, 0) + value - before.get(key, 0)
    return 1000 * min(bound for bound, count in counts.items() if count >= 0.99 * max(counts.values()))


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _CLOCK_TICKS


def _pss_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
