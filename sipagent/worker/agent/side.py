"""The agent's side of a leg, as its leg has it: who speaks for the call, and what they are told."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sipagent.backends.base import Backend
from sipagent.backends.factory import create_backend
from sipagent.backends.local import LocalBackend
from sipagent.config import AgentConfig
from sipagent.conversation import HistoryItem
from sipagent.errors import ConfigError
from sipagent.formats import CODECS, AudioFormat
from sipagent.worker.agent.jukebox import Jukebox
from sipagent.worker.agent.speaker import Speaker
from sipagent.worker.orders import OpenLeg, PlayPrompt, UseBackend, agent_config
from sipagent.worker.reporter import Reporter

#: A call that has lost its backend stands for so long, whatever is done about it.
ABANDONED_S = 300.0


class AgentSide:
    """`speaker` is what is heard of it. A leg that goes on for another has nobody before `UseBackend`."""

    def __init__(self, order: OpenLeg, agent: AgentConfig, reporter: Reporter) -> None:
        law, first = CODECS[order.codec], first_backend(order, agent)
        self.speaker = Speaker(agent, first, law, reporter, time.monotonic)
        self._seat = self.speaker.seat
        self._jukebox = Jukebox(self.speaker.prompts, self.speaker.queued, reporter.prompt_ended)
        self._reporter = reporter
        if order.has_agent and order.resumption is not None:
            self._seat.vacant_since = time.monotonic()

    @property
    def backend(self) -> Backend:
        """Whoever speaks for the agent now, if only nobody."""
        return self.speaker.backend

    # --- what it is told ----------------------------------------------------------------------------

    def say(self, text: str, interruptible: bool = True) -> None:
        self.speaker.is_firm |= not interruptible
        self.backend.say(text)

    def inject(self, text: str, respond: bool) -> None:
        self.backend.inject(text, respond)

    def answer_tool(self, tool_call_id: str, output: str) -> None:
        self.backend.answer_tool(tool_call_id, output)

    def instruct(self, instructions: str) -> None:
        self.backend.instruct(instructions)

    def recall(self, history: Sequence[HistoryItem]) -> None:
        self.backend.recall(history)

    def press(self, digit: str) -> None:
        """The caller pressed a key; an agent that is set aside doesn't notice."""
        if not self.speaker.is_aside:
            self.backend.send_digit(digit)

    def play(self, order: PlayPrompt) -> None:
        self._jukebox.play(order)

    def stop_prompt(self, prompt_id: str) -> None:
        self._jukebox.stop(prompt_id, time.monotonic())

    # --- who speaks ---------------------------------------------------------------------------------

    def use_backend(self, order: UseBackend, law: AudioFormat) -> None:
        """Have another backend speak for the call, as soon as it is ready and has its moment. `law` is what
        the phone speaks."""
        now = time.monotonic()
        agent = agent_config(order.agent)
        try:
            backend = create_backend(agent, law, order.history)
        except ConfigError as error:
            self._reporter.not_replaced(agent.name, "config_error", str(error), True, now)
        else:
            self._seat.send_for(order, agent.name, backend, now)

    def set_aside(self) -> None:
        """What it was saying is cut off, what it says from now on is dropped."""
        if not self.speaker.is_aside:
            self.speaker.interrupt(time.monotonic())
        self.speaker.is_aside = True

    def give_back(self) -> None:
        """It has its caller back."""
        self.speaker.is_aside = False
        if self._seat.vacant_since is not None:
            self._seat.vacant_since = time.monotonic()

    def dismiss(self) -> None:
        """It has done what it was there for: its session ends."""
        self.speaker.dismiss(time.monotonic())

    def is_abandoned(self, now: float) -> bool:
        """Has nobody spoken for the call for too long, where somebody should?"""
        vacant_since = self._seat.vacant_since
        return vacant_since is not None and now - vacant_since >= ABANDONED_S and not self.speaker.is_aside

    # --- its life -----------------------------------------------------------------------------------

    async def open(self) -> None:
        """Returns when the first backend is ready. Raises `BackendError`."""
        await self._seat.open_first()

    @property
    def expires_at(self) -> float | None:
        """When the session of whoever speaks ends by itself, in Unix time."""
        return self._seat.expires_at

    def counters(self) -> dict[str, int]:
        """What became of audio between playout and the backends, all that there were."""
        audio = self._seat.counters()
        audio["playout_dropped_ms"] = round(self.speaker.playout.overflowed_ms)
        if false_starts := self.speaker.turns.false_starts:
            audio["false_barge_ins"] = false_starts
        return audio

    async def close(self) -> None:
        self._jukebox.close()
        await self._seat.close()
        self.speaker.close()


def first_backend(order: OpenLeg, agent: AgentConfig) -> Backend:
    """Who speaks at first: nobody for a leg without agent, and for one that goes on from another worker's."""
    law = CODECS[order.codec]
    if order.has_agent and order.resumption is None:
        return create_backend(agent, law, order.history)
    return LocalBackend(law)
