"""The machine: open files, clock, scheduling and disk."""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from sipagent.config import Config
from sipagent.doctor.finding import Finding, fail, ok, warn
from sipagent.worker.priority import Standing, claim

#: What a call holds beside its ports in one process: a SIP connection, or a WebSocket and a recording.
FILES_PER_CALL = 2
FILES_OTHERWISE = 256
#: Two channels of 16 bit at 8000 Hz.
RECORDING_BYTES_PER_S = 32_000

_STA_UNSYNC = 0x40
_TIMEX_BYTES = 256
_TIMEX_STATUS_OFFSET = 40


async def check_open_files(config: Config) -> list[Finding]:
    return [open_files(config, resource.getrlimit(resource.RLIMIT_NOFILE)[0])]


def open_files(config: Config, limit: int) -> Finding:
    """The server keeps every pair of ports that it ever bound, and hands them out at random: all count."""
    pairs, calls = config.rtp.port_pairs, config.limits.max_calls
    needed = 2 * pairs + FILES_PER_CALL * calls + FILES_OTHERWISE
    detail = f"{limit} allowed, {needed} needed for {pairs} pairs of ports and {calls} calls"
    if limit != resource.RLIM_INFINITY and limit < needed:
        fix = f"Set LimitNOFILE={needed} in the unit (ulimit -n in a shell), or narrow the rtp port range."
        return fail("open files", detail, fix)
    return ok("open files", detail)


async def check_clock(config: Config) -> list[Finding]:
    return [clock(time.time(), _is_synchronised())]


def clock(wall: float, synchronised: bool | None) -> Finding:
    """The wall clock stands in call records and decides which certificates are valid."""
    shown = datetime.fromtimestamp(wall, UTC).isoformat(timespec="seconds")
    fix = "Run a time service: apt-get install systemd-timesyncd, or chrony."
    if wall < Path(__file__).stat().st_mtime - 86400:
        return fail("clock", f"{shown} is before this program was installed", fix)
    if synchronised is False:
        return warn("clock", f"{shown}, not synchronised", fix)
    return ok("clock", f"{shown}, {'synchronised' if synchronised else 'synchronisation unknown'}")


def _is_synchronised() -> bool | None:
    """What the kernel knows (adjtimex(2)); None where it won't tell."""
    timex = ctypes.create_string_buffer(_TIMEX_BYTES)  # modes 0: reads only
    if ctypes.sizeof(ctypes.c_long) != 8 or ctypes.CDLL(None).adjtimex(timex) < 0:
        return None
    status = ctypes.c_int.from_buffer(timex, _TIMEX_STATUS_OFFSET).value
    return not status & _STA_UNSYNC


async def check_scheduling(config: Config) -> list[Finding]:
    """Asked of a thread, which takes what it was given along when it ends."""
    standing: list[Standing] = []
    asking = threading.Thread(target=lambda: standing.append(claim()))
    asking.start()
    asking.join()
    return [scheduling(*standing)]


def scheduling(standing: Standing) -> Finding:
    if standing is Standing.REAL_TIME:
        return ok("scheduling", "media workers run in real time")
    detail = "media workers are late when others want their cores: they may not run in real time"
    fix = "Set LimitRTPRIO=1 in the unit (ulimit -r 1 in a shell), or AmbientCapabilities=CAP_SYS_NICE."
    return warn("scheduling", detail, fix)


async def check_storage(config: Config) -> list[Finding]:
    return [storage(config)]


def storage(config: Config) -> Finding:
    directory = config.storage.directory
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        fix = f"Make it and give it to the user that runs sipagent: install -d -o sipagent {directory}."
        return fail("storage", f"{directory} can't be written", fix)
    return space(config, shutil.disk_usage(existing).free)


def space(config: Config, free: int) -> Finding:
    hour = config.limits.max_calls * RECORDING_BYTES_PER_S * 3600
    hours = free / hour
    detail = f"{config.storage.directory}, {free / 1e9:.1f} GB free: {hours:.0f} h of recording every call"
    if hours < 1:
        fix = "Free or add disk space, delete old recordings, or set record: false where it isn't needed."
        return warn("storage", detail, fix)
    return ok("storage", detail)
