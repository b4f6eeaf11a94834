"""The steps of a build: each is a command, its output is in the log, and one that fails ends the build."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sipagent"
LOG = CACHE / "pjsua2-build.log"


class BuildFailed(Exception):
    """The message names the step; the log has the rest."""


def say(text: str) -> None:
    print(f"pjsua2: {text}", flush=True)


def run(step: str, command: list[str], cwd: Path, env: dict[str, str] | None = None) -> None:
    """Run one command with its output in the log, and a sign of life every 15 s."""
    started = time.monotonic()
    with LOG.open("ab") as log:
        log.write(f"\n=== {step}: {' '.join(command)}\n".encode())
        log.flush()
        try:
            process = subprocess.Popen(
                command,
                cwd=cwd,
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        except OSError as error:
            raise BuildFailed(f"{step}: {error}") from error
        while True:
            try:
                status = process.wait(timeout=15)
                break
            except subprocess.TimeoutExpired:
                say(f"  ... {step}, {time.monotonic() - started:.0f} s")
    if status != 0:
        raise BuildFailed(f"{step} failed with exit status {status}")
