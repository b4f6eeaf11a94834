"""One vocabulary of errors: what went wrong, what to tell the SIP peer, and which rule it was."""

from __future__ import annotations

from enum import StrEnum


class ReasonCode(StrEnum):
    """Names the rule that refused a call. Stable: it stands in logs, metrics, records and Reason headers."""

    TRUNK_UNKNOWN = "trunk_unknown"
    AGENT_UNKNOWN = "agent_unknown"
    CALLER_BLOCKED = "caller_blocked"
    CALLER_NOT_ALLOWED = "caller_not_allowed"
    NUMBER_UNKNOWN = "number_unknown"
    ROUTE_REFUSED = "route_refused"
    TRUNK_CALL_LIMIT = "trunk_call_limit"
    SERVER_CALL_LIMIT = "server_call_limit"
    TRUNK_RATE_LIMIT = "trunk_rate_limit"
    SERVER_RATE_LIMIT = "server_rate_limit"
    BUDGET_EXCEEDED = "budget_exceeded"
    DRAINING = "draining"
    NO_COMMON_CODEC = "no_common_codec"
    SRTP_OFF = "srtp_off"
    SRTP_REQUIRED = "srtp_required"
    NO_COMMON_CRYPTO = "no_common_crypto"
    BAD_OFFER = "bad_offer"
    EXTENSION_REQUIRED = "extension_required"
    SESSION_INTERVAL = "session_interval"
    BAD_MEDIA_ADDRESS = "bad_media_address"
    NO_ROUTE = "no_route"
    NO_RTP_PORT = "no_rtp_port"
    NO_WORKER = "no_worker"
    BACKEND_UNREACHABLE = "backend_unreachable"
    BACKEND_REFUSED = "backend_refused"
    BACKEND_NOT_READY = "backend_not_ready"
    BACKEND_DOWN = "backend_down"
    API_REJECTED = "api_rejected"
    NOT_ACCEPTED = "not_accepted"
    INTERNAL_ERROR = "internal_error"


class EndReason(StrEnum):
    """Why an answered (or ringing) call ended. Exactly one stands in each call record."""

    CALLER_HUNG_UP = "caller_hung_up"
    CALLER_CANCELLED = "caller_cancelled"
    CALLEE_HUNG_UP = "callee_hung_up"
    NOT_ANSWERED = "not_answered"
    AGENT_HUNG_UP = "agent_hung_up"
    CALLER_SILENT = "caller_silent"
    API_HUNG_UP = "api_hung_up"
    TRANSFERRED = "transferred"
    HUMAN_HUNG_UP = "human_hung_up"
    REFUSED = "refused"
    REDIRECTED = "redirected"
    BACKEND_LOST = "backend_lost"
    PROMPT_PLAYED = "prompt_played"
    MESSAGE_TAKEN = "message_taken"
    NO_MESSAGE = "no_message"
    MAX_DURATION = "max_duration"
    MEDIA_TIMEOUT = "media_timeout"
    MACHINE_ANSWERED = "machine_answered"
    MESSAGE_LEFT = "message_left"
    DRAINING = "draining"
    DRAIN_DEADLINE = "drain_deadline"
    WORKER_LOST = "worker_lost"
    SIGNALLING_FAILED = "signalling_failed"
    SERVER_CRASHED = "server_crashed"
    INTERNAL_ERROR = "internal_error"


class SipAgentError(Exception):
    """Base of all declared errors. `sip_status` is the answer a SIP peer gets if a call fails on it."""

    sip_status: int = 500
    reason_code: ReasonCode = ReasonCode.INTERNAL_ERROR


class ConfigError(SipAgentError):
    """The configuration can't be used. `problems` holds every problem found, each as one printable line."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class SdpError(SipAgentError):
    """An SDP body that can't be read or used."""

    sip_status = 488
    reason_code = ReasonCode.BAD_OFFER


class BadMediaAddress(SdpError):
    """SDP that names an address which we must not send to."""

    reason_code = ReasonCode.BAD_MEDIA_ADDRESS


class NoCommonCodec(SdpError):
    """Offer and trunk share no codec."""

    reason_code = ReasonCode.NO_COMMON_CODEC


class SrtpOff(SdpError):
    """Only SRTP is offered, and the trunk has it off."""

    reason_code = ReasonCode.SRTP_OFF


class SrtpRequired(SdpError):
    """No SRTP is offered, and the trunk requires it, or the call has it already."""

    reason_code = ReasonCode.SRTP_REQUIRED


class NoCommonCrypto(SdpError):
    """SRTP without a suite and key that we can use."""

    reason_code = ReasonCode.NO_COMMON_CRYPTO


class BackendError(SipAgentError):
    """The voice backend can't serve this call. `code` is the vendor's own word for it, if it gave one."""

    sip_status = 503
    reason_code = ReasonCode.BACKEND_UNREACHABLE

    def __init__(self, message: str, *, code: str = "", fatal: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.fatal = fatal


class BackendUnreachable(BackendError):
    """No connection: refused, DNS, TLS, timeout, or an HTTP status that may pass (5xx, 429)."""


class BackendRefused(BackendError):
    """The backend answered and will not serve us (key, quota, model, request shape). Retrying won't help."""

    reason_code = ReasonCode.BACKEND_REFUSED


class BackendNotReady(BackendError):
    """Connected, but the session wasn't configured within its deadline."""

    reason_code = ReasonCode.BACKEND_NOT_READY


class NoRtpPort(SipAgentError):
    """Every RTP port pair is in use or in quarantine."""

    sip_status = 503
    reason_code = ReasonCode.NO_RTP_PORT


class NoWorker(SipAgentError):
    """No media worker is alive to take the call."""

    sip_status = 503
    reason_code = ReasonCode.NO_WORKER


class ReinviteFailed(SipAgentError):
    """A re-INVITE can't be sent now."""


class RecordingError(SipAgentError):
    """A recording can't be written or repaired."""
