"""Registration against Kamailio."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.support.provider import provider
from tests.e2e.support.provider import trunk as trunk_of

pytestmark = pytest.mark.e2e

PATIENCE_S = 10.0


class Registrar:
    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process = process
        self.port = port

    async def logged(self, wanted: str) -> str:
        """The next line of Kamailio's log that contains `wanted`."""
        assert self.process.stderr is not None
        async with asyncio.timeout(PATIENCE_S):
            while line := await self.process.stderr.readline():
                if wanted in line.decode():
                    return line.decode()
        raise AssertionError(f"kamailio ended before it logged {wanted!r}")


@contextlib.asynccontextmanager
async def kamailio(port: int, directory: Path, transport: str = "udp") -> AsyncIterator[Registrar]:
    process = await asyncio.create_subprocess_exec(
        *(
            "kamailio",
            "-f",
            Path(__file__).parent / "registrar.cfg",
            "-A",
            f"LISTEN={transport}:127.0.0.1:{port}",
        ),
        *("-m", "32", "-M", "4", "-Y", directory, "-P", directory / "kamailio.pid", "-DD"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield Registrar(process, port)
    finally:
        process.terminate()
        await process.communicate()


@pytest.fixture
async def registrar(port: int, tmp_path: Path) -> AsyncIterator[Registrar]:
    async with kamailio(port, tmp_path) as running:
        yield running


def trunk(registrar_port: int, password_file: Path) -> dict[str, Any]:
    return {
        "allowed_addresses": [],
        "registration": {
            "registrar": f"sip:127.0.0.1:{registrar_port}",
            "username": "alice",
            "expires_s": 60,
        },
        "auth_password": {"file": str(password_file)},
    }


def secret(directory: Path, password: str) -> Path:
    path = directory / "password"
    path.touch(mode=0o600)
    path.write_text(password)
    return path


async def test_registers_with_digest_refreshes_and_unregisters(
    agent: Any, registrar: Registrar, tmp_path: Path, fast_clock: dict[str, str]
) -> None:
    settings = trunk(registrar.port, secret(tmp_path, "right-password"))
    async with agent(trunk=settings, environment=fast_clock) as server:
        state = await server.next("trunk")
        assert (state["trunk"], state["registered"], state["sip_status"]) == ("carrier", True, 200)
        assert state["expires_s"] == 60
        assert "expires=60" in await registrar.logged("registered: alice")
        refreshed = await server.next("trunk")
        assert refreshed["registered"]
        assert 30 < refreshed["at"] - state["at"] < 60
        await registrar.logged("registered: alice")
        log = await server.stop()
        assert "expires=0" in await registrar.logged("registered: alice")
        assert "right-password" not in log


async def test_a_wrong_password_is_told(agent: Any, registrar: Registrar, tmp_path: Path) -> None:
    settings = trunk(registrar.port, secret(tmp_path, "wrong-password"))
    async with agent(trunk=settings) as server:
        state = await server.next("trunk")
        assert (state["registered"], state["sip_status"], state["expires_s"]) == (False, 401, 0)
        assert "wrong-password" not in await server.stop()


async def test_registers_when_the_registrar_comes_back(
    agent: Any, port: int, tmp_path: Path, fast_clock: dict[str, str]
) -> None:
    settings = trunk(port, secret(tmp_path, "right-password"))
    async with agent(trunk=settings, environment=fast_clock) as server:
        failures = await server.events(2, "trunk")
        assert {failure["registered"] for failure in failures} == {False}
        async with kamailio(port, tmp_path):
            while not (await server.next("trunk"))["registered"]:
                pass
            await server.stop()


async def test_registers_again_over_a_new_connection(
    agent: Any, port: int, tmp_path: Path, fast_clock: dict[str, str]
) -> None:
    settings = trunk(port, secret(tmp_path, "right-password")) | {"transport": "tcp"}
    async with contextlib.AsyncExitStack() as before:
        await before.enter_async_context(kamailio(port, tmp_path, "tcp"))
        async with agent(trunk=settings, environment=fast_clock) as server:
            assert (await server.next("trunk"))["registered"]
            await before.aclose()
            assert not (await server.next("trunk"))["registered"]
            async with kamailio(port, tmp_path, "tcp"):
                while not (await server.next("trunk"))["registered"]:
                    pass
                await server.stop()


async def test_a_registrar_that_is_full_says_when_to_come_back(agent: Any, port: int, tmp_path: Path) -> None:
    settings = trunk_of(f"sip:127.0.0.1:{port}", tmp_path)
    async with provider(port, tmp_path, "FULL"), agent(trunk=settings) as server:
        first, again = await server.events(2, "trunk")
        assert (first["registered"], first["sip_status"]) == (False, 503)
        assert again["at"] - first["at"] > 1.9


async def test_a_registrar_that_says_no_is_left_alone(
    agent: Any, port: int, tmp_path: Path, fast_clock: dict[str, str]
) -> None:
    async with provider(port, tmp_path, "FORBIDDEN") as forbidding:
        settings = trunk_of(f"sip:127.0.0.1:{port}", tmp_path)
        async with agent(trunk=settings, environment=fast_clock) as server:
            state = await server.next("trunk")
            assert (state["registered"], state["sip_status"]) == (False, 403)
            await forbidding.logged("REGISTER:")
            with pytest.raises(TimeoutError):
                await forbidding.logged("REGISTER:", within_s=4)  # 80 s of the server's clock
            await server.stop()


async def test_a_registrar_that_wants_longer_registrations_gets_them(
    agent: Any, port: int, tmp_path: Path
) -> None:
    settings = trunk_of(f"sip:127.0.0.1:{port}", tmp_path)
    async with provider(port, tmp_path, "BRIEF"), agent(trunk=settings) as server:
        state = await server.next("trunk")
        assert (state["registered"], state["expires_s"]) == (True, 90)


async def test_a_nonce_that_has_gone_stale_is_renewed(
    agent: Any, port: int, tmp_path: Path, fast_clock: dict[str, str]
) -> None:
    async with provider(port, tmp_path, "STALE") as strict:
        settings = trunk_of(f"sip:127.0.0.1:{port}", tmp_path)
        async with agent(trunk=settings, environment=fast_clock) as server:
            states = [await server.next("trunk") for _ in range(3)]
            assert [state["registered"] for state in states] == [True, True, True]
            for _ in range(3):
                await strict.logged("registered: alice")
            await server.stop()
