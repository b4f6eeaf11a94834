"""A call's story on a clock of the test's: what happens when, and what is then done."""

from __future__ import annotations

from typing import Any

from sipagent import events
from sipagent.call.directors.director import Command, HangUp, Scene, Transfer
from sipagent.call.directors.story.director import Story
from sipagent.config import AgentConfig
from sipagent.worker.orders import GiveBack, Inject, PlayPrompt, Say, SetAside, StartRecording, StopPrompt

ID: dict[str, Any] = {"call_id": "c-1"}


def spoken(command: Command) -> str:
    """A command as a line of a table."""
    match command:
        case Say():
            return f"say {command.text}" + ("" if command.interruptible else " firmly")
        case PlayPrompt():
            marks = [mark for mark in ("interruptible", "repeat", "over") if getattr(command, mark)]
            return " ".join(["play", command.file.rsplit("/", 1)[-1], *marks])
        case StopPrompt():
            return "stop"
        case Inject():
            return f"tell {command.text}" + ("" if command.respond else " quietly")
        case StartRecording():
            return "record"
        case SetAside():
            return "only listen" if command.agent_listens else "set aside"
        case GiveBack():
            return "give back"
        case HangUp():
            return f"hang up {command.reason}"
        case Transfer():
            return f"transfer {command.target}"
    raise AssertionError(command)


class Play:
    """Each method is something that happens, at `now`; what the story does is in `done`, as (time, words)."""

    def __init__(
        self,
        story: dict[str, Any] | None = None,
        *,
        limit_s: float = 600.0,
        recorded: bool = True,
        detects_machine: bool = False,
        **agent: Any,
    ) -> None:
        config = AgentConfig.model_validate(
            {"name": "bot", "backend": {"kind": "openai_realtime"}, "story": story or {}} | agent
        )
        self.now = 0.0
        self.done: list[tuple[float, str]] = []
        self.answers: list[events.ToolAnswered] = []
        self._prompts: list[PlayPrompt] = []
        other = AgentConfig.model_validate({"name": "other", "backend": {"kind": "voicemail"}})
        scene = Scene("c-1", "inbound", "carrier", config, limit_s, self._tell, recorded, detects_machine)
        self.story = Story(scene, {"bot": config, "other": other})

    def _tell(self, event: events.Event) -> None:
        assert isinstance(event, events.ToolAnswered)
        self.answers.append(event)
        self._hear(event)

    def _hear(self, event: events.Event) -> None:
        self._do(self.story.on_event(event, self.now))

    def _do(self, commands: Any) -> None:
        for command in commands:
            self.done.append((round(self.now, 3), spoken(command)))
            if isinstance(command, PlayPrompt):
                self._prompts.append(command)

    def until(self, now: float) -> Play:
        """Let the time pass, timer by timer."""
        for _ in range(1000):
            due = self.story.next_timer()
            if due is None or due > now:
                self.now = now
                return self
            self.now = max(self.now, due)
            self._do(self.story.on_timer(self.now))
        raise AssertionError("a timer that is never served")

    def words(self) -> list[str]:
        return [words for _, words in self.done]

    def last(self) -> str:
        return self.done[-1][1] if self.done else ""

    # --- what happens ---

    def ready(self) -> Play:
        self._hear(events.LegReady(**ID, at=self.now, ready_ms=1.0))
        return self

    def answered(self) -> Play:
        self.ready()
        self._hear(events.CallAnswered(**ID, at=self.now, codec="PCMU"))
        return self

    def detected(self, kind: Any, reason: str = "long_greeting") -> Play:
        detected = events.AnswererDetected(
            **ID,
            at=self.now,
            kind=kind,
            reason=reason,
            after_ms=1,
            greeting_ms=1,
            initial_silence_ms=1,
            words=1,
        )
        self._hear(detected)
        return self

    def beeps(self) -> Play:
        self._hear(events.BeepHeard(**ID, at=self.now, hz=1000, duration_ms=400, after_ms=1))
        return self

    def agent_begins(self, item: str = "item") -> Play:
        self._hear(events.AgentSpeechStarted(**ID, at=self.now, item_id=item))
        return self

    def agent_ends(self, *, cut: bool = False, item: str = "item") -> Play:
        ended = events.AgentSpeechEnded(
            **ID, at=self.now, item_id=item, played_ms=1, flushed_ms=int(cut), interrupted=cut
        )
        self._hear(ended)
        self._hear(events.AgentFellSilent(**ID, at=self.now))
        return self

    def agent_says(self, seconds: float) -> Play:
        return self.agent_begins().until(self.now + seconds).agent_ends()

    def caller_begins(self) -> Play:
        self._hear(events.SpeechStarted(**ID, at=self.now, item_id="caller"))
        return self

    def caller_ends(self) -> Play:
        self._hear(events.SpeechStopped(**ID, at=self.now, item_id="caller"))
        return self

    def presses(self, digits: str) -> Play:
        for digit in digits:
            self._hear(events.DigitReceived(**ID, at=self.now, digit=digit, duration_ms=100))
        return self

    def held(self) -> Play:
        self._hear(events.CallHeld(**ID, at=self.now, direction="sendonly"))
        return self

    def resumed(self) -> Play:
        self._hear(events.CallResumed(**ID, at=self.now))
        return self

    def tool_called(self, name: str, arguments: str = "{}", tool_call_id: str = "") -> Play:
        tool_call_id = tool_call_id or name
        called = events.ToolCalled(
            **ID, at=self.now, tool_call_id=tool_call_id, name=name, arguments=arguments
        )
        self._hear(called)
        return self

    def tool_answered(self, name: str) -> Play:
        answer = events.ToolAnswered(
            **ID, at=self.now, tool_call_id=name, name=name, outcome="ok", duration_ms=1.0, output="x"
        )
        self._hear(answer)
        return self

    def prompt_ended(self, *, completed: bool = True) -> Play:
        prompt = self._prompts.pop(0)
        self._hear(events.PromptEnded(**ID, at=self.now, prompt_id=prompt.prompt_id, completed=completed))
        return self

    def lost(self) -> Play:
        self._hear(
            events.BackendDown(**ID, at=self.now, agent="bot", code="gone", message="gone", fatal=False)
        )
        return self

    def replaced(self, agent: str) -> Play:
        self._hear(events.BackendReplaced(**ID, at=self.now, agent=agent, ready_ms=1.0))
        return self

    def transfer_failed(self) -> Play:
        self._hear(events.TransferFailed(**ID, at=self.now, target="sales", sip_status=486, detail="busy"))
        return self

    def over(self) -> Play:
        self.story.close()
        return self
