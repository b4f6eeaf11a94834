"""The kernel's settings for the network: room for what comes while a process is kept from its core."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sipagent.config import Config
from sipagent.doctor.finding import Finding, ok, warn

SYSCTLS = Path("/proc/sys")
#: As in systemd/sysctl.d/90-sipagent.conf, which says why.
WANTED = {"net.core.rmem_default": 1_048_576, "net.core.netdev_max_backlog": 8_192}


async def check(config: Config) -> list[Finding]:
    paths = {name: SYSCTLS / name.replace(".", "/") for name in WANTED}
    return [buffers({name: int(path.read_text()) for name, path in paths.items() if path.exists()})]


def buffers(values: Mapping[str, int]) -> Finding:
    """`values` are those settings that can be seen: not all of them, inside a container."""
    shown = ", ".join(f"{name} {value}" for name, value in values.items()) or "not to be seen here"
    small = [name for name, value in values.items() if value < WANTED[name]]
    if small:
        fix = f"Copy systemd/sysctl.d/90-sipagent.conf to /etc/sysctl.d: {', '.join(small)} may lose bursts."
        return warn("kernel buffers", shown, fix)
    return ok("kernel buffers", shown)
