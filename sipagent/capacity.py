"""How many calls this machine was seen to carry: `sipagent capacity` finds it out, the doctor compares."""

from __future__ import annotations

import hashlib
import os
import platform
from pathlib import Path
from typing import Literal

import msgspec

from sipagent.config import Config

#: What may be promised of what was held.
PEAK_SHARE = 0.5


class Capacity(msgspec.Struct, frozen=True, kw_only=True):
    """A measurement, as it is kept in the state directory.

    `calls` at once held the service level, and `broken_at` calls did not, for the reason in `broken_by`; null
    if none were tried that didn't. `limited_by` is `peers` where the callers and the model, which shared the
    machine, gave way before the server. `settings` is the `fingerprint` of the configuration.
    """

    calls: int
    broken_at: int | None
    broken_by: str
    limited_by: Literal["server", "peers"]
    machine: str
    version: str
    settings: str
    measured_at: str

    @property
    def peak(self) -> int:
        """How many calls at once should be promised."""
        return int(self.calls * PEAK_SHARE)


def write(path: Path, capacity: Capacity) -> None:
    """Replaces what was there. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".new")
    unfinished.write_bytes(msgspec.json.format(msgspec.json.encode(capacity), indent=1) + b"\n")
    unfinished.replace(path)


def read(path: Path) -> Capacity | None:
    """None without a file. Raises OSError, or ValueError of a file that is something else."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Capacity)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:
        raise ValueError(f"{path}: {error}") from None


def fingerprint(config: Config) -> str:
    """Of the settings that a measurement takes from the configuration: the media workers."""
    return hashlib.sha256(config.media.model_dump_json().encode()).hexdigest()[:16]


def this_machine() -> str:
    """Cores, processor, memory and kernel, in one line. Raises OSError where there is no proc(5)."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = (line.partition(": ")[2] for line in lines if line.startswith("model name"))
    memory_kib = int(Path("/proc/meminfo").read_text().split()[1])
    processor = next(names, platform.machine())
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores ({processor}), {memory_kib / 2**20:.0f} GB, Linux {platform.release()}"
