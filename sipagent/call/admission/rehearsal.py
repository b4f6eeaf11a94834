"""What would become of a call, by the same decision that live calls get. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from sipagent.call.admission.backend_health import BackendHealth
from sipagent.call.admission.decision import Admit, Decision, Redirect, Refuse, RuleResult
from sipagent.call.admission.incoming import decide
from sipagent.call.admission.question import Load
from sipagent.config import Config
from sipagent.sip.crypto import KEY_BYTES
from sipagent.sip.messages import IncomingInvite, OfferedAudio, Transport


def route_test(
    config: Config,
    source_ip: str,
    to_number: str,
    from_number: str = "anonymous",
    transport: Transport = "udp",
    codecs: tuple[str, ...] | None = None,
    srtp: bool = False,
    load: Load | None = None,
    headers: tuple[tuple[str, str], ...] = (),
) -> Decision:
    """What `decide` would say to such a call, on an idle server unless `load` says otherwise.

    Without `codecs` it has a late offer, else one of these codecs over plain RTP, or over SRTP alone. For a
    trunk that registers, name its registrar's host as the source: offline nobody has resolved it.
    """
    registered = {
        name: frozenset({trunk.registration.host})
        for name, trunk in config.trunks.items()
        if trunk.registration is not None
    }
    invite = IncomingInvite(
        sip_call_id="route-test",
        source_ip=source_ip,
        source_port=5060,
        transport=transport,
        request_uri=f"sip:{to_number}@localhost",
        from_uri=f"sip:{from_number}@{source_ip}",
        to_uri=f"sip:{to_number}@localhost",
        headers=headers,
    )
    offered: OfferedAudio | None = None
    if codecs is not None:
        offered = OfferedAudio(None, codecs, tuple(KEY_BYTES)) if srtp else OfferedAudio(codecs)
    return decide(invite, offered, load or Load(), config, registered, now=0.0)


def supposed_load(config: Config, taken: float, at: datetime, backends_down: Iterable[str]) -> Load:
    """A server of which this share is taken: of its calls, of every trunk's, and of the workers' time."""
    settings = config.backend_health
    down = BackendHealth(settings.down_after_failures, 0.0, settings.retry_s, "what you suppose")
    return Load(
        calls=round(config.limits.max_calls * taken),
        calls_by_trunk={name: round((trunk.max_calls or 0) * taken) for name, trunk in config.trunks.items()},
        wall=at,
        workers=taken,
        backends=dict.fromkeys(backends_down, down),
    )


def header(line: str) -> tuple[str, str]:
    """`Name: value` -> name and value"""
    name, _, value = line.partition(":")
    return name.strip(), value.strip()


def verdicts(decision: Decision) -> Iterator[tuple[str, RuleResult]]:
    """Each result with `pass`, `FAIL` for the one that refused, or `skip` for a route that doesn't fit."""
    for index, result in enumerate(decision.trail, start=1):
        if result.passed:
            yield "pass", result
        else:
            yield "FAIL" if index == len(decision.trail) else "skip", result


def outcome(decision: Decision) -> Iterator[str]:
    """The decision in one or two lines."""
    match decision:
        case Admit():
            yield f"admitted: {decision.route}"
        case Redirect():
            yield f"redirected: {decision.sip_status} to {', '.join(decision.targets)} ({decision.route})"
        case Refuse():
            yield f"refused: {decision.sip_status} {decision.phrase or decision.reason_code}"
            yield f"Reason: {decision.reason_header}"
