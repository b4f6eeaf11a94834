"""All checks at once, each with a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from sipagent.config import Config
from sipagent.doctor import (
    addresses,
    backends,
    call_log,
    capacity,
    host,
    kernel,
    media,
    nat,
    pjsip,
    ports,
    servers,
    srtp,
)
from sipagent.doctor.finding import Finding, fail, warn

#: How long a check may take. All of them run at the same time.
DEADLINE_S = 3.0

Check = Callable[[Config], Awaitable[list[Finding]]]

CHECKS: dict[str, Check] = {
    "pjsua2": pjsip.check,
    "media path": media.check,
    "public address": addresses.check_public_addresses,
    "NAT": nat.check,
    "SRTP": srtp.check,
    "servers": servers.check,
    "RTP ports": ports.check_rtp_range,
    "listeners": ports.check_listeners,
    "open files": host.check_open_files,
    "clock": host.check_clock,
    "scheduling": host.check_scheduling,
    "kernel": kernel.check,
    "storage": host.check_storage,
    "capacity": capacity.check,
    "call log": call_log.check,
    "backend": backends.check,
}
CHECKS_OF_THE_MACHINE = ("pjsua2", "media path", "clock", "scheduling", "kernel")


def run(config: Config | None) -> list[Finding]:
    """Examine this machine for `config`; without one, only what doesn't depend on it. Takes some seconds."""
    names = tuple(CHECKS) if config is not None else CHECKS_OF_THE_MACHINE
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(examine(config or Config(), names))
    finally:
        loop.close()  # asyncio.run would wait for a name server that doesn't answer


async def examine(config: Config, names: tuple[str, ...] = tuple(CHECKS)) -> list[Finding]:
    """The findings of the named checks, in the order of the names."""
    async with asyncio.TaskGroup() as group:
        checks = [group.create_task(_in_time(name, CHECKS[name](config))) for name in names]
    return [finding for check in checks for finding in check.result()]


async def _in_time(name: str, check: Awaitable[list[Finding]]) -> list[Finding]:
    try:
        async with asyncio.timeout(DEADLINE_S):
            return await check
    except TimeoutError:
        fix = "Look whether this machine is overloaded, or a name server or disk doesn't answer."
        return [fail(name, f"no result within {DEADLINE_S:g} s", fix)]
    except OSError as error:
        return [warn(name, f"can't be looked at: {error}", "Run the doctor as the user that runs sipagent.")]
