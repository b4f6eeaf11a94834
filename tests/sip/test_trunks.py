"""Trunks: who they are by address, what pjsua2 is told of them, and when they register again."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from sipagent.config import HostPort, TrunkConfig
from sipagent.sip.locating import Place
from sipagent.sip.outgoing import own_place
from sipagent.sip.pjlog import redacted
from sipagent.sip.settings import AccountSettings, Digest, over, settings_for
from sipagent.sip.sources import Sources

LISTEN = HostPort("0.0.0.0", 5061)


def trunk(**values: Any) -> TrunkConfig:
    return TrunkConfig.model_validate({"name": "t", **values})


def test_a_source_belongs_to_the_trunk_that_names_it_most_narrowly() -> None:
    sources = Sources(
        {
            "wide": trunk(allowed_addresses=["203.0.113.0/24", "2001:db8::/32"]),
            "narrow": trunk(allowed_addresses=["203.0.113.7"]),
        }
    )
    assert sources.trunk_at("203.0.113.7") == "narrow"
    assert sources.trunk_at("203.0.113.8") == "wide"
    assert sources.trunk_at("2001:db8::5") == "wide"
    assert sources.trunk_at("198.51.100.1") is None
    assert len(sources.all()) == 3


def test_a_registrar_is_a_source_wherever_it_is_found() -> None:
    found = {"t": frozenset({"192.0.2.1", "2001:db8::1"})}
    sources = Sources({"t": trunk(allowed_addresses=["203.0.113.7"])}, lambda name: found[name])
    assert sources.of("t") == set(map(ip_network, ("192.0.2.1", "2001:db8::1", "203.0.113.7")))
    assert sources.trunk_at("2001:db8::1") == "t"


def test_a_registering_trunk(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.touch(mode=0o600)
    password.write_text("secret\n")
    config = trunk(
        registration={
            "registrar": "sip:carrier.example",
            "username": "alice",
            "outbound_proxy": "sip:proxy.example:5080",
        },
        auth_password={"file": password},
        transport="tls",
    )
    settings = settings_for(config, LISTEN, "192.0.2.1")
    assert settings == AccountSettings(
        uri="sip:alice@carrier.example",
        contact="sip:alice@192.0.2.1:5061;transport=tls",
        registrar="sip:carrier.example;transport=tls",
        proxies=("sip:proxy.example:5080;transport=tls;lr",),
        digest=Digest("*", "alice", "secret"),
        listen_port=5061,
    )
    assert "secret" not in repr(settings)


def test_a_registrar_knows_our_address_better_than_a_stun_server() -> None:
    registered = trunk(registration={"registrar": "sip:carrier.example", "username": "alice"}, keepalive_s=30)
    settings = settings_for(registered, LISTEN, "192.0.2.1", is_discovered=True)
    assert (settings.contact, settings.keepalive_s) == ("", 30)
    listed = trunk(allowed_addresses=["203.0.113.7"])
    assert settings_for(listed, LISTEN, "192.0.2.1", is_discovered=True).contact == "sip:t@192.0.2.1:5061"


def test_a_trunk_known_by_its_addresses() -> None:
    settings = settings_for(trunk(allowed_addresses=["203.0.113.7"]), LISTEN, "auto")
    assert settings == AccountSettings(uri="sip:t@localhost", listen_port=5061)


def test_our_own_address_where_no_other_is_told() -> None:
    ours = settings_for(trunk(allowed_addresses=["203.0.113.7"]), LISTEN, "auto").reached_at(
        "2001:db8::9", "tls"
    )
    assert ours.contact == "sip:t@[2001:db8::9]:5061;transport=tls"
    assert ours.reached_at("192.0.2.9", "tls") == ours


@pytest.mark.parametrize(
    ("uri", "transport", "expected"),
    [
        ("sip:a@b", "udp", "sip:a@b"),
        ("sip:a@b", "tcp", "sip:a@b;transport=tcp"),
        ("sip:a@b;transport=tls", "tcp", "sip:a@b;transport=tls"),
    ],
)
def test_the_transport_of_a_uri(uri: str, transport: str, expected: str) -> None:
    assert over(uri, transport) == expected


def test_nobody_reads_credentials_in_the_log() -> None:
    message = (
        'REGISTER sip:x SIP/2.0\r\nAuthorization: Digest username="a", response="f00"\r\n'
        "proxy-authorization : Digest f00\r\n\r\nm=audio 1 RTP/SAVP 0\r\na=crypto:1 inline:f00\r\na=sendrecv"
    )
    assert "f00" not in redacted(message)
    assert redacted(message).endswith("a=sendrecv")


@pytest.mark.parametrize(
    ("uri", "proxy", "expected"),
    [
        ("sip:1@carrier.example", None, None),
        ("sip:1@Carrier.Example:5070", None, None),
        ("sip:1@carrier.example:5090", None, Place("carrier.example", 5090, "udp")),
        ("sip:1@192.0.2.7", None, Place("192.0.2.7", None, "udp")),
        ("sip:1@elsewhere.example", None, Place("elsewhere.example", None, "udp")),
        ("sip:1@elsewhere.example", "sip:proxy.example", None),
    ],
)
def test_what_a_registered_trunk_does_not_send_to_its_registrar(
    uri: str, proxy: str | None, expected: Place | None
) -> None:
    registration = {"registrar": "sip:carrier.example:5070", "username": "alice", "outbound_proxy": proxy}
    assert own_place(trunk(registration=registration), uri) == expected


def test_an_address_needs_no_looking_up_over_a_trunk_without_servers() -> None:
    listed = trunk(allowed_addresses=["203.0.113.7"])
    assert own_place(listed, "sip:1@203.0.113.7:5070") is None
    assert own_place(listed, "sip:1@pbx.example") == Place("pbx.example", None, "udp")
