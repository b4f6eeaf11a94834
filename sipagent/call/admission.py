"""Who may call, and whom the call reaches: one pure decision, for live calls and for `route-test` alike.

Rules are asked in the order of `RULES`, and the first that fails refuses the call. The trail tells what each
of them said. Nothing is counted here: whoever admits a call holds its permit and replaces `Load`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from math import ceil

from sipagent.call.origin import Sources, is_our_account, trunk_of
from sipagent.call.rates import CallRates, TokenBucket
from sipagent.config import ANY_NUMBER, AgentConfig, Config, TrunkConfig
from sipagent.errors import ReasonCode, SdpError
from sipagent.sip.crypto import KEY_BYTES, codecs_to_take, wants_srtp
from sipagent.sip.messages import IncomingInvite, OfferedAudio, Transport, user_part

#: What a peer that met a call limit is told to wait; calls end all the time, so not long.
CALL_LIMIT_RETRY_S = 10


@dataclass(frozen=True, slots=True)
class Load:
    """What the server carries at this moment. `rates` None means that no rate is counted."""

    calls: int = 0
    calls_by_trunk: Mapping[str, int] = field(default_factory=dict)
    draining: bool = False
    rates: CallRates | None = None


@dataclass(frozen=True, slots=True)
class RuleResult:
    """What one rule said."""

    rule: str
    passed: bool
    detail: str


Trail = tuple[RuleResult, ...]


@dataclass(frozen=True, slots=True)
class Admit:
    """The call is taken. `route` tells which number rule led to the agent."""

    trunk: TrunkConfig
    agent: AgentConfig
    route: str
    trail: Trail


@dataclass(frozen=True, slots=True)
class Refuse:
    """The call is refused; the last result of `trail` is the rule that did it."""

    sip_status: int
    reason_code: ReasonCode
    detail: str
    retry_after_s: int | None
    trunk: TrunkConfig | None
    trail: Trail

    @property
    def reason_header(self) -> str:
        """The value of the Reason header (RFC 3326 section 2)."""
        return f'SIP;cause={self.sip_status};text="{self.reason_code}"'


Decision = Admit | Refuse


def decide(
    invite: IncomingInvite,
    offered: OfferedAudio | None,
    load: Load,
    config: Config,
    registered_sources: Sources,
    now: float,
) -> Decision:
    """Admit or refuse an INVITE.

    `offered` is the audio in its offer, None for a late offer.
    `registered_sources` holds, per trunk that is registered, the addresses of its registrar and proxy.
    """
    trunk = trunk_of(invite, config, registered_sources)
    if trunk is None:
        detail = f"no trunk lists {invite.source_ip} over {invite.transport}"
        refusal = RuleResult("trunk", False, detail)
        return Refuse(403, ReasonCode.TRUNK_UNKNOWN, detail, None, None, (refusal,))

    question = _Question(invite, offered, load, config, trunk, now)
    trail: Trail = (
        RuleResult("trunk", True, f"{trunk.name} takes {invite.source_ip} over {invite.transport}"),
    )
    for name, rule in RULES.items():
        answer = rule(question)
        if isinstance(answer, _No):
            trail += (RuleResult(name, False, answer.detail),)
            return Refuse(
                answer.sip_status, answer.reason_code, answer.detail, answer.retry_after_s, trunk, trail
            )
        trail += (RuleResult(name, True, answer),)

    number = question.number
    assert number is not None
    agent = config.agents[trunk.numbers[number]]
    return Admit(trunk, agent, f"{trunk.name}/{number} -> {agent.name}", trail)


def route_test(
    config: Config,
    source_ip: str,
    to_number: str,
    from_number: str = "anonymous",
    transport: Transport = "udp",
    codecs: tuple[str, ...] | None = None,
    srtp: bool = False,
    load: Load | None = None,
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
    )
    offered: OfferedAudio | None = None
    if codecs is not None:
        offered = OfferedAudio(None, codecs, tuple(KEY_BYTES)) if srtp else OfferedAudio(codecs)
    return decide(invite, offered, load or Load(), config, registered, now=0.0)


# --- the rules ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Question:
    """What every rule may look at."""

    invite: IncomingInvite
    offered: OfferedAudio | None
    load: Load
    config: Config
    trunk: TrunkConfig
    now: float

    @property
    def called(self) -> tuple[str, ...]:
        """The numbers the call may be meant for, best first.

        A provider that calls the account we registered names the dialled number in the To header only.
        """
        if is_our_account(self.invite, self.trunk):
            return tuple(dict.fromkeys((user_part(self.invite.to_uri), self.invite.to_number)))
        return (self.invite.to_number,)

    @property
    def number(self) -> str | None:
        """The key of the trunk's `numbers` that applies."""
        return next((key for key in (*self.called, ANY_NUMBER) if key in self.trunk.numbers), None)


