"""Who takes part when a call's cost is measured: a model, SIPp, callers' media, and the server."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path

import pylibsrtp

from benchmarks.cost.conditions import Conditions
from benchmarks.load.peers import Peers, peers
from benchmarks.load.sipp import sipp, write_callers
from benchmarks.load.track import callers_speech, callers_track, whole
from rtp.packet import RtpPacket, serialize
from tests.e2e.support.ports import free_port
from tests.e2e.support.server import Server, running
from tests.e2e.support.setup import HOST, NUMBER, write_setup

SUITE = "AES_CM_128_HMAC_SHA1_80"
CRYPTO_KEY = bytes(range(30))
SSRC = 0x5EED
FRAME = 160
LONGEST_S = 150
"""How long calls may be: SRTP can't be said twice."""
CALLS_PER_S = 25.0
SPARE_PAIRS = 20
NO_TURNS = {"audio": {"input": {"turn_detection": None}}}


@contextlib.asynccontextmanager
async def model(directory: Path, conditions: Conditions) -> AsyncIterator[tuple[int, str]]:
    """Its process and URL. With TLS its certificate is in `directory`."""
    port = free_port()
    files = await asyncio.to_thread(_certificate, directory) if conditions.tls else ()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.cost.model", str(port), conditions.audio, *files),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        if not await process.stdout.readline():
            raise RuntimeError("the model did not start")
        yield process.pid, f"{'wss' if conditions.tls else 'ws'}://{HOST}:{port}/v1/realtime"
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def _certificate(directory: Path) -> tuple[Path, Path]:
    certificate, key = directory / "model.pem", directory / "model.key"
    subject = ("-subj", f"/CN={HOST}", "-addext", f"subjectAltName=IP:{HOST}")
    make = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject)
    subprocess.run([*make, "-out", certificate, "-keyout", key], check=True, capture_output=True)
    return certificate, key


@contextlib.asynccontextmanager
async def callers_media(directory: Path, conditions: Conditions) -> AsyncIterator[Peers]:
    track = directory / "track"
    track.write_bytes(await asyncio.to_thread(secret_track if conditions.srtp else callers_track))
    async with peers(HOST, track) as media:
        yield media


def secret_track() -> bytes:
    """Speech as SRTP. One key and one SSRC for all: to each call it is a stream of its own."""
    session = pylibsrtp.Session(pylibsrtp.Policy(CRYPTO_KEY, pylibsrtp.Policy.SSRC_ANY_OUTBOUND))
    speech = callers_speech()
    speech += speech[: -len(speech) % FRAME]
    packets = (
        RtpPacket(0, number, number * FRAME, SSRC, speech[at : at + FRAME])
        for number in range(LONGEST_S * 50)
        for at in [number * FRAME % len(speech)]
    )
    return whole(session.protect(serialize(packet)) for packet in packets)


@contextlib.asynccontextmanager
async def dialled(server: Server, conditions: Conditions, media: Peers) -> AsyncIterator[int]:
    """All calls, as SIPp makes them: its process. Returns at once."""
    directory = server.setup.config.parent
    callers = directory / "callers"
    crypto = f"a=crypto:1 {SUITE} inline:{b64encode(CRYPTO_KEY).decode()}" if conditions.srtp else ""
    write_callers(callers, media.ports, conditions.calls, crypto)
    async with sipp(
        "calls",
        "uac-load-held-bye",
        directory,
        (HOST, server.setup.sip_port),
        NUMBER,
        *("-inf", str(callers), "-d", str(1000 * LONGEST_S), "-l", str(conditions.calls)),
        calls=conditions.calls,
        rate_per_s=CALLS_PER_S,
        lasts_s=LONGEST_S,
    ) as made:
        yield made.pid


@contextlib.asynccontextmanager
async def served(directory: Path, url: str, conditions: Conditions) -> AsyncIterator[Server]:
    """`sipagent run` for these calls."""
    agent = {
        "record": conditions.records,
        "backend": {
            "kind": "openai_realtime",
            "url": url,
            "audio": conditions.audio,
            "extra_session": NO_TURNS,
            "ready_deadline_ms": 10000,
            "send_every_ms": conditions.send_every_ms,
        },
    }
    setup = write_setup(
        directory / "server",
        url,
        agent=agent,
        trunk={"srtp": "required" if conditions.srtp else "off"},
        rtp_pairs=conditions.calls + SPARE_PAIRS,
        logging={"level": "info"},
    )
    trusting = ("env", f"SSL_CERT_FILE={directory / 'model.pem'}") if conditions.tls else ()
    async with running(setup, wrapper=trusting) as server:
        yield server
