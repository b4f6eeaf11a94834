"""From a dial that is due to the call that is placed for it, if that may still be. Pure."""

from __future__ import annotations

from sipagent.call.numbering import NotDiallable, uri_to_call
from sipagent.call.origination import Origination
from sipagent.config import Config
from sipagent.outbound import allowing
from sipagent.outbound.dial import Dial, Wish


def obstacle(wish: Wish, config: Config) -> str | None:
    """Why it can't be placed as the configuration is now, which may be another one than when it was taken."""
    known = {
        "trunk": (wish.trunk, config.trunks),
        "agent": (wish.agent, config.agents),
        "pool": (wish.pool, config.outbound.pools),
        "calendar": (wish.retry.hours, config.routes.calendars),
    }
    for kind, (name, names) in known.items():
        if name is not None and name not in names:
            return f"there is no {kind} '{name}' any more"
    verdict = allowing.judge(wish.to, config.outbound)
    if isinstance(verdict, allowing.Refused):
        return f"{verdict.rule}: {verdict.detail}"
    try:
        uri_to_call(wish.to, config.trunks[wish.trunk])
    except NotDiallable as error:
        return str(error)
    return None


def origination(dial: Dial, config: Config) -> Origination:
    """The call for the attempt that has just begun, to which there is no `obstacle`."""
    wish, attempt = dial.wish, dial.last
    return Origination(
        to=wish.to,
        to_uri=uri_to_call(wish.to, config.trunks[wish.trunk]),
        trunk=wish.trunk,
        agent=wish.agent,
        from_uri=attempt.caller,
        hide_caller=wish.hides_caller,
        ring_timeout_s=wish.ring_timeout_s,
        headers=wish.headers,
        variables=wish.variables,
        dial_id=dial.dial_id,
        attempt=attempt.number,
        tenant=wish.tenant,
        detects_machine=wish.detects_machine,
    )
