"""Keys that the caller presses: collected into one number, or choices of a menu. Pure.

Where each key goes to the model by itself, the media worker sees to it.
"""

from __future__ import annotations

from collections.abc import Iterable

from sipagent import events
from sipagent.call.directors.director import Command, HangUp, Transfer
from sipagent.call.directors.story.announcer import Announcer
from sipagent.call.directors.story.farewell import Ending, Farewell
from sipagent.call.directors.story.floor import Floor
from sipagent.config.story import ChoiceConfig, CollectDigitsConfig, MenuConfig
from sipagent.errors import EndReason
from sipagent.worker.orders import Inject


class Collector:
    """A part of the story: the model gets what was entered when it is complete."""

    def __init__(self, call_id: str, config: CollectDigitsConfig) -> None:
        self._call_id = call_id
        self._config = config
        self._entered = ""
        self._deadline: float | None = None

    def on_event(self, event: events.Event, now: float) -> Iterable[Command]:
        if not isinstance(event, events.DigitReceived):
            return []
        if event.digit == self._config.terminator:
            return self._complete()
        self._entered += event.digit
        self._deadline = now + self._config.timeout_s
        return self._complete() if len(self._entered) >= self._config.max_digits else []

    def next_timer(self) -> float | None:
        return self._deadline

    def on_timer(self, now: float) -> Iterable[Command]:
        return self._complete()

    def _complete(self) -> Iterable[Command]:
        entered, self._entered, self._deadline = self._entered, "", None
        if not entered:
            return []
        return [
            Inject(call_id=self._call_id, text=f"[The caller entered {entered} on the keypad]", respond=True)
        ]


class Menu:
    """A part of the story: each key does what the menu says."""

    def __init__(self, call_id: str, config: MenuConfig, floor: Floor, farewell: Farewell) -> None:
        self._call_id = call_id
        self._config = config
        self._farewell = farewell
        self._announcer = Announcer(call_id, floor, "menu")

    def on_event(self, event: events.Event, now: float) -> Iterable[Command]:
        self._announcer.hear(event, now)
        if not isinstance(event, events.DigitReceived) or self._farewell.is_under_way:
            return []
        choice = self._config.choices.get(event.digit)
        if choice is None:
            return [self._told(f"[The caller pressed the key {event.digit}]")]
        return self._do(choice, event.digit, now)

    def next_timer(self) -> float | None:
        return self._announcer.next_timer()

    def on_timer(self, now: float) -> Iterable[Command]:
        self._announcer.on_timer(now)
        return []

    def _do(self, choice: ChoiceConfig, key: str, now: float) -> Iterable[Command]:
        words = choice.announcement
        if choice.transfer is not None:
            ending = Ending(Transfer(target=choice.transfer, is_configured=True), words, yields=False)
            return self._farewell.begin(ending, now)
        if choice.hang_up:
            hang_up = HangUp(reason=EndReason.AGENT_HUNG_UP, detail=f"key {key}")
            return self._farewell.begin(Ending(hang_up, words, yields=False), now)
        said = self._announcer.announce(words, now) if words is not None else []
        return [*said, self._told(choice.tell)] if choice.tell is not None else said

    def _told(self, text: str) -> Command:
        return Inject(call_id=self._call_id, text=text, respond=True)
