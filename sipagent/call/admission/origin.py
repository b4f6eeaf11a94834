"""Which trunk a request comes from, and who calls."""

from __future__ import annotations

from collections.abc import Mapping

from sipagent.config import Config, TrunkConfig, plain_ip
from sipagent.sip.messages import IncomingInvite

#: Per trunk that is registered, the addresses of its registrar and proxy.
Sources = Mapping[str, frozenset[str]]

#: Stands for a caller that keeps its number back, and the user parts by which peers say so.
ANONYMOUS = "anonymous"
HIDDEN = frozenset({ANONYMOUS, "restricted", "unavailable", "unknown"})


def trunk_of(invite: IncomingInvite, config: Config, registered_sources: Sources) -> TrunkConfig | None:
    """The trunk that the source belongs to.

    Several trunks may be registered with one provider: then the one that the request addresses is meant.
    A trunk over TLS takes nothing over UDP or TCP, where a source address proves little.
    """
    source = _same_form(invite.source_ip)
    trunks = [t for t in config.trunks.values() if t.transport != "tls" or invite.transport == "tls"]
    listed = [t for t in trunks if _is_address(source) and t.allows(source)]
    registered = [t for t in trunks if source in map(_same_form, registered_sources.get(t.name, ()))]
    candidates = listed or registered
    addressed = [t for t in candidates if is_our_account(invite, t) or invite.to_number in t.numbers]
    return next(iter(addressed or candidates), None)


def _same_form(host: str) -> str:
    return str(plain_ip(host)) if _is_address(host) else host


def _is_address(host: str) -> bool:
    try:
        plain_ip(host)
    except ValueError:
        return False
    return True


def caller_of(invite: IncomingInvite) -> str:
    """The caller's number, or `anonymous` for one that keeps it back (RFC 3323 section 4.1.1.3)."""
    host = invite.from_uri.partition("@")[2].partition(">")[0].partition(";")[0]
    number = invite.from_number
    is_hidden = not number or number.lower() in HIDDEN or host.lower() == "anonymous.invalid"
    return ANONYMOUS if is_hidden else number


def is_our_account(invite: IncomingInvite, trunk: TrunkConfig) -> bool:
    """Does the request address the account that the trunk registered?"""
    return trunk.registration is not None and invite.to_number == trunk.registration.username
