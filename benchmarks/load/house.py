"""Everything that a run of load needs, started and stopped: server, models, callers' media."""

from __future__ import annotations

import asyncio
import contextlib
import math
import signal
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from benchmarks.load.peers import Peers, peers
from benchmarks.load.plan import Plan
from benchmarks.load.track import callers_track
from benchmarks.speech import RATE, VOICES, Pcm, speech
from rtp.wav import header
from sipagent.simulator.realtime_options import Call, Faults, Pattern, RealtimeOptions, Turn, Wav
from sipagent.simulator.realtime_server import RealtimeServer
from tests.e2e.support import processes
from tests.e2e.support.ports import free_port
from tests.e2e.support.server import SIPAGENT
from tests.e2e.support.setup import HOST, Setup, write_setup

NUMBERS = {"1000": "receptionist", "2000": "reference", "3000": "slow", "4000": "leaving"}
TOKEN = "token-of-the-load-harness"
API = {"tokens": [{"name": "load", "token": {"file": "token"}, "scopes": ["calls:originate"]}]}
REFERRED = {"refer_to_template": "sip:{number}@127.0.0.1:9", "outcome_timeout_s": 5}
OUTBOUND = {"allow": ["+1555"], "default_tenant": {"calls_per_s": 50, "max_concurrent": 100}}
SALES = {"sales": {"to": "+15550100", "how": "refer"}}
NO_TURNS = {"audio": {"input": {"turn_detection": None}}}
NEVER = {"kind": "server_vad", "threshold": 1.0}
REPLIES, REPLY_S = 4, 6
RINGS_S = 2.0
REFERENCE_CHUNK_MS = 2000, 4000
REFERENCE_LEAD_S = 120
"""How far ahead of the caller's ear the reference model is at the end: playout has room for 180 s."""
SPARE_S = 600
START_PATIENCE_S, STOP_PATIENCE_S = 60.0, 45.0


@dataclass(frozen=True, slots=True)
class House:
    """What runs. `log` is the server's."""

    setup: Setup
    control: int
    model: int
    peers: Peers
    reference_model: RealtimeServer
    callee_port: int
    unstopped: list[str]
    log: Path

    @property
    def workers(self) -> list[int]:
        return processes.children(self.control)

    @property
    def server_pids(self) -> dict[str, int]:
        return {"control": self.control} | {
            f"worker {number}": pid for number, pid in enumerate(self.workers)
        }


@contextlib.asynccontextmanager
async def house(
    plan: Plan, directory: Path, trouble: Mapping[str, Any] | None = None
) -> AsyncIterator[House]:
    """`trouble` is laid over the options of the callers' model: to see what the harness makes of it."""
    track = directory / "track"
    track.write_bytes(await asyncio.to_thread(callers_track))
    write_replies(directory)
    async with (
        model(directory, trouble or {}) as (model_pid, url),
        RealtimeServer(reference_options(directory, plan)) as reference,
        RealtimeServer(slow_options()) as slow,
        RealtimeServer(leaving_options()) as leaving,
        peers(HOST, track) as media,
    ):
        callee_port = free_port()
        called = {"uri_template": f"sip:{{number}}@{HOST}:{callee_port}"}
        (directory / "server").mkdir()
        (directory / "server/token").touch(0o600)
        (directory / "server/token").write_text(TOKEN)
        setup = write_setup(
            directory / "server",
            url,
            agent=receptionist(url, plan),
            agents={
                "reference": {"greeting": "Hello", "backend": backend(reference.url, extra_session=NO_TURNS)},
                "slow": {"backend": backend(slow.url)},
                "leaving": leaving_agent(leaving.url),
            },
            trunk={"numbers": NUMBERS, "transfer": called | REFERRED},
            api=API,
            outbound=OUTBOUND,
            rtp_pairs=plan.port_pairs,
            media={"workers": plan.workers},
            limits=limits(plan),
            logging={"level": "info"},
        )
        log = directory / "server.log"
        unstopped: list[str] = []
        async with server(setup, log, unstopped) as control:
            yield House(setup, control, model_pid, media, reference, callee_port, unstopped, log)


def limits(plan: Plan) -> dict[str, Any]:
    """Calls may last longer than the run: the reference call is on throughout."""
    return {
        "max_calls": plan.room,
        "max_calls_per_second": 1000,
        "max_call_duration_s": math.ceil(plan.lasts_s) + SPARE_S,
        "drain_deadline_s": 5,
    }


