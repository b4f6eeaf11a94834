"""What processes use, by proc(5)."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
CORES = os.cpu_count() or 1

_UTIME, _STIME, _THREADS = 11, 12, 17
"""Places in /proc/PID/stat, counted from behind the command."""
_IDLE, _IOWAIT, _STEAL, _GUEST = 3, 4, 7, 8
"""Places in the first line of /proc/stat."""


@dataclass(frozen=True, slots=True)
class Usage:
    """One process at one moment; `cpu_s` since it began."""

    cpu_s: float
    rss_bytes: int
    threads: int
    fds: int


def usage(pid: int) -> Usage | None:
    """None once the process is gone."""
    directory = Path(f"/proc/{pid}")
    try:
        stat = (directory / "stat").read_text().rpartition(")")[2].split()
        resident = int((directory / "statm").read_text().split()[1])
        fds = len(os.listdir(directory / "fd"))
    except (FileNotFoundError, ProcessLookupError):
        return None
    cpu_s = (int(stat[_UTIME]) + int(stat[_STIME])) / TICKS_PER_S
    return Usage(cpu_s, resident * PAGE_BYTES, int(stat[_THREADS]), fds)


def udp_sockets(ports: Collection[int]) -> int:
    """How many sockets of this network namespace are bound to one of these ports, over IPv4."""
    rows = Path("/proc/net/udp").read_text().splitlines()[1:]
    return sum(int(row.split()[1].rpartition(":")[2], 16) in ports for row in rows)


def pss_bytes(pid: int) -> int:
    """Memory with its share of what is shared; reading it takes the kernel some milliseconds."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return 1024 * int(line.split()[1])
    return 0


def machine_busy_s() -> float:
    """CPU time that all cores have been busy, since some moment in the past.

    By cgroup(7) if there is one that covers us, for /proc/stat counts by ticks, and misses work that is done
    between them, such as that of timers.
    """
    if (of_all := Path("/sys/fs/cgroup/cpu.stat")).exists():
        return int(of_all.read_text().split()[1]) / 1e6
    if (of_all := Path("/sys/fs/cgroup/cpuacct/cpuacct.usage")).exists():
        return int(of_all.read_text()) / 1e9
    ticks = _ticks()
    return (sum(ticks[:_GUEST]) - ticks[_IDLE] - ticks[_IOWAIT] - ticks[_STEAL]) / TICKS_PER_S


def stolen_s() -> float:
    """Time in which this machine, a virtual one, had work and its host ran others, of all cores together."""
    return _ticks()[_STEAL] / TICKS_PER_S


def _ticks() -> list[int]:
    return [int(each) for each in Path("/proc/stat").read_text().partition("\n")[0].split()[1:]]


def shares(before: Mapping[str, float], after: Mapping[str, float], elapsed_s: float) -> dict[str, float]:
    """Of a core, by name, from CPU times; what began meanwhile counts from nothing."""
    return {name: (cpu_s - before.get(name, 0.0)) / elapsed_s for name, cpu_s in after.items()}
