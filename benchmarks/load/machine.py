"""What a measurement was made on, and of which program."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[2]


def description() -> str:
    """Cores, processor, memory and kernel, in one line."""
    cpu = next(
        (line.partition(": ")[2] for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    kib = next(int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal"))
    return f"{os.cpu_count()} cores ({cpu}), {kib / 2**20:.0f} GB, Linux {platform.release()}"


def version() -> str:
    """The package's, with the commit where it is a checkout."""
    asked = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return f"{metadata.version('sipagent')} {asked.stdout.strip()}".strip()


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()
