"""A trunk's configuration as pjsua2 is to have it, pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from sipagent.config import HostPort, SessionTimerConfig, TrunkConfig
from sipagent.sip.targets import Target, bracketed


@dataclass(frozen=True, slots=True)
class Digest:
    """Credentials for digest authentication; realm `*` is any."""

    realm: str
    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AccountSettings:
    """Who we are to a peer. Without `registrar` the account is only there to place and take calls.

    `contact` is the URI the peer is to reach us at, where the one that pjsip would find is wrong (1:1 NAT).
    `proxies` are the Routes of every request that begins something, the next hop first. `listen_port` is that
    of the transport's listener.
    """

    uri: str
    contact: str = ""
    registrar: str = ""
    expires_s: int = 300
    proxies: tuple[str, ...] = ()
    digest: Digest | None = None
    keepalive_s: int = 15
    session_timer: SessionTimerConfig = field(default_factory=SessionTimerConfig)
    prack: Literal["off", "supported", "required"] = "off"
    listen_port: int = 0

    def via(self, target: Target | None) -> AccountSettings:
        """The same with `target` as the next hop; None leaves it to the URI or the proxy."""
        return self if target is None else replace(self, proxies=(target.route, *self.proxies))

    def reached_at(self, address: str, transport: str) -> AccountSettings:
        """The same with our own address in Contact, unless another one is to be told."""
        if self.contact or not self.listen_port:
            return self
        user = self.uri.partition(":")[2].partition("@")[0]
        return replace(self, contact=over(f"sip:{user}@{bracketed(address)}:{self.listen_port}", transport))


#: For requests from sources of no trunk, where pjsua2 can't filter them out: the call layer refuses these.
STRANGERS = AccountSettings(uri="sip:sipagent@localhost")


def settings_for(
    trunk: TrunkConfig, listen: HostPort | None, public_address: str, *, is_discovered: bool = False
) -> AccountSettings:
    """What a trunk's configuration means to pjsua2; `listen` is the listener of its transport.

    A `public_address` other than `auto` is where the peer is told to reach us. If it `is_discovered`, and
    there is a registrar, that one's view of us is better: pjsip takes its Contact from the answers.

    Raises `ConfigError` if its password can't be read.
    """
    registration = trunk.registration
    user = registration.username if registration else trunk.name
    is_told_by_registrar = is_discovered and registration is not None
    contact = ""
    if public_address != "auto" and listen is not None and not is_told_by_registrar:
        contact = over(f"sip:{user}@{bracketed(public_address)}:{listen.port}", trunk.transport)
    settings = AccountSettings(
        uri=f"sip:{user}@{bracketed(registration.host) if registration else 'localhost'}",
        contact=contact,
        digest=_digest(trunk),
        keepalive_s=trunk.keepalive_s,
        proxies=(f"{over(trunk.proxy, trunk.transport)};lr",) if trunk.proxy else (),
        session_timer=trunk.session_timer,
        prack=trunk.prack,
        listen_port=listen.port if listen is not None else 0,
    )
    if registration is None:
        return settings
    return replace(
        settings,
        registrar=over(registration.registrar, trunk.transport),
        expires_s=registration.expires_s,
    )


def over(uri: str, transport: str) -> str:
    """The URI, saying by which transport it is reached unless it says so itself."""
    return uri if transport == "udp" or ";transport=" in uri else f"{uri};transport={transport}"


def _digest(trunk: TrunkConfig) -> Digest | None:
    if trunk.auth_password is None or trunk.digest_username is None:
        return None
    return Digest(trunk.auth_realm, trunk.digest_username, trunk.auth_password.resolve())
