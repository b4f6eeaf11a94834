"""Several servers of one provider, found by SRV: registrations and calls go to the best that is there."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.support.name_server import address, name_server, srv
from tests.e2e.support.ports import free_ports
from tests.e2e.support.provider import DOMAIN, provider, trunk

pytestmark = pytest.mark.e2e

SERVICE = f"_sip._udp.{DOMAIN}"
QUICK = {"failover_timeout_s": 0.6}


def zone(first: int, second: int) -> list[str]:
    """Two servers, the first of which is preferred."""
    return [
        srv(SERVICE, f"one.{DOMAIN}", first, priority=10),
        srv(SERVICE, f"two.{DOMAIN}", second, priority=20),
        *(address(f"{name}.{DOMAIN}") for name in ("one", "two")),
    ]


@pytest.fixture
def servers() -> tuple[int, int]:
    first, second = free_ports(2)
    return first, second


async def test_a_registration_goes_to_the_second_server_and_comes_back(
    agent: Any, servers: tuple[int, int], tmp_path: Path
) -> None:
    first, second = servers
    settings = trunk(f"sip:{DOMAIN}", tmp_path, qualify_s=1, **QUICK)
    async with (
        name_server(zone(first, second)) as names,
        provider(second, tmp_path) as backup,
        agent(trunk=settings, sip={"nameservers": [names]}) as server,
    ):
        state = await server.next("trunk")
        assert (state["registered"], state["target"]) == (True, backup.target)
        await backup.logged("registered: alice")
        async with provider(first, tmp_path) as main:
            while (state := await server.next("trunk"))["target"] != main.target:
                pass
            assert state["registered"]
            await main.logged("registered: alice")
            await server.stop()


async def test_a_call_goes_to_the_second_server_with_digest(
    agent: Any, sipp: Any, servers: tuple[int, int], port: int, tmp_path: Path
) -> None:
    first, second = servers
    settings = trunk(f"sip:{DOMAIN}", tmp_path, **QUICK)
    callee = asyncio.create_task(sipp("uas-pcma-hung-up-by-agent", 0, port=port))
    async with name_server(zone(first, second)) as names, provider(second, tmp_path, callee=port) as backup:
        options = {"call": f"sip:+15550002@{DOMAIN}", "hang_up": True}
        async with agent(trunk=settings, sip={"nameservers": [names]}, **options) as server:
            assert (await server.next("CallProgress"))["sip_status"] == 180
            await server.next("CallConfirmed")
            assert (await server.next("CallDisconnected"))["by_remote"] is False
            assert "ruri=sip:+15550002@carrier.test routes=0" in await backup.logged("INVITE:")
            await callee


async def test_a_call_goes_on_to_the_next_server_where_one_is_full(
    agent: Any, sipp: Any, servers: tuple[int, int], port: int, tmp_path: Path
) -> None:
    first, second = servers
    settings = trunk(f"sip:{DOMAIN}", tmp_path)
    callee = asyncio.create_task(sipp("uas-pcma-hung-up-by-agent", 0, port=port))
    async with (
        name_server(zone(first, second)) as names,
        provider(first, tmp_path, "FULL_CALLS") as full,
        provider(second, tmp_path, callee=port) as other,
    ):
        options = {"call": f"sip:+15550002@{DOMAIN}", "hang_up": True}
        async with agent(trunk=settings, sip={"nameservers": [names]}, **options) as server:
            await server.next("CallConfirmed")
            assert (await server.next("CallDisconnected"))["by_remote"] is False
            await full.logged("INVITE:")
            await other.logged("INVITE:")
            await callee


async def test_when_every_server_is_full_the_call_fails_once(
    agent: Any, servers: tuple[int, int], tmp_path: Path
) -> None:
    first, second = servers
    settings = trunk(f"sip:{DOMAIN}", tmp_path)
    async with (
        name_server(zone(first, second)) as names,
        provider(first, tmp_path, "FULL_CALLS"),
        provider(second, tmp_path, "FULL_CALLS") as last,
    ):
        options = {"call": f"sip:+15550002@{DOMAIN}"}
        async with agent(trunk=settings, sip={"nameservers": [names]}, **options) as server:
            end = await server.next("CallDisconnected")
            assert (end["sip_status"], end["by_remote"]) == (503, True)
            await last.logged("INVITE:")


async def test_servers_that_move_are_found_again(
    agent: Any, servers: tuple[int, int], tmp_path: Path
) -> None:
    before, after = servers
    settings = trunk(f"sip:{DOMAIN}", tmp_path, **QUICK)
    (dns_port,) = free_ports(1)
    async with provider(before, tmp_path) as old, provider(after, tmp_path) as new:
        record = srv(SERVICE, f"one.{DOMAIN}", before, 10), address(f"one.{DOMAIN}")
        async with name_server(record, dns_port) as names:
            running = agent(trunk=settings, sip={"nameservers": [names]})
            server = await running.__aenter__()
            assert (await server.next("trunk"))["target"] == old.target
        record = srv(SERVICE, f"one.{DOMAIN}", after, 10), address(f"one.{DOMAIN}")
        async with name_server(record, dns_port):
            assert (await server.next("trunk", patience_s=15))["target"] == new.target
            await running.__aexit__(None, None, None)


async def test_the_servers_of_a_trunk_are_asked_whether_they_are_there(
    agent: Any, servers: tuple[int, int], tmp_path: Path
) -> None:
    first, second = servers
    settings = {"outbound_proxy": f"sip:{DOMAIN}", "qualify_s": 1, **QUICK}
    async with (
        name_server(zone(first, second)) as names,
        provider(second, tmp_path) as other,
        agent(trunk=settings, sip={"nameservers": [names]}) as server,
    ):
        states = {state["target"]: state for state in await server.events(2, "target")}
        up, down = states[other.target], states[f"udp:127.0.0.1:{first}"]
        assert (up["is_up"], up["sip_status"]) == (True, 200)
        assert 0 < up["rtt_ms"] < 600
        assert (down["is_up"], down["sip_status"], down["rtt_ms"]) == (False, 408, None)
        async with provider(first, tmp_path) as main:
            while not (state := await server.next("target"))["is_up"] or state["target"] != main.target:
                pass


async def test_a_call_by_an_outbound_proxy(agent: Any, sipp: Any, port: int, tmp_path: Path) -> None:
    (proxy,) = free_ports(1)
    settings = trunk("sip:registrar.invalid", tmp_path)
    settings["registration"]["outbound_proxy"] = f"sip:127.0.0.1:{proxy}"
    callee = asyncio.create_task(sipp("uas-pcma-hung-up-by-agent", 0, port=port))
    async with provider(proxy, tmp_path, callee=port) as server_of_theirs:
        options = {"call": "sip:+15550002@elsewhere.invalid", "hang_up": True}
        async with agent(trunk=settings, **options) as server:
            assert (await server.next("trunk"))["registered"]
            await server.next("CallConfirmed")
            assert (await server.next("CallDisconnected"))["by_remote"] is False
            logged = await server_of_theirs.logged("INVITE:")
            assert "ruri=sip:+15550002@elsewhere.invalid routes=1" in logged
            await callee


async def test_a_call_is_given_up_while_its_host_is_looked_up(agent: Any) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        names = f"127.0.0.1:{silent.getsockname()[1]}"
        options = {"call": "sip:+15550002@nowhere.test", "give_up": True}
        async with agent(sip={"nameservers": [names]}, **options) as server:
            end = await server.next("CallDisconnected", patience_s=3)
            assert (end["sip_status"], end["by_remote"]) == (487, False)


async def test_a_call_to_a_name_nobody_knows_fails(agent: Any) -> None:
    async with name_server([]) as names:
        options = {"call": "sip:+15550002@nowhere.test"}
        async with agent(sip={"nameservers": [names]}, **options) as server:
            end = await server.next("CallDisconnected")
            assert (end["sip_status"], end["by_remote"]) == (502, False)
