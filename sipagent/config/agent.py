"""What stands in a file of `agents/`. An `AgentConfig` travels to media workers as plain JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, PositiveInt, model_validator

from sipagent.config.answering import AnsweringMachineConfig
from sipagent.config.fallback import FallbackConfig
from sipagent.config.prices import BudgetConfig
from sipagent.config.story import StoryConfig
from sipagent.config.tools import ToolConfig, ToolName
from sipagent.config.transfer import TransferTargetConfig
from sipagent.config.values import ConfigPath, HeaderValue, Secret, Section


def _websocket_url(url: str) -> str:
    if not url.startswith(("ws://", "wss://")):
        raise ValueError("must begin with wss:// (or ws:// for a server on a private network)")
    return url


class OpenAIRealtimeConfig(Section):
    """A server that speaks the OpenAI Realtime protocol: OpenAI itself, Azure, or a compatible one.

    The key goes into `api_key_header`, after `Bearer ` if that is Authorization. `audio` is what we send and
    receive: `auto` is the law of the call, undecoded. `send_every_ms` is how much of the caller's audio a
    message carries: sent half as often it costs half as much. A fresh session takes over before one
    gets older than `max_session_s`, or than its server allows. `extra_session` is merged into
    `session.update` last.
    """

    kind: Literal["openai_realtime"] = "openai_realtime"
    url: Annotated[str, AfterValidator(_websocket_url)] = "wss://api.openai.com/v1/realtime"
    model: str = "gpt-realtime-2.1"
    api_key: Secret | None = None
    api_key_header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")] = "Authorization"
    headers: Mapping[str, HeaderValue] = {}
    audio: Literal["auto", "pcmu", "pcma", "pcm24"] = "auto"
    ready_deadline_ms: Annotated[int, Field(ge=100, le=30000)] = 3000
    send_every_ms: Annotated[int, Field(ge=10, le=100)] = 20
    max_session_s: Annotated[int, Field(ge=5)] | None = 3300
    extra_session: Mapping[str, Any] = {}


class EchoConfig(Section):
    """Plays the caller's audio back, to test a trunk without any model."""

    kind: Literal["echo"] = "echo"


class PromptConfig(Section):
    """Plays a WAV file to the caller, `times` over (null: until the caller hangs up), then the call ends."""

    kind: Literal["prompt"] = "prompt"
    file: ConfigPath
    times: PositiveInt | None = 1
    pause_ms: Annotated[int, Field(ge=0, le=60000)] = 1000


class VoicemailConfig(Section):
    """Takes a message, which is then in the call's recording: greeting, beep, and the call ends after it.

    It is over after `silence_s` without speech, after `max_s` in all, or with one of the keys `finish_keys`.
    """

    kind: Literal["voicemail"] = "voicemail"
    greeting_file: ConfigPath | None = None
    beep: bool = True
    max_s: Annotated[int, Field(ge=1, le=3600)] = 120
    silence_s: Annotated[float, Field(ge=1, le=60)] = 5.0
    finish_keys: Annotated[str, Field(pattern=r"^[0-9*#A-D]*$")] = "#"


BackendConfig = Annotated[
    OpenAIRealtimeConfig | EchoConfig | PromptConfig | VoicemailConfig, Field(discriminator="kind")
]


class ServerVadConfig(Section):
    """The server ends a turn by silence."""

    kind: Literal["server_vad"] = "server_vad"
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.5
    prefix_padding_ms: Annotated[int, Field(ge=0, le=5000)] = 300
    silence_duration_ms: Annotated[int, Field(ge=0, le=10000)] = 500
    interrupt_response: bool = True


class SemanticVadConfig(Section):
    """The server ends a turn by what was said."""

    kind: Literal["semantic_vad"] = "semantic_vad"
    eagerness: Literal["low", "medium", "high", "auto"] = "auto"
    interrupt_response: bool = True


TurnDetectionConfig = Annotated[ServerVadConfig | SemanticVadConfig, Field(discriminator="kind")]


class BargeInConfig(Section):
    """What it takes to interrupt the agent. With the defaults the model's server decides.

    `min_speech_ms`: the agent is paused meanwhile, and goes on if that was all. `echo_guard` passes over its
    own voice, as phones without echo cancellation return it. Not `enabled`: it is never interrupted.
    """

    enabled: bool = True
    min_speech_ms: Annotated[int, Field(ge=0, le=2000)] = 0
    echo_guard: bool = False


#: Its server alone says what interrupts an agent.
_UNGUARDED = BargeInConfig()


class TranscriptionConfig(Section):
    """Transcribes the caller. `language` is an ISO 639-1 code; null lets the model find out."""

    model: str = "gpt-transcribe"
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}$")] | None = None


class AgentConfig(Section):
    """Who answers a call: what it is told, how it sounds, and which backend speaks for it.

    `instructions_file` is gone after loading: its text is in `instructions`. `greeting` null lets the caller
    speak first. `turn_detection` null is not offered: without it nobody would ever answer. `record_digits`
    false keeps the caller's digits, and ours, out of recording, call record and log; the model gets them.
    `safe_mode_instructions` replace the others while a tool that is essential, or all of them, are down.
    """

    name: Annotated[str, Field(pattern=r"^[\w.-]+$")]
    backend: BackendConfig
    instructions: str = ""
    instructions_file: ConfigPath | None = None
    greeting: str | None = None
    voice: str = "marin"
    turn_detection: TurnDetectionConfig = ServerVadConfig()
    barge_in: BargeInConfig = _UNGUARDED
    transcription: TranscriptionConfig | None = TranscriptionConfig()
    noise_reduction: Literal["near_field", "far_field"] | None = None
    max_output_tokens: Annotated[int, Field(ge=1, le=4096)] | Literal["inf"] = "inf"
    max_call_duration_s: PositiveInt | None = None
    record: bool = True
    record_digits: bool = True
    accept: Literal["auto", "manual"] = "auto"
    manual_timeout_s: Annotated[float, Field(ge=1, le=180)] = 20.0
    manual_default: Literal["accept", "reject"] = "reject"
    story: StoryConfig = StoryConfig()
    tools: Mapping[ToolName, ToolConfig] = {}
    safe_mode_instructions: str | None = None
    transfers: Mapping[Annotated[str, Field(pattern=r"^[\w.-]+$")], TransferTargetConfig] = {}
    fallback: FallbackConfig = FallbackConfig()
    answering_machine: AnsweringMachineConfig = AnsweringMachineConfig()
    budget: BudgetConfig = BudgetConfig()

    @property
    def has_firm_words(self) -> bool:
        """Does its model say anything that the caller may not interrupt?"""
        firm = (self.story.consent, self.answering_machine.message)
        spoken = any(words is not None and words.say is not None for words in firm)
        return spoken or not self.story.greeting_interruptible

    @property
    def decides_turns(self) -> bool:
        """Is it ours to say what interrupts the agent, and what it answers? Else its server does."""
        guarded = self.barge_in != _UNGUARDED or self.has_firm_words
        return guarded and isinstance(self.backend, OpenAIRealtimeConfig)

    @model_validator(mode="after")
    def _one_instruction(self) -> Self:
        if self.instructions and self.instructions_file is not None:
            raise ValueError("write either instructions or instructions_file")
        return self

    @model_validator(mode="after")
    def _one_greeting(self) -> Self:
        if self.greeting and self.story.greeting_file is not None:
            raise ValueError("write either greeting or story.greeting_file")
        return self
