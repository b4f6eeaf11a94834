"""What stands in a file of `trunks/`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, PositiveFloat, PositiveInt, model_validator

from sipagent.config.callers import CallersConfig
from sipagent.config.prices import BudgetConfig
from sipagent.config.transfer import TransferPolicyConfig
from sipagent.config.values import ConfigPath, Network, PublicAddress, Secret, Section, StunServer, plain_ip

#: The number of a trunk that stands for every number not named beside it.
ANY_NUMBER = "*"

_SIP_URI = re.compile(r"sips?:(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(:\d{1,5})?(;[\w=;.-]+)?")


def _server_uri(value: str) -> str:
    if not _SIP_URI.fullmatch(value):
        raise ValueError("must be 'sip:host' or 'sip:host:port'")
    return value


def host_and_port(uri: str) -> tuple[str, int | None]:
    """Host, an IPv6 address without its brackets, and port of a `ServerUri`."""
    match = _SIP_URI.fullmatch(uri)
    assert match is not None
    return match[1].strip("[]"), int(match[2][1:]) if match[2] else None


def _unique(codecs: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(codecs)) < len(codecs):
        raise ValueError("names a codec twice")
    return codecs


def _off(value: object) -> object:
    """YAML reads `off` as false."""
    return "off" if value is False else value


ServerUri = Annotated[str, AfterValidator(_server_uri)]
Codecs = Annotated[tuple[Literal["PCMU", "PCMA"], ...], Field(min_length=1), AfterValidator(_unique)]

SrtpPolicy = Annotated[Literal["off", "optional", "required"], BeforeValidator(_off)]


class RegistrationConfig(Section):
    """Where and as whom we register. `username` is the user of our address of record."""

    registrar: ServerUri
    username: Annotated[str, Field(min_length=1)]
    expires_s: Annotated[int, Field(ge=60, le=86400)] = 300
    outbound_proxy: ServerUri | None = None

    @property
    def host(self) -> str:
        """The registrar's host, an IPv6 address without its brackets."""
        return host_and_port(self.registrar)[0]


class DtmfConfig(Section):
    """How digits go out and come in. Telephone events (RFC 4733) and SIP INFO are always understood.

    `send`: `auto` is telephone events where they were negotiated, else SIP INFO if the peer allows it, else
    tones. `detect_inband`: whether to listen for tones, `auto` where telephone events were not negotiated.
    """

    send: Literal["auto", "info", "inband"] = "auto"
    detect_inband: Annotated[Literal["off", "auto", "always"], BeforeValidator(_off)] = "auto"


Identity = Literal["from", "p_asserted_identity", "remote_party_id"]
Trusted = Literal["p_asserted_identity", "remote_party_id", "diversion", "history_info"]


class CallerIdConfig(Section):
    """Who calls, and who we say we are.

    `take_from` is the header that a caller's number is taken from; From, where that one is missing. Of the
    headers that a network vouches for, those in `trust` are believed of this peer, and so is `take_from`.
    `send_in` is the header that carries our identity beside From.
    """

    take_from: Identity = "from"
    trust: tuple[Trusted, ...] = ()
    send_in: Identity = "from"

    def trusts(self, header: Trusted) -> bool:
        return header in self.trust or header == self.take_from


class SessionTimerConfig(Section):
    """Session timers (RFC 4028). `optional`: where the peer knows them; `required`: no call without.

    The side that refreshes is agreed in the call: the caller's, unless the peer asks otherwise.
    """

    use: Annotated[Literal["off", "optional", "required"], BeforeValidator(_off)] = "optional"
    expires_s: Annotated[int, Field(ge=90, le=86400)] = 1800
    min_se_s: Annotated[int, Field(ge=90, le=86400)] = 90

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.expires_s < self.min_se_s:
            raise ValueError("expires_s must not be below min_se_s")
        return self


class TrunkConfig(Section):
    """One SIP peer: a provider we register with, or known addresses that send us calls."""

    name: Annotated[str, Field(pattern=r"^[\w.-]+$")]
    allowed_addresses: tuple[Network, ...] = ()
    registration: RegistrationConfig | None = None
    outbound_proxy: ServerUri | None = None
    failover_timeout_s: Annotated[float, Field(ge=0.5, le=32)] = 4.0
    qualify_s: Annotated[int, Field(ge=0, le=3600)] = 0
    auth_username: str | None = None
    auth_password: Secret | None = None
    auth_realm: str = "*"
    transport: Literal["udp", "tcp", "tls"] = "udp"
    codecs: Codecs = ("PCMU", "PCMA")
    ptime_ms: Literal[10, 20, 30, 40, 60] = 20
    srtp: SrtpPolicy = "off"
    public_address: PublicAddress | None = None
    stun_server: StunServer | None = None
    symmetric_rtp: bool = True
    caller_id: CallerIdConfig = CallerIdConfig()
    session_timer: SessionTimerConfig = SessionTimerConfig()
    prack: Annotated[Literal["off", "supported", "required"], BeforeValidator(_off)] = "off"
    dtmf: DtmfConfig = DtmfConfig()
    hold: Literal["silence", "tone"] = "silence"
    hold_file: ConfigPath | None = None
    transfer: TransferPolicyConfig = TransferPolicyConfig()
    keepalive_s: Annotated[int, Field(ge=0, le=3600)] = 15
    numbers: Mapping[str, str] = {}
    callers: CallersConfig = CallersConfig()
    max_calls: PositiveInt | None = None
    max_calls_per_second: PositiveFloat | None = None
    record: bool | None = None
    record_digits: bool | None = None
    budget: BudgetConfig = BudgetConfig()

    @model_validator(mode="after")
    def _known_peer(self) -> Self:
        if not self.allowed_addresses and self.registration is None:
            raise ValueError("needs allowed_addresses or registration: otherwise nobody may call over it")
        if self.auth_password is not None and not self.digest_username:
            raise ValueError("auth_password needs auth_username")
        if self.outbound_proxy is not None and self.registration and self.registration.outbound_proxy:
            raise ValueError("outbound_proxy stands here or in registration, not in both")
        if self.qualify_s and self.registration is None and self.outbound_proxy is None:
            raise ValueError("qualify_s needs registration or outbound_proxy: whom should it ask?")
        return self

    def allows(self, source_ip: str) -> bool:
        """Is the source in `allowed_addresses`?"""
        address = plain_ip(source_ip)
        return any(address in network for network in self.allowed_addresses)

    @property
    def proxy(self) -> str | None:
        """The outbound proxy, wherever it is written."""
        return self.outbound_proxy or (self.registration.outbound_proxy if self.registration else None)

    @property
    def number_template(self) -> str | None:
        """What makes a URI of a number; None if the trunk does not say, and has no registrar or proxy."""
        if self.transfer.uri_template is not None:
            return self.transfer.uri_template
        server = self.registration.registrar if self.registration else self.outbound_proxy
        if server is None:
            return None
        scheme, _, host = server.partition(":")
        return f"{scheme}:{{number}}@{host}"

    @property
    def digest_username(self) -> str | None:
        """Who we are in digest authentication: `auth_username`, else the registered user."""
        if self.auth_username is None and self.registration is not None:
            return self.registration.username
        return self.auth_username
