"""What processes hold, by proc(5)."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

#: TCP_LISTEN, as /proc/net/tcp writes it.
_LISTENING = "0A"


@dataclass(frozen=True, slots=True)
class Holdings:
    """Open files by what they are, and threads."""

    files: Counter[str]
    threads: int

    def beyond(self, idle: Holdings) -> Counter[str]:
        """What is held now and wasn't when idle."""
        return self.files - idle.files + Counter({"threads": max(0, self.threads - idle.threads)})


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_alive(pid: int) -> bool:
    """Runs, and isn't a zombie."""
    return _state(pid) not in ("Z", None)


def is_stopped(pid: int) -> bool:
    """Stands still since a SIGSTOP."""
    return _state(pid) == "T"


def _state(pid: int) -> str | None:
    """The letter of proc(5); None if there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None


def holdings(pid: int, ports: Collection[int] = ()) -> Holdings:
    """What may not grow. Not counted: sockets on local `ports`, because the RTP port pool keeps what it once
    bound, and pjsip a SIP connection until its last transaction is over (64 T1); and /dev/null, which pjsip
    opens with its first call, once.
    """
    inodes = _inodes(pid, "udp") | _inodes(pid, "tcp")
    kept = {f"socket:[{inode}]" for inode, port in inodes.items() if port in ports} | {os.devnull}
    files = Counter(_kind(name) for name in _open_files(pid) if name not in kept)
    return Holdings(files, len(os.listdir(f"/proc/{pid}/task")))


def bound(pid: int, pool: Collection[int]) -> set[int]:
    """The UDP ports of `pool` that a process holds."""
    ports = _inodes(pid, "udp")
    inodes = (name.removeprefix("socket:[").removesuffix("]") for name in _open_files(pid))
    return {ports[inode] for inode in inodes if ports.get(inode) in pool}


def connections(pid: int, ports: Collection[int]) -> int:
    """How many TCP connections to these local ports a process holds, listeners not counted."""
    inodes = _inodes(pid, "tcp", without_state=_LISTENING)
    names = (name.removeprefix("socket:[").removesuffix("]") for name in _open_files(pid))
    return sum(inodes.get(name) in ports for name in names)


def _open_files(pid: int) -> list[str]:
    names = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            names.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
        except FileNotFoundError:
            continue
    return names


def _inodes(pid: int, protocol: str, without_state: str = "") -> dict[str, int]:
    """Inode of each socket in the process's network namespace, and its local port."""
    tables = (Path(f"/proc/{pid}/net/{table}").read_text() for table in (protocol, f"{protocol}6"))
    rows = [row.split() for table in tables for row in table.splitlines()[1:]]
    return {row[9]: int(row[1].rpartition(":")[2], 16) for row in rows if row[3] != without_state}


def _kind(name: str) -> str:
    return name.partition(":[")[0]
