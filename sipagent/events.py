"""The events of a call, one vocabulary for all: workers report them, log, record and metrics consume them.

Frozen, past tense. `at` is CLOCK_MONOTONIC in seconds, which all processes of one host share.
They travel between processes as they are (see `worker.reports`).
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Role = Literal["caller", "agent"]
DigitMethod = Literal["rfc4733", "info", "inband"]
TransferMethod = Literal["refer", "attended", "bridge"]
#: `rejected` is the tool's own no (a 4xx), `unavailable` one that is taken for down, `interrupted` a hang-up
#: into which the caller spoke.
ToolOutcome = Literal[
    "ok",
    "rejected",
    "invalid",
    "unknown",
    "failed",
    "timeout",
    "unavailable",
    "busy",
    "interrupted",
    "call_ended",
]

#: Stands for a digit that is not to be kept.
MASKED = "***"


class CallEvent(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Something that happened in one call."""

    call_id: str
    at: float


# --- seen by the control process ------------------------------------------------------------------


class CallReceived(CallEvent, frozen=True, kw_only=True):
    direction: Literal["inbound", "outbound"]
    source: str
    trunk: str | None
    from_number: str
    to_number: str
    sip_call_id: str
    asserted_identity: str | None = None
    diverted_from: str | None = None
    privacy: str | None = None
    stir: dict[str, Any] | None = None


class CallOriginated(CallEvent, frozen=True, kw_only=True):
    """We are about to call somebody: the first event of an outbound call.

    `from_number` is empty where the trunk's own is shown. What whoever asked for it named stands in
    `dial_id`, `attempt` and `tenant`.
    """

    direction: Literal["outbound"] = "outbound"
    trunk: str
    from_number: str
    to_number: str
    to_uri: str
    dial_id: str | None = None
    attempt: int = 1
    tenant: str | None = None


class CallDialled(CallEvent, frozen=True, kw_only=True):
    """Our INVITE is on its way: the agent is ready to talk."""


class CallProgressed(CallEvent, frozen=True, kw_only=True):
    """A provisional answer to our INVITE: 180 is ringing."""

    sip_status: int
    reason: str
    sip_call_id: str


class EarlyMediaOffered(CallEvent, frozen=True, kw_only=True):
    """The network would let us hear something before anybody has answered. Nobody listens to it."""

    codec: str


class CallAdmitted(CallEvent, frozen=True, kw_only=True):
    agent: str
    route: str


class CallOffered(CallEvent, frozen=True, kw_only=True):
    """The call rings until somebody accepts or rejects it by API; if nobody does, `default` holds."""

    timeout_s: float
    default: Literal["accept", "reject"]


class CallAccepted(CallEvent, frozen=True, kw_only=True):
    """Somebody outside wants an offered call to be answered by `agent`; or it is so by default."""

    agent: str
    by_default: bool


class CallRefused(CallEvent, frozen=True, kw_only=True):
    sip_status: int
    reason_code: str
    detail: str


class CallRouted(CallEvent, frozen=True, kw_only=True):
    """Admission has decided. `trail` is what each rule said, as `rule`, `passed` and `detail`.

    `route` is the rule of `routes.yaml` or the number that decided, None if the call didn't get that far.
    """

    outcome: Literal["admitted", "redirected", "refused"]
    route: str | None
    trail: list[dict[str, Any]]


class CallRedirected(CallEvent, frozen=True, kw_only=True):
    """The peer was told to call one of `targets` instead."""

    sip_status: int
    targets: list[str]
    route: str


class CallAnswered(CallEvent, frozen=True, kw_only=True):
    """`srtp` names the suite; None is plain RTP."""

    codec: str
    srtp: str | None = None


class MediaUpdated(CallEvent, frozen=True, kw_only=True):
    """What a re-INVITE came to."""

    codec: str
    srtp: str | None
    direction: str


class CallHeld(CallEvent, frozen=True, kw_only=True):
    """The call is on hold, `by` the peer or us. `direction` is ours: with `sendonly` the peer listens."""

    direction: str
    by: Literal["peer", "us"] = "peer"


class CallResumed(CallEvent, frozen=True, kw_only=True):
    """The hold is over."""


class DigitsSent(CallEvent, frozen=True, kw_only=True):
    """Digits are on their way to the peer, one after the other. Masked if they are not to be kept."""

    digits: str
    method: DigitMethod


