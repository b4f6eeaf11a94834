"""The prompts of one leg: sounds of ours that wait in playout among the words of the agent, never mixed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rtp.playout import Playout

PREFIX = "prompt:"
#: Of a sound that repeats, so much always waits: more than any tick takes.
AHEAD_MS = 500

Ended = Callable[[str, bool, str, float], None]


@dataclass(frozen=True, slots=True)
class Prompt:
    """A sound in the format of playout, and what ends it: the caller's speech, `stop`, the agent's speech."""

    prompt_id: str
    sound: bytes
    interruptible: bool = False
    repeats: bool = False
    gives_way: bool = False


class Prompts:
    """`ended(prompt_id, completed, detail, now)` is called once for each."""

    def __init__(self, playout: Playout, ended: Ended) -> None:
        self._playout = playout
        self._ended = ended
        self.playing: dict[str, Prompt] = {}
        """Those that have not ended, by their items of playout."""

    @property
    def is_firm_now(self) -> bool:
        """Is a prompt being played that the caller may not interrupt?"""
        head = self._playout.item_ids[:1]
        return bool(head) and not self.may_interrupt(head[0])

    def play(self, prompt: Prompt) -> None:
        """Queue a sound after what waits already. While one repeats, whatever is queued after it waits."""
        item_id = PREFIX + prompt.prompt_id
        self.playing[item_id] = prompt
        self._playout.push(prompt.sound, item_id, 0)
        if prompt.repeats:
            self.top_up()
        else:
            self._playout.end_item(item_id, 0)

    def stop(self, prompt_id: str, now: float, why: str = "stopped") -> None:
        """End a prompt, which may be over already."""
        item_id = PREFIX + prompt_id
        if item_id in self.playing:
            self._playout.flush(lambda each: each == item_id)
            self.flushed(now, why)

    def agent_speaks(self, now: float) -> None:
        """What was to bridge the agent's silence gives way."""
        for prompt in tuple(self.playing.values()):
            if prompt.gives_way:
                self.stop(prompt.prompt_id, now, "the agent speaks")

    def top_up(self) -> None:
        """To be called on every tick on which any is `playing`."""
        for item_id, prompt in self.playing.items():
            while prompt.repeats and self._playout.waiting_ms(item_id) < AHEAD_MS:
                if self._playout.push(prompt.sound, item_id, 0) < len(prompt.sound):
                    break

    def may_interrupt(self, item_id: str) -> bool:
        """May the caller, by speaking, end this item of playout? It may be the agent's."""
        prompt = self.playing.get(item_id)
        return prompt is None or prompt.interruptible

    def played(self, item_id: str, now: float) -> None:
        """An item of playout has been played to its end."""
        prompt = self.playing.pop(item_id, None)
        if prompt is not None:
            self._ended(prompt.prompt_id, True, "", now)

    def flushed(self, now: float, why: str) -> None:
        """Playout has been flushed, of some items or all."""
        for item_id, prompt in tuple(self.playing.items()):
            if item_id not in self._playout.item_ids:
                del self.playing[item_id]
                self._ended(prompt.prompt_id, False, why, now)


def is_prompt(item_id: str) -> bool:
    """Is this item of playout a prompt, and not the agent's?"""
    return item_id.startswith(PREFIX)


def is_speech(item_id: str) -> bool:
    """Is it the agent's?"""
    return not item_id.startswith(PREFIX)