@dataclass(frozen=True, slots=True)
class _No:
    """A rule refuses."""

    sip_status: int
    reason_code: ReasonCode
    detail: str
    retry_after_s: int | None = None


def _draining(question: _Question) -> str | _No:
    if question.load.draining:
        wait_s = question.config.limits.drain_deadline_s
        return _No(503, ReasonCode.DRAINING, "the server is shutting down", wait_s)
    return "the server takes calls"


def _number(question: _Question) -> str | _No:
    called = question.called[0] or "(no number)"
    if question.number is None:
        near = get_close_matches(called, question.trunk.numbers, n=1, cutoff=0.6)
        hint = f"; near it is {near[0]}" if near else f"; add it, or '{ANY_NUMBER}' for every number"
        detail = f"{called} is not in numbers of {question.trunk.name}{hint}"
        return _No(404, ReasonCode.NUMBER_UNKNOWN, detail)
    return f"{called} matches {question.number}"


def _server_calls(question: _Question) -> str | _No:
    calls, most = question.load.calls, question.config.limits.max_calls
    detail = f"{calls} of {most} calls of the server"
    if calls >= most:
        return _No(503, ReasonCode.SERVER_CALL_LIMIT, detail, CALL_LIMIT_RETRY_S)
    return detail


def _trunk_calls(question: _Question) -> str | _No:
    trunk = question.trunk
    calls = question.load.calls_by_trunk.get(trunk.name, 0)
    if trunk.max_calls is None:
        return f"{calls} calls over {trunk.name}, which has no limit of its own"
    detail = f"{calls} of {trunk.max_calls} calls over {trunk.name}"
    if calls >= trunk.max_calls:
        return _No(503, ReasonCode.TRUNK_CALL_LIMIT, detail, CALL_LIMIT_RETRY_S)
    return detail


def _server_rate(question: _Question) -> str | _No:
    rates = question.load.rates
    return _rate(rates.server if rates else None, question.now, ReasonCode.SERVER_RATE_LIMIT)


def _trunk_rate(question: _Question) -> str | _No:
    rates = question.load.rates
    bucket = rates.trunks.get(question.trunk.name) if rates else None
    return _rate(bucket, question.now, ReasonCode.TRUNK_RATE_LIMIT)


def _rate(bucket: TokenBucket | None, now: float, reason_code: ReasonCode) -> str | _No:
    if bucket is None:
        return "no rate to hold"
    if wait_s := bucket.wait_s(now):
        return _No(503, reason_code, f"more than {bucket.rate_per_s:g} calls per second", ceil(wait_s))
    return f"within {bucket.rate_per_s:g} calls per second"


def _srtp(question: _Question) -> str | _No:
    offered, policy = question.offered, question.trunk.srtp
    if offered is None:
        return f"late offer: ours will be {'SRTP' if policy == 'required' else 'plain RTP'}"
    try:
        secure = wants_srtp(offered, policy)
    except SdpError as error:
        return _No(error.sip_status, error.reason_code, str(error))
    return f"{offered.suites[0] if secure else 'plain RTP'}, SRTP is {policy}"


def _codec(question: _Question) -> str | _No:
    if question.offered is None:
        return "late offer: ours will name the codecs"
    offered = {codec.upper() for codec in codecs_to_take(question.offered, question.trunk.srtp)}
    common = [codec for codec in question.trunk.codecs if codec in offered]
    if not common:
        detail = f"offered {', '.join(sorted(offered)) or 'nothing'}; {question.trunk.name} speaks "
        return _No(488, ReasonCode.NO_COMMON_CODEC, detail + ", ".join(question.trunk.codecs))
    return f"{common[0]} is the best of {', '.join(common)}"


RULES: Mapping[str, Callable[[_Question], str | _No]] = {
    "draining": _draining,
    "number": _number,
    "server_calls": _server_calls,
    "trunk_calls": _trunk_calls,
    "server_rate": _server_rate,
    "trunk_rate": _trunk_rate,
    "srtp": _srtp,
    "codec": _codec,
}
