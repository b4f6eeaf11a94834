"""The code that each frame of audio passes: as fast as it could be?"""

from __future__ import annotations

import os
from pathlib import Path

from sipagent import compiled
from sipagent.config import Config
from sipagent.doctor.finding import Finding, ok, warn


async def check(config: Config) -> list[Finding]:
    return [media_path(compiled.directory(), bool(os.environ.get(compiled.INTERPRETED)))]


def media_path(found: Path | None, unwanted: bool) -> Finding:
    """`found` is what is compiled of the sources that are here; `unwanted` if it isn't to be used."""
    costs = "interpreted: calls take about a fifth more of a core"
    if found is None:
        return warn("media path", costs, "Compile it, after each change of the sources: make compiled.")
    if unwanted:
        return warn("media path", costs, f"Unset {compiled.INTERPRETED}.")
    return ok("media path", "compiled")
