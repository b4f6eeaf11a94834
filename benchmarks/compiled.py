"""Programs in C that measure where Python would disturb."""

from __future__ import annotations

import subprocess
from pathlib import Path

BUILD = Path(__file__).parents[1] / "build"


def built(source: Path) -> Path:
    """The program of one file, compiled unless it is newer. Raises CalledProcessError."""
    program = BUILD / source.stem
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        BUILD.mkdir(exist_ok=True)
        command = ["cc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-o", program, source]
        subprocess.run(command, check=True)
    return program
