"""The demo: a server, a simulated model and a simulated caller hold a conversation on loopback.

The server is a process of its own, started as in production. All that the timeline shows comes from its log,
and the table at the end from the call record.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sipagent.config import HostPort
from sipagent.simulator.caller import CallerOptions, CallOutcome, place_call, utterance
from sipagent.simulator.realtime_options import RealtimeOptions, Say, Turn
from sipagent.simulator.realtime_server import RealtimeServer

GREETING = "Hello, this is Anna of the sipagent demo. How can I help you?"
SCRIPT = (
    Turn(
        heard="Hi, when are you open?",
        reply=[
            Say(
                say="We are open Monday to Friday, from nine in the morning until six in the evening. "
                "In the summer holidays we close at four, and on the last Friday of every month at noon."
            )
        ],
    ),
    Turn(heard="Sorry, only Saturday, please.", reply=[Say(say="On Saturdays, from ten to two.")]),
    Turn(heard="Thank you, goodbye.", reply=[Say(say="You are welcome. Goodbye!")]),
)
SAYINGS = ("Hi, when are you open?", "!Sorry, only Saturday, please.", "Thank you, goodbye.")
START_DEADLINE_S = 20.0


async def show(directory: Path, console: Console) -> int:
    """Run the demo in `directory`, emptied first. Returns the exit status: 0 if all of it happened."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    console.print("[bold]sipagent demo[/]: a phone call to a simulated voice model, on this machine only\n")
    async with RealtimeServer(RealtimeOptions(script=SCRIPT, log_events=False)) as model:
        config, sip_port, caller_port = write_config(directory, model.url)
        server = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "sipagent.cli", "run", "-c", str(config)),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        timeline = Timeline(console)
        following = asyncio.create_task(timeline.follow(server, directory / "server.log"))
        try:
            await asyncio.wait_for(timeline.started.wait(), START_DEADLINE_S)
            outcome = await call(sip_port, caller_port)
        finally:
            if server.returncode is None:
                server.send_signal(signal.SIGTERM)
            status = await server.wait()
            await following
    outcome.write_wav(directory / "heard-by-caller.wav")
    record = last_record(directory)
    print_record(console, record, directory)
    return 0 if status == 0 and record["end_reason"] == "caller_hung_up" and interrupted(record) else 1


async def call(sip_port: int, caller_port: int) -> CallOutcome:
    options = CallerOptions(
        uri=f"sip:+15550100@127.0.0.1:{sip_port}",
        listen=HostPort("127.0.0.1", caller_port),
        from_uri="sip:+15550199@127.0.0.1",
        utterances=[await asyncio.to_thread(utterance, text) for text in SAYINGS],
        ports=free_port_range(64),
    )
    return await place_call(options)


class Timeline:
    """Prints what happens in the call, as the server's log tells it."""

    def __init__(self, console: Console) -> None:
        self.started = asyncio.Event()
        self._console = console
        self._began: float | None = None

    async def follow(self, server: asyncio.subprocess.Process, log: Path) -> None:
        """Read the server's log to its end, and keep a copy."""
        assert server.stderr is not None
        with open(log, "wb") as copy:
            async for line in server.stderr:
                copy.write(line)
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue
                self._tell(entry)

    def _tell(self, entry: Mapping[str, Any]) -> None:
        event = entry.get("event")
        if event == "server_started":
            self.started.set()
        if event == "call_received":
            self._began = entry["at"]
        row = TIMELINE.get(str(event))
        if row is None or self._began is None or "at" not in entry:
            return
        who, text = row
        at_s = entry["at"] - self._began
        told = escape(text.format(**entry))
        if event == "agent_speech_ended" and entry["interrupted"]:
            told = (
                f"[bold red]interrupted[/] after {entry['played_ms']} ms; {entry['flushed_ms']} ms never sent"
            )
        if event == "transcript":
            who = entry["role"]
        self._console.print(f"{at_s:6.2f} s  [{COLOURS[who]}]{who:<7}[/] {told}", highlight=False)


COLOURS = {"sip": "blue", "media": "magenta", "caller": "green", "agent": "cyan"}
#: What is shown of which log line, and whose doing it is.
TIMELINE = {
    "call_received": ("sip", "INVITE from {from_number} to {to_number}"),
    "call_admitted": ("sip", "admitted by {route}, 180 Ringing"),
    "leg_ready": ("media", "backend ready after {ready_ms} ms"),
    "path_built": ("media", "{path}"),
    "call_answered": ("sip", "200 OK, {codec}"),
    "media_started": ("media", "first RTP from {source}, source locked"),
    "agent_speech_started": ("agent", "speaks"),
    "agent_speech_ended": ("agent", "spoke for {played_ms} ms"),
    "speech_started": ("caller", "speaks"),
    "speech_stopped": ("caller", "is silent"),
    "transcript": ("caller", "“{text}”"),
    "call_ended": ("sip", "call ended: {end_reason}"),
}


