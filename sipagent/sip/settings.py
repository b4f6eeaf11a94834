"""A trunk's configuration as pjsua2 is to have it, pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from sipagent.config import HostPort, TrunkConfig


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
    """

    uri: str
    contact: str = ""
    registrar: str = ""
    expires_s: int = 300
    proxies: tuple[str, ...] = ()
    digest: Digest | None = None
    keepalive_s: int = 15


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
        contact = over(f"sip:{user}@{_bracketed(public_address)}:{listen.port}", trunk.transport)
    settings = AccountSettings(
        uri=f"sip:{user}@{_bracketed(registration.host) if registration else 'localhost'}",
        contact=contact,
        digest=_digest(trunk),
        keepalive_s=trunk.keepalive_s,
    )
    if registration is None:
        return settings
    proxy = registration.outbound_proxy
    return replace(
        settings,
        registrar=over(registration.registrar, trunk.transport),
        expires_s=registration.expires_s,
        proxies=(f"{over(proxy, trunk.transport)};lr",) if proxy else (),
    )


def over(uri: str, transport: str) -> str:
    """The URI, saying by which transport it is reached unless it says so itself."""
    return uri if transport == "udp" or ";transport=" in uri else f"{uri};transport={transport}"


def _digest(trunk: TrunkConfig) -> Digest | None:
    if trunk.auth_password is None or trunk.digest_username is None:
        return None
    return Digest(trunk.auth_realm, trunk.digest_username, trunk.auth_password.resolve())


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
