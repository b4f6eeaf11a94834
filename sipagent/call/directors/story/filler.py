"""What the caller hears while a tool takes its time. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from sipagent import events
from sipagent.call.directors.director import Command
from sipagent.call.directors.story.farewell import Farewell
from sipagent.call.directors.story.floor import Floor
from sipagent.config.story import FillerConfig
from sipagent.worker.orders import PlayPrompt, Say, StopPrompt


class Filler:
    """A part of the story. Words are said once for tools that run together; a file goes on until they are
    done, or somebody speaks."""

    def __init__(self, call_id: str, config: FillerConfig, floor: Floor, farewell: Farewell) -> None:
        self._call_id = call_id
        self._config = config
        self._floor = floor
        self._farewell = farewell
        self._count = 0
        self._playing = ""
        self._is_wanted = False
        self._silent_since = 0.0

    def on_event(self, event: events.Event, now: float) -> Iterable[Command]:
        match event:
            case events.ToolCalled() if len(self._floor.tools) == 1:
                self._is_wanted, self._silent_since = True, now
            case events.AgentFellSilent() | events.SpeechStopped():
                self._silent_since = now
            case events.PromptEnded(prompt_id=self._playing) if self._playing:
                self._playing = ""
            case events.ToolAnswered() if not self._floor.tools:
                return self._stop()
        return []

    def next_timer(self) -> float | None:
        somebody_speaks = self._floor.agent_speaks or self._floor.caller_speaks
        if not self._is_wanted or somebody_speaks or self._floor.is_held or self._farewell.is_under_way:
            return None
        return self._silent_since + self._config.after_ms / 1000

    def on_timer(self, now: float) -> Iterable[Command]:
        self._is_wanted = False
        if self._config.say is not None:
            return [Say(call_id=self._call_id, text=self._config.say)]
        self._count += 1
        self._playing = f"filler-{self._count}"
        return [
            PlayPrompt(
                call_id=self._call_id,
                prompt_id=self._playing,
                file=str(self._config.file),
                interruptible=True,
                repeat=True,
                over=True,
            )
        ]

    def _stop(self) -> Iterable[Command]:
        self._is_wanted = False
        playing, self._playing = self._playing, ""
        return [StopPrompt(call_id=self._call_id, prompt_id=playing)] if playing else []
