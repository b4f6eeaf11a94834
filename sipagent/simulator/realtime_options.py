"""What a simulated Realtime server is told to do: replies, pace and faults."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

_STRICT = ConfigDict(frozen=True, extra="forbid")


class Part(BaseModel):
    """One item of a reply. Exactly one kind of it stands in each entry of a script."""

    model_config = _STRICT


class Say(Part):
    """Spoken text."""

    say: str


class Tone(Part):
    """A sine: tells parties apart by ear and by frequency."""

    tone_hz: float
    duration_ms: int = 1000


class Wav(Part):
    """A sound file, mono or its first channel, any rate."""

    wav: Path
    text: str = ""


class Pattern(Part):
    """Known pseudo-random bytes, see `voice.pattern`: to compare sample by sample.

    Each item of a session gets the next `number`, from 1, unless the script names one.
    """

    pattern_ms: int
    number: int | None = None


class Call(Part):
    """A function call."""

    call: str
    arguments: dict[str, Any] = {}


class Mcp(Part):
    """A tool of the MCP server `mcp` that the model's host has run. With `error` it failed."""

    mcp: str
    tool: str
    arguments: dict[str, Any] = {}
    output: str = ""
    error: str | None = None


class Fail(Part):
    """The response fails with this error code."""

    fail: str
    message: str = "The model failed."


AnyPart = Say | Tone | Wav | Pattern | Call | Mcp | Fail


class Turn(BaseModel):
    """What the caller is taken to have said before it, and the items of the reply.

    `heard` null makes the transcription fail.
    """

    model_config = _STRICT

    heard: str | None = "Yes, hello? I have a question."
    reply: list[AnyPart] = Field(min_length=1)


DEFAULT_SCRIPT = (
    Turn(
        heard="Hello, who is this?",
        reply=[
            Say(
                say="Hello, this is the simulated voice model. You can interrupt me any time. How can I help?"
            )
        ],
    ),
    Turn(
        heard="What are your opening hours?",
        reply=[Say(say="We are open from nine to five on weekdays, and from ten to two on Saturdays.")],
    ),
    Turn(heard="Thank you, that is all.", reply=[Say(say="You are welcome. Goodbye, and have a nice day.")]),
)
#: How a reply of one known pattern is written: for tests.
PATTERN_SCRIPT = (Turn(heard="pattern", reply=[Pattern(pattern_ms=4000)]),)


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong, and when, in seconds from the accepted connection. None: never."""

    __pydantic_config__: ClassVar = _STRICT

    refuse_status: int | None = None
    never_created: bool = False
    never_ready: bool = False
    created_delay_s: float = 0.0
    updated_delay_s: float = 0.0
    expire_after_s: float | None = None
    close_after_s: float | None = None
    close_code: int = 1011
    drop_after_s: float | None = None
    stall_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class TurnsByClock:
    """When callers are taken to speak, in seconds from the accepted connection, whatever their audio is.

    They speak for `speech_s`, and again after a pause of random length; a reply that isn't over by then is
    interrupted. Their audio is not looked at, so that one process can serve hundreds of them.
    """

    __pydantic_config__: ClassVar = _STRICT

    first_s: float = 4.0
    speech_s: float = 1.5
    pause_s: tuple[float, float] = (4.0, 12.0)


@dataclass(frozen=True, slots=True)
class RealtimeOptions:
    """`speed` is how much faster than real time audio is sent, in deltas of `chunk_ms`.

    The script starts again after its last turn; if `obedient`, a request to `Say exactly: ...` precedes it.
    `api_key` None accepts every key. With `log_events` each session keeps its events in memory; with
    `record_dir` it writes them, and the caller's audio, there. With `turns_by_clock` nobody listens.
    """

    __pydantic_config__: ClassVar = _STRICT

    host: str = "127.0.0.1"
    port: int = 0
    api_key: str | None = None
    script: Annotated[tuple[Turn, ...], Field(min_length=1)] = DEFAULT_SCRIPT
    speed: float = 8.0
    chunk_ms: tuple[int, int] = (200, 400)
    reply_delay_ms: int = 300
    transcription_delay_ms: int = 900
    obedient: bool = True
    turns_by_clock: TurnsByClock | None = None
    voice: Literal["auto", "synthetic"] = "auto"
    obfuscation: bool = True
    unknown_events: bool = False
    seed: int = 1
    max_session_s: int = 3600
    log_events: bool = True
    record_dir: Path | None = None
    faults: Faults = field(default_factory=Faults)

    @property
    def is_inattentive(self) -> bool:
        """Whether nobody needs the caller's audio."""
        return self.turns_by_clock is not None and not self.log_events and self.record_dir is None


def load_options(path: Path) -> RealtimeOptions:
    """Reads a YAML (or JSON) file: the script as `turns:`, and any other option, such as `faults:`.

    WAV files are looked for beside it. Raises OSError, yaml.YAMLError or pydantic.ValidationError.
    """
    document = yaml.safe_load(path.read_text())
    if isinstance(document, dict) and "turns" in document:
        document["script"] = document.pop("turns")
    options = TypeAdapter(RealtimeOptions).validate_python(document)
    script = [
        turn.model_copy(update={"reply": [_beside(path, part) for part in turn.reply]})
        for turn in options.script
    ]
    return replace(options, script=tuple(script))


def load_script(path: Path) -> tuple[Turn, ...]:
    """The script alone, see `load_options`."""
    return load_options(path).script


def _beside(script: Path, part: AnyPart) -> AnyPart:
    if not isinstance(part, Wav):
        return part
    return part.model_copy(update={"wav": script.parent / part.wav})