class TransferStarted(CallEvent, frozen=True, kw_only=True):
    """The caller is being handed on. `target` is the agent's word for it, or the number.

    `said` is what both sides have said so far, as `role` and `text`.
    """

    target: str
    to_number: str
    how: TransferMethod
    summary: str = ""
    said: list[dict[str, str]] = []


class TransferJoined(CallEvent, frozen=True, kw_only=True):
    """Caller and human talk to each other, through us."""

    target: str


class TransferEnded(CallEvent, frozen=True, kw_only=True):
    """What became of a transfer, by whichever way it went in the end; `sip_status` 0 if none tells.

    `returned`: they have talked, and the human left the caller to the agent.
    """

    target: str
    to_number: str
    how: TransferMethod
    outcome: Literal["transferred", "failed", "returned", "human_left", "caller_left"]
    sip_status: int
    detail: str = ""


class HumanLegEnded(CallEvent, frozen=True, kw_only=True):
    """Our own call to a human is over, or never came about. Times are monotonic seconds.

    `rtp` is as in `LegEnded`; `codec` is None if nobody answered.
    """

    to_number: str
    trunk: str
    sip_call_id: str
    began: float
    answered: float | None
    sip_status: int
    end_reason: str
    detail: str = ""
    codec: str | None = None
    rtp: dict[str, Any] = {}


class TransferFailed(CallEvent, frozen=True, kw_only=True):
    """The caller may not or can't be handed on to `target`: it was not even tried."""

    target: str
    sip_status: int = 0
    detail: str = ""


class ToolAnswered(CallEvent, frozen=True, kw_only=True):
    """What came of a `ToolCalled`: exactly one for each.

    `output` is what the model is told; None: nothing, as the call is over or in other hands. `detail` says
    more to those who run the server.
    """

    tool_call_id: str
    name: str
    outcome: ToolOutcome
    duration_ms: float
    output: str | None = None
    detail: str = ""


class MessageTaken(CallEvent, frozen=True, kw_only=True):
    """The caller left a message with the agent; `fields` are those of the tool's parameters."""

    tool: str
    fields: dict[str, Any]


class SafeModeEntered(CallEvent, frozen=True, kw_only=True):
    """These tools are down, and the agent got its safe-mode instructions."""

    tools: list[str]


class SafeModeLeft(CallEvent, frozen=True, kw_only=True):
    """The agent has its own instructions again."""


class FallbackTaken(CallEvent, frozen=True, kw_only=True):
    """What was tried for a call whose model was lost, or could not be reached, and whether that helped.

    `step` is `reconnect`, or a kind and name such as `agent spare`; `cause` why it was needed, or failed.
    """

    step: str
    cause: str
    outcome: Literal["taken", "failed"]


class SessionRolledOver(CallEvent, frozen=True, kw_only=True):
    """A fresh session speaks for the same agent, before the one before it came to its end."""

    agent: str


class CallCharged(CallEvent, frozen=True, kw_only=True):
    """What an answered call used and cost, told when it ends. Costs are in `currency`; None: no prices.

    `tokens` are by model and kind (see `cost.usage.Quantities`); `models` and `trunks` are the parts of
    `model_cost` and `trunk_cost`. Our calls to humans on the caller's behalf are in it.
    """

    agent: str
    trunk: str
    direction: Literal["inbound", "outbound"]
    answered_s: float
    tokens: dict[str, dict[str, int]]
    model_cost: float
    trunk_cost: float
    models: dict[str, float]
    trunks: dict[str, float]
    currency: str | None


class CallEnded(CallEvent, frozen=True, kw_only=True):
    """`outcome` tells of an outbound call what became of it (see `call.origination`).

    `q850` is the cause that the network gave for the end of a call, if it did (ITU-T Q.850, RFC 3326).
    """

    end_reason: str
    sip_status: int
    detail: str = ""
    outcome: str | None = None
    q850: int | None = None
    sip_call_id: str = ""


