"""What stands on the way of each frame of audio, compiled to C by mypyc from the very same sources.

`scripts/compile.py` makes it and puts it beside the other packages, under the digest of the sources that it
was made of. A media worker takes it where there is one of the sources that are here, and runs the sources
themselves where there is none: a call then does the same, and takes about a fifth more of a core.
"""

from __future__ import annotations

import hashlib
import os
import sys
import sysconfig
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

MODULES = (
    "rtp.depth",
    "rtp.filler",
    "rtp.jitter",
    "rtp.latch",
    "rtp.packet",
    "rtp.playout",
    "rtp.receiver",
    "rtp.reception",
    "rtp.reporter",
    "rtp.sender",
    "rtp.seq",
    "rtp.session",
    "rtp.speech",
    "rtp.taps",
    "rtp.timeline",
    "rtp.udp",
    "sipagent.backends.send_queue",
    "sipagent.backends.websocket_audio",
    "sipagent.backends.websocket_frame",
    "sipagent.backends.websocket_writer",
    "sipagent.media.nodes",
    "sipagent.media.recorder",
    "sipagent.worker.agent.speaker",
    "sipagent.worker.phone.incoming",
    "sipagent.worker.phone.outgoing",
    "sipagent.worker.phone.paths",
    "sipagent.worker.phone.stream",
    "sipagent.worker.phone.transport",
)
#: The library that all of them are in; each module of its own name only points there.
LIBRARY = "sipagent__mypyc"
SOURCES = Path(__file__).parents[1]
PACKAGES = ("rtp", "sipagent")
HOME = Path(sysconfig.get_path("platlib")) / "sipagent_compiled"
#: Set to anything, it has workers run the sources.
INTERPRETED = "SIPAGENT_INTERPRETED"


def digest(sources: Path = SOURCES) -> str:
    """Of all sources: compiled code goes by the types of modules that aren't compiled, too."""
    whole = hashlib.sha256()
    for package in PACKAGES:
        for path in sorted((sources / package).rglob("*.py")):
            content = path.read_bytes()
            whole.update(f"{path.relative_to(sources)} {len(content)}\n".encode())
            whole.update(content)
    return whole.hexdigest()[:16]


def directory() -> Path | None:
    """Where the modules are that were made of the sources that are here."""
    found = HOME / digest()
    return found if found.is_dir() else None


def use() -> bool:
    """Have `MODULES` imported compiled from now on, if they are there and wanted; whether they are. None of
    them may have been imported yet."""
    found = None if os.environ.get(INTERPRETED) else directory()
    if found is None:
        return False
    if early := sorted(sys.modules.keys() & set(MODULES)):
        raise RuntimeError(f"imported before it was known whether they are compiled: {', '.join(early)}")
    sys.meta_path.insert(0, Finder(found))
    return True


class Finder(MetaPathFinder):
    """Finds `MODULES`, and the library that they are in, at `home`."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in MODULES and fullname != LIBRARY:
            return None
        package = fullname.split(".")[:-1]
        return PathFinder.find_spec(fullname, [str(self._home.joinpath(*package))])
