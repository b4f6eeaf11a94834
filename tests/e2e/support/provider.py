"""Servers of a provider: Kamailio as registrar and as proxy that asks for digest."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from tests.e2e.support.waiting import PATIENCE_S

CONFIG = Path(__file__).parents[1] / "sip/provider.cfg"
USER, PASSWORD, DOMAIN = "alice", "right-password", "carrier.test"


class Provider:
    """One server. What it logs is read in order, each line once."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process = process
        self.port = port

    @property
    def target(self) -> str:
        """As we name it in events."""
        return f"udp:127.0.0.1:{self.port}"

    async def logged(self, wanted: str, within_s: float = PATIENCE_S) -> str:
        """The next line of its log that contains `wanted`."""
        assert self.process.stderr is not None
        async with asyncio.timeout(within_s):
            while line := (await self.process.stderr.readline()).decode(errors="replace"):
                if wanted in line:
                    return line
        raise AssertionError(f"kamailio ended before it logged {wanted!r}")


@contextlib.asynccontextmanager
async def provider(
    port: int, directory: Path, *defines: str, callee: int = 9, transport: str = "udp"
) -> AsyncIterator[Provider]:
    """A server at `port`, which hands calls on to the port `callee`; `defines` as in its configuration."""
    home = directory / f"kamailio-{port}"
    home.mkdir(exist_ok=True)
    options = [f"LISTEN={transport}:127.0.0.1:{port}", f'CALLEE="sip:127.0.0.1:{callee}"', *defines]
    process = await asyncio.create_subprocess_exec(
        *("kamailio", "-f", CONFIG, *(word for option in options for word in ("-A", option))),
        *("-m", "32", "-M", "4", "-Y", home, "-P", home / "kamailio.pid", "-DD"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield Provider(process, port)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.communicate()


def trunk(registrar: str, directory: Path, password: str = PASSWORD, **settings: Any) -> dict[str, Any]:
    """A trunk that registers there."""
    secret = directory / "password"
    secret.touch(mode=0o600)
    secret.write_text(password)
    return {
        "allowed_addresses": [],
        "registration": {"registrar": registrar, "username": USER, "expires_s": 60},
        "auth_password": {"file": str(secret)},
        **settings,
    }
