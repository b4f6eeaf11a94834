"""What the control process tells a media worker, all of it about one leg; `worker.channel` carries it."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import msgspec

from rtp.handover import Handover
from rtp.session import RtpParams
from sipagent.config import AgentConfig
from sipagent.conversation import HistoryItem
from sipagent.worker.media_watch import MediaTimeouts

PRESS_MS, PAUSE_MS = 100, 100
"""Of a digit that we send, and after it: Q.24 asks for 40 ms of each at least, and gateways are slower."""
MAX_AGENTS = 64
"""So many agents' configurations a worker keeps: most calls are for one that another call was for."""


class Order(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """To the leg of this call."""

    call_id: str


class Resumption(msgspec.Struct, frozen=True, kw_only=True):
    """What a leg goes on from that was lost with its worker: the last that this told of it.

    Nobody was there since `lost_at`. `recorded_since` is None if it wasn't being recorded; `pressed` a key,
    and for how many ms, that has just been told of and may be heard once more.
    """

    lost_at: float
    session: Handover | None = None
    audio: dict[str, int] = {}
    recorded_since: float | None = None
    pressed: tuple[str, int] | None = None


class OpenLeg(Order, frozen=True, kw_only=True):
    """Get a leg ready. Carries two descriptors: the bound RTP and RTCP sockets.

    `agent` is what `agent_config` reads; `codec` the RTP encoding name that we expect. What isn't
    said here is as the configuration has it (`config.trunk`). `history` is what was said before, where the
    call had another backend. With a `recording` and not `record_at_once`, it waits for `StartRecording`.
    Without `has_agent` nobody speaks for it: it is there to be joined with another. With `detects_machine` it
    tells who answers. If it `discards_early`, nobody hears what came in before `StartMedia`. With a
    `resumption` its audio flows from `StartMedia` on as if nothing had been; who speaks for it, `UseBackend`
    will say.
    """

    agent: str
    codec: str
    recording: str | None
    jitter_min_ms: int
    jitter_max_ms: int
    timeouts: MediaTimeouts = MediaTimeouts()
    detect_inband: Literal["off", "auto", "always"] = "off"
    record_digits: bool = True
    hold_tone: bool = False
    history: list[HistoryItem] = []
    record_at_once: bool = True
    detects_machine: bool = False
    has_agent: bool = True
    discards_early: bool = False
    resumption: Resumption | None = None


class StartMedia(Order, frozen=True, kw_only=True):
    """Audio flows from now on; sent again, with what a re-INVITE changed."""

    params: RtpParams


class PressDigit(Order, frozen=True, kw_only=True):
    """A digit that came by signalling."""

    digit: str
    duration_ms: int = 0


class SendDigits(Order, frozen=True, kw_only=True):
    """Press keys towards the peer: by telephone events if it takes them and not `inband`, else as tones."""

    digits: str
    inband: bool = False


class Say(Order, frozen=True, kw_only=True):
    """Have the agent say exactly this.

    What is not `interruptible` is heard to its end by callers of an agent that `has_firm_words`.
    """

    text: str
    interruptible: bool = True


class PlayPrompt(Order, frozen=True, kw_only=True):
    """Play a WAV file, or one of `media.tones.BUILT_IN` by its name, after what the agent is saying.

    `PromptEnded` follows, always.
    `repeat` plays it until `StopPrompt`. `over` lets the agent's own audio end it, as a filler is ended.
    """

    prompt_id: str
    file: str
    interruptible: bool = False
    repeat: bool = False
    over: bool = False


class StopPrompt(Order, frozen=True, kw_only=True):
    prompt_id: str


class Inject(Order, frozen=True, kw_only=True):
    """Let the model know something that nobody said; `respond`: it is to speak about it now."""

    text: str
    respond: bool = False


class AnswerTool(Order, frozen=True, kw_only=True):
    """What a tool said that the model has called."""

    tool_call_id: str
    output: str


class Instruct(Order, frozen=True, kw_only=True):
    """Replace the model's instructions."""

    instructions: str


class UseBackend(Order, frozen=True, kw_only=True):
    """Let another session speak for the call: opened beside the one there is, if that still lives, and taken
    over from at the next moment when nobody speaks, or `at_once`. `BackendReplaced` or `BackendNotReplaced`
    follows, unless another `UseBackend` takes its place before.

    `agent` and `history` are as in `OpenLeg`. `greet` lets it speak first, as one that begins a call does; it
    takes that to play a prompt or to take a message.
    """

    agent: str
    history: list[HistoryItem] = []
    at_once: bool = False
    greet: bool = False


class Recall(Order, frozen=True, kw_only=True):
    """Let the model know what was said after the `history` that it was opened with."""

    history: list[HistoryItem]


class StartRecording(Order, frozen=True, kw_only=True):
    """The recording may begin."""


class SetAside(Order, frozen=True, kw_only=True):
    """The agent is out of the call for a while: it is not heard, and hears nothing unless it `agent_listens`.
    Prompts are played all the same; if `ringing`, the caller hears a ringing tone instead of them.
    """

    ringing: bool = False
    agent_listens: bool = False


class JoinLegs(Order, frozen=True, kw_only=True):
    """Let the phones of two legs of this worker talk to each other; `agent_listens` goes for the first.

    It lasts until `GiveBack`, or until either leg ends: the other then hears nothing.
    """

    other: str
    agent_listens: bool = False


class GiveBack(Order, frozen=True, kw_only=True):
    """The agent has its caller back."""


class TapAudio(Order, frozen=True, kw_only=True):
    """Let somebody outside hear the call: `AudioTapped` follows every 20 ms while `on`."""

    on: bool


class CloseLeg(Order, frozen=True, kw_only=True):
    reason: str


ToLeg = (
    StartMedia
    | PressDigit
    | SendDigits
    | Say
    | PlayPrompt
    | StopPrompt
    | Inject
    | AnswerTool
    | Instruct
    | UseBackend
    | Recall
    | StartRecording
    | SetAside
    | JoinLegs
    | GiveBack
    | TapAudio
    | CloseLeg
)
ToWorker = OpenLeg | ToLeg


@lru_cache(MAX_AGENTS)
def agent_config(agent: str) -> AgentConfig:
    """The agent of an order, which was written by `AgentConfig.model_dump_json`."""
    return AgentConfig.model_validate_json(agent)