def write_config(directory: Path, model_url: str) -> tuple[Path, int, int]:
    """A configuration of the usual shape. Returns its file and the SIP ports of server and caller."""
    sip_port, caller_port, http_port = (free_port(kind) for kind in (_UDP, _UDP, _TCP))
    first, last = free_port_range(64)
    files = {
        "sipagent.yaml": {
            "sip": {"listen_udp": f"127.0.0.1:{sip_port}", "listen_tcp": None},
            "rtp": {"bind_address": "127.0.0.1", "first_port": first, "last_port": last},
            "limits": {"max_calls": 10, "drain_deadline_s": 10},
            "http": {"listen": f"127.0.0.1:{http_port}"},
            "storage": {"directory": "../data"},
            "logging": {"level": "debug", "full_numbers": True},
        },
        "trunks/demo.yaml": {"allowed_addresses": ["127.0.0.1"], "numbers": {"+15550100": "anna"}},
        "agents/anna.yaml": {
            "backend": {"kind": "openai_realtime", "url": model_url},
            "instructions": "You are Anna, the receptionist of the sipagent demo.",
            "greeting": GREETING,
        },
    }
    for name, content in files.items():
        path = directory / "config" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content, sort_keys=False))
    return directory / "config" / "sipagent.yaml", sip_port, caller_port


def last_record(directory: Path) -> dict[str, Any]:
    lines = [line for path in sorted(directory.glob("data/spool/calls-*.jsonl")) for line in path.open()]
    record: dict[str, Any] = json.loads(lines[-1])
    return record


def interrupted(record: Mapping[str, Any]) -> bool:
    return any(turn["interrupted"] for turn in record["turns"])


def print_record(console: Console, record: Mapping[str, Any], directory: Path) -> None:
    """What happened, and where it is kept."""
    turns = Table(
        "who", "from", "to", "heard", "cut", "holes", "said", title="\nThe conversation", title_justify="left"
    )
    for turn in record["turns"]:
        agent = turn["role"] == "agent"
        turns.add_row(
            turn["role"],
            f"{turn['started_s']:.2f} s",
            "" if turn["ended_s"] is None else f"{turn['ended_s']:.2f} s",
            f"{turn['played_ms']} ms" if agent else "",
            f"{turn['flushed_ms']} ms" if turn["interrupted"] else "",
            str(sum(turn["starvations"].values())) if agent else "",
            escape(turn["text"] or ""),
        )
    console.print(turns)
    console.print(facts_of(record))
    kept = {
        "recording": Path(record["recording"]),
        "transcript": Path(record["transcript"]),
        "call record": next(directory.glob("data/spool/calls-*.jsonl")),
        "heard by the caller": directory / "heard-by-caller.wav",
        "server's log": directory / "server.log",
    }
    console.print("\nKept for you:")
    for what, path in kept.items():
        console.print(f"  {what:<20} {os.path.relpath(path)}", highlight=False, soft_wrap=True)


def facts_of(record: Mapping[str, Any]) -> Table:
    rtp, timings = record["rtp"], record["timings"]
    inbound, outbound = rtp["inbound"], rtp["outbound"]
    first_audio = f"first agent audio {timings['first_agent_audio_ms']} ms after the INVITE"
    tokens = record["usage"].get("response", {}).get("total_tokens", 0)
    jitter = f"jitter {inbound['jitter_mean_ms']:.2f} ms"
    table = Table(show_header=False, title="\nThe call", title_justify="left")
    table.add_row("ended", f"{record['end_reason']} after {record['duration_s']:.1f} s, {record['codec']}")
    table.add_row("set-up", f"answered {timings['answered_ms']} ms, {first_audio}")
    table.add_row(
        "RTP in", f"{inbound['packets']} packets, {inbound['lost']} lost, {jitter}, MOS {inbound['mos']}"
    )
    table.add_row("RTP out", f"{outbound['packets']} packets, {outbound['lost'] or 0} lost")
    table.add_row("usage", f"{tokens} tokens")
    return table


_UDP, _TCP = socket.SOCK_DGRAM, socket.SOCK_STREAM


def free_port(kind: socket.SocketKind) -> int:
    """A port that nobody has bound at this moment."""
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def free_port_range(size: int) -> tuple[int, int]:
    """An even first port and the last one of `size` that follow it, away from the ephemeral ones."""
    first = 20000 + (time.monotonic_ns() // 1000 * size) % 10000 // 2 * 2
    return first, first + size - 1