class TrunkStateChanged(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A trunk's registration; `expires_s` is 0 unless registered. `target` is its registrar's server."""

    at: float
    trunk: str
    registered: bool
    sip_status: int
    detail: str
    expires_s: int = 0
    target: str = ""


class TargetStateChanged(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A server of a trunk's was asked whether it is there. `rtt_ms` is None without an answer in time."""

    at: float
    trunk: str
    target: str
    is_up: bool
    sip_status: int
    rtt_ms: float | None = None


# --- reported by a leg in a worker ----------------------------------------------------------------


class LegReady(CallEvent, frozen=True, kw_only=True):
    """The backend is configured: the call may be answered.

    `expires_at` is when its session ends by itself, as Unix time; None if it doesn't say. `agent` is who
    answers: not the one that the call was meant for, where that one failed.
    """

    ready_ms: float
    expires_at: float | None = None
    agent: str = ""


class LegFailed(CallEvent, frozen=True, kw_only=True):
    """The leg never became ready. Its last event."""

    sip_status: int
    reason_code: str
    detail: str


class PathBuilt(CallEvent, frozen=True, kw_only=True):
    """The audio path, printed, as it is from now on: at the start, and after a change of codec."""

    path: str


class MediaStarted(CallEvent, frozen=True, kw_only=True):
    """The first valid RTP packet came in, and its source is locked."""

    source: str


class SpeechStarted(CallEvent, frozen=True, kw_only=True):
    """The caller began to speak, as the backend heard it. `audio_ms` is on the backend's input clock."""

    item_id: str
    audio_ms: int | None = None


class SpeechStopped(CallEvent, frozen=True, kw_only=True):
    item_id: str
    audio_ms: int | None = None


class AgentSpeechStarted(CallEvent, frozen=True, kw_only=True):
    """The first audio of an item went out on the wire."""

    item_id: str


class AgentSpeechEnded(CallEvent, frozen=True, kw_only=True):
    """The last audio of an item went out, or was flushed. `played_ms` is what the caller was sent of it."""

    item_id: str
    played_ms: int
    flushed_ms: int
    interrupted: bool
    starvations: dict[str, int] = {}


class Transcript(CallEvent, frozen=True, kw_only=True):
    """What one side said in one item, final, whether or not it was heard to the end.

    `is_partial`: the backend was lost before it had said all of it.
    """

    role: Role
    item_id: str
    text: str
    is_partial: bool = False


class DigitReceived(CallEvent, frozen=True, kw_only=True):
    """The caller pressed a key; `method` is the one that told of it first.

    One that is not to be `kept` is masked before record, log or anybody outside gets to see it.
    """

    digit: str
    kept: bool = True
    duration_ms: int
    method: DigitMethod = "rfc4733"


class AgentFellSilent(CallEvent, frozen=True, kw_only=True):
    """What the agent had to say has gone out or was flushed, and no more of it is being made."""


class PromptEnded(CallEvent, frozen=True, kw_only=True):
    """A recorded prompt has been played; not `completed` if it was interrupted, or could not be read."""

    prompt_id: str
    completed: bool
    detail: str = ""


class ToolCalled(CallEvent, frozen=True, kw_only=True):
    """The model wants a tool to be run. `arguments` is JSON text, as the model wrote it."""

    tool_call_id: str
    name: str
    arguments: str


class McpToolUsed(CallEvent, frozen=True, kw_only=True):
    """The model's host ran a tool of the MCP `server`. `error` says why it failed, if it did."""

    tool_call_id: str
    server: str
    name: str
    arguments: str
    output: str | None = None
    error: str = ""


class BackendDown(CallEvent, frozen=True, kw_only=True):
    """The backend of `agent` is gone. The call stands, without one: what had come of the agent's words is
    still played.

    `fatal`: it will not serve us, so trying again is no use.
    """

    agent: str
    code: str
    message: str
    fatal: bool


class BackendNotReplaced(CallEvent, frozen=True, kw_only=True):
    """The backend that was to speak for `agent` did not come up, or not stay. If there is one, it goes on."""

    agent: str
    code: str
    message: str
    fatal: bool


class BackendReplaced(CallEvent, frozen=True, kw_only=True):
    """Another session speaks for the agent from now on, and knows the conversation so far."""

    agent: str
    ready_ms: float
    expires_at: float | None = None


class BackendFinished(CallEvent, frozen=True, kw_only=True):
    """A backend without a model has done its part, and all that it said has gone out.

    `outcome` is an `errors.EndReason`: `prompt_played`, `message_taken` or `no_message`. `message_ms` is how
    long a message was, which lies at the end of the recording.
    """

    outcome: str
    message_ms: int = 0
    detail: str = ""


class AnswererDetected(CallEvent, frozen=True, kw_only=True):
    """Who has answered a call of ours, as far as can be heard, and by which sign (see `rtp.answering`).

    Times are ms of the callee's audio: `after_ms` since the answer, `greeting_ms` how long it spoke, after
    `initial_silence_ms`; `words` are stretches of speech.
    """

    kind: Literal["human", "machine", "fax", "announcement", "unknown"]
    reason: str
    after_ms: int
    greeting_ms: int
    initial_silence_ms: int
    words: int


class BeepHeard(CallEvent, frozen=True, kw_only=True):
    """The machine takes a message from now on. `hz` 0: it had no beep, but has been silent for long."""

    hz: int
    duration_ms: int
    after_ms: int


class RecordingStarted(CallEvent, frozen=True, kw_only=True):
    """The recording, which had to wait for a consent announcement, begins here."""


class RecordingResumed(CallEvent, frozen=True, kw_only=True):
    """A worker that was lost had not written all; the recording goes on in the same file, by the same clock.

    In the `missing_ms` before `lost_at` it is silent. From then on it has what was heard and sent.
    """

    lost_at: float
    missing_ms: int


class LegRehomed(CallEvent, frozen=True, kw_only=True):
    """The call's media worker was lost, and another carries its audio. Nobody speaks for the agent yet.

    `at` is the first tick of the new one, `gap_ms` what it came after. What the RTP report counts goes on; of
    the last `uncounted_ms` before the loss it knows nothing. Workers go by their numbers.
    """

    cause: Literal["died", "hung"]
    gap_ms: int
    uncounted_ms: int
    from_worker: int
    to_worker: int


class RecordingTruncated(CallEvent, frozen=True, kw_only=True):
    """The recording lacks audio from now on, or has lost some. The call goes on."""

    detail: str


class UsageReported(CallEvent, frozen=True, kw_only=True):
    """Usage of one response or transcription, as the backend reported it. Consumers add it up.

    `model` goes by the name under which it has a price.
    """

    source: Literal["response", "transcription"]
    usage: dict[str, Any]
    model: str = ""


class BackendProblem(CallEvent, frozen=True, kw_only=True):
    """The backend reported an error that did not end the call."""

    code: str
    message: str


class LegEnded(CallEvent, frozen=True, kw_only=True):
    """The last event of a leg that became ready, sent once. `rtp` is `rtp.stats.RtpReport.as_dict()`.

    `recording_left`: its worker died over the recording, which is still to be completed.
    """

    reason: str
    detail: str = ""
    rtp: dict[str, Any] = {}
    audio: dict[str, Any] = {}
    recording: str | None = None
    recording_truncated: bool = False
    recording_left: bool = False


LegEvent = (
    LegReady
    | LegFailed
    | PathBuilt
    | MediaStarted
    | SpeechStarted
    | SpeechStopped
    | AgentSpeechStarted
    | AgentSpeechEnded
    | Transcript
    | DigitReceived
    | AgentFellSilent
    | PromptEnded
    | ToolCalled
    | McpToolUsed
    | BackendDown
    | BackendReplaced
    | BackendNotReplaced
    | BackendFinished
    | AnswererDetected
    | BeepHeard
    | RecordingStarted
    | RecordingResumed
    | LegRehomed
    | RecordingTruncated
    | UsageReported
    | BackendProblem
    | LegEnded
)
#: How the story of a call begins.
CallBegun = CallReceived | CallOriginated
Event = (
    CallBegun
    | CallDialled
    | CallProgressed
    | EarlyMediaOffered
    | CallAdmitted
    | CallRouted
    | CallOffered
    | CallAccepted
    | CallRefused
    | CallRedirected
    | CallAnswered
    | MediaUpdated
    | CallHeld
    | CallResumed
    | DigitsSent
    | TransferFailed
    | ToolAnswered
    | MessageTaken
    | SafeModeEntered
    | SafeModeLeft
    | TransferStarted
    | TransferJoined
    | TransferEnded
    | HumanLegEnded
    | FallbackTaken
    | SessionRolledOver
    | CallCharged
    | CallEnded
    | LegEvent
)
