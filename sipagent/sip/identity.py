"""Who calls, by what a trunk's peer is trusted to say, and who we say we are. Pure.

RFC 3323 (privacy), 3325 (P-Asserted-Identity), 5806 (Diversion), 7044 (History-Info), and Remote-Party-ID,
which never became one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from sipagent.config import CallerIdConfig
from sipagent.sip import stir
from sipagent.sip.messages import Caller, IncomingInvite, user_part

#: Stands for a caller that keeps its number back.
ANONYMOUS = "anonymous"
ANONYMOUS_URI = "sip:anonymous@anonymous.invalid"

_PARAMETER = re.compile(r';\s*([\w-]+)\s*=\s*("[^"]*"|[^\s;,"]+)')
_PRIVATE = frozenset({"id", "user", "header", "full"})


def identified(invite: IncomingInvite, policy: CallerIdConfig) -> IncomingInvite:
    """The INVITE with its caller, as the policy of the trunk has it."""
    return replace(invite, caller=caller_of(invite, policy))


def caller_of(invite: IncomingInvite, policy: CallerIdConfig) -> Caller:
    """The caller. Who wants to be anonymous is, whatever its network asserts of it."""
    asserted = _asserted(invite) if policy.trusts("p_asserted_identity") else None
    remote_party = _remote_party(invite) if policy.trusts("remote_party_id") else None
    named = {
        "from": invite.from_uri,
        "p_asserted_identity": asserted,
        "remote_party_id": remote_party,
    }
    privacy = _privacy(invite, remote_party)
    number = user_part(named[policy.take_from] or invite.from_uri)
    network = asserted or remote_party
    return Caller(
        number=ANONYMOUS if privacy is not None and privacy != "none" else number,
        asserted_identity=user_part(network) if network else None,
        diverted_from=_diverted_from(invite, policy),
        privacy=privacy,
        stir=stir.seen(values(invite, "Identity"), (*_all_asserted(invite), invite.from_uri)),
    )


def our_headers(
    uri: str | None, policy: CallerIdConfig, *, hidden: bool
) -> tuple[str | None, tuple[tuple[str, str], ...]]:
    """What an INVITE of ours has in From, and beside it, to call as `uri` (None: as the trunk).

    `hidden` keeps it from the callee: From is anonymous, and what our peer is to know stands in the header
    that the trunk's policy names.
    """
    bracketed = uri if uri is None or "<" in uri else f"<{uri}>"
    headers: list[tuple[str, str]] = []
    if bracketed is not None and policy.send_in == "p_asserted_identity":
        headers.append(("P-Asserted-Identity", bracketed))
    if bracketed is not None and policy.send_in == "remote_party_id":
        privacy = "full" if hidden else "off"
        headers.append(("Remote-Party-ID", f"{bracketed};party=calling;privacy={privacy};screen=no"))
    if hidden:
        headers.append(("Privacy", "id"))
        return f'"Anonymous" <{ANONYMOUS_URI}>', tuple(headers)
    return uri, tuple(headers)


def values(invite: IncomingInvite, name: str) -> list[str]:
    """Every value of a header, also where several stand in one line."""
    wanted = name.lower()
    lines = (value for key, value in invite.headers if key.lower() == wanted)
    return [part for line in lines for part in split_values(line)]


def split_values(line: str) -> Iterator[str]:
    """The values of a header line: commas within quotes and angle brackets part nothing."""
    start, quoted, depth = 0, False, 0
    for index, character in enumerate(line):
        if character == '"' and line[index - 1 : index] != "\\":
            quoted = not quoted
        elif not quoted and character in "<>":
            depth += 1 if character == "<" else -1
        elif not quoted and depth <= 0 and character == ",":
            yield line[start:index].strip()
            start = index + 1
    if rest := line[start:].strip():
        yield rest


def _all_asserted(invite: IncomingInvite) -> list[str]:
    return values(invite, "P-Asserted-Identity")


def _asserted(invite: IncomingInvite) -> str | None:
    """Of the two that may be there, a `sip` and a `tel` one, the first that has a number."""
    return _first_with_user(_all_asserted(invite))


def _remote_party(invite: IncomingInvite) -> str | None:
    parties = values(invite, "Remote-Party-ID")
    return _first_with_user(party for party in parties if _parameter(party, "party") in (None, "calling"))


def _first_with_user(identities: Iterable[str]) -> str | None:
    return next((identity for identity in identities if user_part(identity)), None)


def _privacy(invite: IncomingInvite, remote_party: str | None) -> str | None:
    """What the caller asked for, `none` if it asked for none; None if it said nothing."""
    wanted = [
        word for value in values(invite, "Privacy") for word in re.split(r"[;\s]+", value.lower()) if word
    ]
    if private := [word for word in wanted if word in _PRIVATE]:
        return private[0]
    if "anonymous.invalid" in invite.from_uri.lower() or user_part(invite.from_uri).lower() == ANONYMOUS:
        return "user"
    if remote_party is not None and (_parameter(remote_party, "privacy") or "off").lower() not in (
        "off",
        "no",
    ):
        return "full"
    return "none" if "none" in wanted else None


def _diverted_from(invite: IncomingInvite, policy: CallerIdConfig) -> str | None:
    """Who had the call before us: the newest Diversion, else the last but one entry of History-Info."""
    if policy.trusts("diversion") and (diversions := values(invite, "Diversion")):
        return _unless_private(diversions[0])
    entries = values(invite, "History-Info") if policy.trusts("history_info") else []
    return _unless_private(entries[-2]) if len(entries) >= 2 else None


def _unless_private(entry: str) -> str:
    is_private = (_parameter(entry, "privacy") or "off").lower() not in ("off", "no")
    hidden = is_private or re.search(r"[?&]privacy=(?!none)", entry, re.IGNORECASE) is not None
    return ANONYMOUS if hidden else user_part(entry)


def _parameter(value: str, name: str) -> str | None:
    """A parameter behind the angle brackets."""
    tail = value.rpartition(">")[2]
    found = {key.lower(): text.strip('"') for key, text in _PARAMETER.findall(tail)}
    return found.get(name)
