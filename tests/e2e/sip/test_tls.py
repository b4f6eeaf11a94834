"""SIP over TLS: between two agents, and against what a peer should not be allowed."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.support.name_server import address, any_host, name_server, srv

pytestmark = pytest.mark.e2e


def certificate(directory: Path, name: str, alternative: str) -> dict[str, Any]:
    """A self-signed certificate, as a `tls` section that trusts itself."""
    files = {"certificate_file": directory / f"{name}.pem", "key_file": directory / f"{name}.key"}
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-days",
                "2",
                "-subj",
                f"/CN={name}",
            ),
            *("-addext", f"subjectAltName={alternative}"),
            *("-out", files["certificate_file"], "-keyout", files["key_file"]),
        ],
        check=True,
        capture_output=True,
    )
    return {key: str(path) for key, path in files.items()} | {"ca_file": str(files["certificate_file"])}


def listening(port: int, tls: dict[str, Any]) -> dict[str, Any]:
    return {"listen_udp": None, "listen_tcp": None, "listen_tls": f"127.0.0.1:{port}", "tls": tls}


async def test_a_call_between_two_agents(agent: Any, ports: Sequence[int], tmp_path: Path) -> None:
    tls = certificate(tmp_path, "agent", "IP:127.0.0.1")
    async with agent(sip=listening(ports[0], tls), hang_up=True) as callee:
        uri = f"sip:+15550002@127.0.0.1:{ports[0]}"
        options = {"trunk": {"transport": "tls"}, "call": uri, "from": "sip:+15550001@carrier.example"}
        async with agent(sip=listening(ports[1], tls), **options) as caller:
            invite = await callee.next("invite")
            assert invite["transport"] == "tls"
            assert "<sip:+15550001@carrier.example>" in invite["from_uri"]
            assert ["X-Test", "here"] in invite["headers"]
            assert (await caller.next("MediaNegotiated"))["media"]["codec"] == "PCMU"
            end = await caller.next("CallDisconnected")
            assert (end["sip_status"], end["by_remote"]) == (200, True)


async def test_a_proxy_found_by_srv_shows_its_name(agent: Any, ports: Sequence[int], tmp_path: Path) -> None:
    tls = certificate(tmp_path, "agent", "DNS:one.carrier.test,IP:127.0.0.1")  # the address is for the BYE
    records = [srv("_sips._tcp.carrier.test", "one.carrier.test", ports[0], 10), address("one.carrier.test")]
    async with (
        name_server(records, port=53, host=any_host()) as names,
        agent(sip=listening(ports[0], tls), hang_up=True) as callee,
    ):
        sip = listening(ports[1], tls) | {"nameservers": [names]}
        proxy = {"transport": "tls", "outbound_proxy": "sip:carrier.test"}
        async with agent(sip=sip, trunk=proxy, call="sip:+15550002@elsewhere.test") as caller:
            assert (await callee.next("invite"))["transport"] == "tls"
            end = await caller.next("CallDisconnected")
            assert (end["sip_status"], end["by_remote"]) == (200, True)


async def test_a_proxy_found_by_srv_with_a_certificate_for_another_name(
    agent: Any, ports: Sequence[int], tmp_path: Path
) -> None:
    tls = certificate(tmp_path, "agent", "DNS:two.carrier.test")
    records = [srv("_sips._tcp.carrier.test", "one.carrier.test", ports[0], 10), address("one.carrier.test")]
    async with name_server(records, port=53, host=any_host()) as names, agent(sip=listening(ports[0], tls)):
        sip = listening(ports[1], tls) | {"nameservers": [names]}
        proxy = {"transport": "tls", "outbound_proxy": "sip:carrier.test"}
        async with agent(sip=sip, trunk=proxy, call="sip:+15550002@elsewhere.test") as caller:
            assert (await caller.next("CallDisconnected"))["sip_status"] == 503


async def test_a_certificate_for_another_name_is_not_trusted(
    agent: Any, ports: Sequence[int], tmp_path: Path
) -> None:
    tls = certificate(tmp_path, "other", "DNS:other.example")
    async with agent(sip=listening(ports[0], tls)):
        uri = f"sip:+15550002@127.0.0.1:{ports[0]}"
        async with agent(sip=listening(ports[1], tls), trunk={"transport": "tls"}, call=uri) as caller:
            end = await caller.next("CallDisconnected")
            assert end["sip_status"] == 503


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize(
    ("version", "accepted"), [(ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True)]
)
async def test_old_protocols_are_refused(
    agent: Any, port: int, tmp_path: Path, version: ssl.TLSVersion, accepted: bool
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.maximum_version = version
    async with agent(sip=listening(port, certificate(tmp_path, "agent", "IP:127.0.0.1"))):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        except (ssl.SSLError, ConnectionError):
            assert not accepted
        else:
            writer.close()
            assert accepted