def receptionist(url: str, plan: Plan) -> dict[str, Any]:
    audio = {"audio": "pcm24"} if plan.wideband else {}
    return {"greeting": "Hello", "backend": backend(url, **audio), "turn_detection": {"kind": "server_vad"}}


def leaving_agent(url: str) -> dict[str, Any]:
    tools = {"transfer": {"kind": "transfer", "targets": ["sales"]}}
    return {
        "greeting": "Hello",
        "backend": backend(url),
        "turn_detection": NEVER,
        "transfers": SALES,
        "tools": tools,
    }


def backend(url: str, **keys: Any) -> dict[str, Any]:
    return {"kind": "openai_realtime", "url": url, **keys}


# --- models -------------------------------------------------------------------------------------------


def write_replies(directory: Path) -> None:
    """What models say: a voice, in parts."""
    words = speech(VOICES[1])
    _write_wav(directory / "whole.wav", words)
    for number in range(REPLIES):
        at = number * REPLY_S * RATE % (len(words) - REPLY_S * RATE)
        _write_wav(directory / f"reply-{number}.wav", words[at : at + REPLY_S * RATE])


def _write_wav(path: Path, words: Pcm) -> None:
    pcm = words.tobytes()
    path.write_bytes(header(channels=1, rate=RATE, data_bytes=len(pcm)) + pcm)


@contextlib.asynccontextmanager
async def model(directory: Path, trouble: Mapping[str, Any]) -> AsyncIterator[tuple[int, str]]:
    """The callers' model in a process of its own: its pid, and its URL."""
    port, script = free_port(), directory / "model.yaml"
    turns = [{"heard": "Go on.", "reply": [{"wav": f"reply-{number}.wav"}]} for number in range(REPLIES)]
    options = {"turns": turns, "obedient": False, "turns_by_clock": {}} | dict(trouble)
    script.write_text(yaml.safe_dump(options))
    process = await asyncio.create_subprocess_exec(
        *(SIPAGENT, "simulate", "realtime", "--port", str(port), "--script", script),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(START_PATIENCE_S):
            if not await process.stdout.readline():
                raise RuntimeError("the simulated model did not start")
        yield process.pid, f"ws://{HOST}:{port}/v1/realtime"
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def reference_options(directory: Path, plan: Plan) -> RealtimeOptions:
    """It speaks through the whole of the call."""
    whole = len(speech(VOICES[1])) / RATE
    parts = [Wav(wav=directory / "whole.wav") for _ in range(int(plan.lasts_s / whole) + 2)]
    return RealtimeOptions(
        script=(Turn(reply=parts),),
        obedient=False,
        speed=min(2.0, 1 + REFERENCE_LEAD_S / plan.lasts_s),
        chunk_ms=REFERENCE_CHUNK_MS,
    )


def slow_options() -> RealtimeOptions:
    """Calls ring until its session is configured."""
    return RealtimeOptions(faults=Faults(updated_delay_s=RINGS_S), log_events=False)


def leaving_options() -> RealtimeOptions:
    leave = Call(call="transfer", arguments={"target": "sales", "summary": "wants a bicycle"})
    turn = Turn(reply=[Pattern(pattern_ms=600, number=1), leave])
    return RealtimeOptions(script=(turn,), obedient=False, log_events=False)


# --- the server ---------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def server(setup: Setup, log: Path, unstopped: list[str]) -> AsyncIterator[int]:
    """`sipagent run`, ready for calls; its pid. It is stopped in good order, or killed and told of."""
    with log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            SIPAGENT, "run", "-c", setup.config, stdin=asyncio.subprocess.DEVNULL, stderr=stderr
        )
    try:
        await _ready(process, setup, log)
        yield process.pid
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_PATIENCE_S):
                await process.wait()
        except TimeoutError:
            unstopped.append(f"the server had not stopped {STOP_PATIENCE_S:g} s after SIGTERM")
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _ready(process: asyncio.subprocess.Process, setup: Setup, log: Path) -> None:
    url = f"http://{HOST}:{setup.http_port}/readyz"
    async with asyncio.timeout(START_PATIENCE_S), httpx.AsyncClient(trust_env=False) as client:
        while process.returncode is None:
            with contextlib.suppress(httpx.TransportError):
                if (await client.get(url)).status_code == 200:
                    return
            await asyncio.sleep(0.1)
    raise RuntimeError(f"the server did not start: see {log}")
