"""What is heard of the agent: its backend's words and prompts in playout, and who has the floor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from rtp.events import ItemPlayed, ItemStarted, MarkReached, PlayoutEvent
from rtp.playout import Flushed, Playout
from sipagent.backends.base import (
    AudioFinished,
    AudioReceived,
    Backend,
    BackendEvent,
    BackendFinished,
    BackendLost,
    CallerSpeechStarted,
    CallerSpeechStopped,
)
from sipagent.config import AgentConfig
from sipagent.formats import AudioFormat
from sipagent.media import pipeline, prompts, tones
from sipagent.media.ears import Ears
from sipagent.media.nodes import Node
from sipagent.worker.agent.prompts import Prompt, Prompts, is_prompt, is_speech
from sipagent.worker.agent.seat import Seat
from sipagent.worker.agent.turns import Turns
from sipagent.worker.orders import UseBackend
from sipagent.worker.reporter import Reporter
from sipagent.worker.ticker import FRAME_MS

PLAYOUT_MAX_MS = 180_000
#: The mark in playout after the last word of a backend that has finished.
FINISHED = "finished"
#: Another session takes over when for so long nobody has spoken, or been about to.
QUIET_S = 0.5
#: A model that has stopped in mid-sentence may be gone, which takes a while to be noticed. After so long the
#: caller hears that the line stands.
STALL_S = 1.2
STALL_ID = "stall"


class Line(Protocol):
    """The phone's side, as far as the agent's has to do with it."""

    def report_playout(self, now: float) -> None: ...

    def begin_speech(self, now: float) -> None: ...

    def use(self, backend: Backend, agent: Node) -> None: ...


class Speaker:
    """Gives playout what is to be heard, takes back what is not. `line` is there once the phone is.

    While the agent is set aside, what it says is dropped, and nobody interrupts it. What waits in playout is
    `queued`.
    """

    #: What mypyc is to let `close` delete.
    __deletable__ = ("path", "seat", "turns")

    def __init__(
        self,
        agent: AgentConfig,
        backend: Backend,
        queued: AudioFormat,
        reporter: Reporter,
        clock: Callable[[], float],
    ) -> None:
        """`clock` gives monotonic seconds."""
        self.queued = queued
        self.playout = Playout(queued.bytes_per_ms, queued.silence, PLAYOUT_MAX_MS, is_speech)
        self.prompts = Prompts(self.playout, reporter.prompt_ended)
        self.seat = Seat(agent.name, backend, self._on_backend_event, self._look_for_successor, reporter)
        self.path = pipeline.agent(backend.output_format, queued, self._to_playout)
        self.turns = Turns(agent, self)
        self.ears = Ears(guards_echo=agent.barge_in.echo_guard) if agent.decides_turns else None
        self.line: Line | None = None
        self.is_aside = False
        self.is_firm = False
        self._greets = bool(agent.greeting)
        self._reporter = reporter
        self._clock = clock
        self._item = ("", 0)
        self._has_spoken = False
        self._quiet_since: float | None = None
        self._audio_at = 0.0
        self._is_bridged = False
        self._finished: BackendFinished | None = None

    @property
    def backend(self) -> Backend:
        return self.seat.backend

    def greet(self) -> None:
        """The agent may speak first."""
        self.is_firm = self._greets
        self.backend.greet()

    def tick(self, now: float) -> None:
        """To be called every 20 ms, once audio flows."""
        if self._is_bridged or (self.playout.speech_items and now - self._audio_at >= STALL_S):
            self._bridge_stall(now)
        if self.prompts.playing:
            self.prompts.top_up()
        if self.ears is not None:
            self.turns.look(self.ears.burst, self.ears.echo, now)
        if self.playout.speech_items or self.seat.backend.is_busy:
            self._quiet_since = None
        else:
            self._note_silence(now)
        if self.seat.successor is not None:
            self._look_for_successor(now)

    def _note_silence(self, now: float) -> None:
        if self._has_spoken:
            self._has_spoken = self.is_firm = False
            self._reporter.fell_silent(now)
        if self.turns.caller_speaks:
            self._quiet_since = None
        elif self._quiet_since is None:
            self._quiet_since = now

    def played(self, event: PlayoutEvent, now: float) -> None:
        """Playout noticed something."""
        match event:
            case ItemPlayed(item_id=item_id) if is_prompt(item_id):
                if not event.interrupted:
                    self.prompts.played(item_id, now)
            case ItemPlayed(item_id=item_id, interrupted=interrupted):
                self._reporter.playout(event, now)
                if not interrupted:
                    self.backend.played(item_id)
            case MarkReached(name=name) if name == FINISHED and self._finished is not None:
                self._reporter.backend(self._finished, now)
            case ItemStarted(item_id=item_id) if not is_prompt(item_id):
                self._reporter.playout(event, now)

    # --- the floor ----------------------------------------------------------------------------------

    @property
    def agent_speaks(self) -> bool:
        return self.playout.speech_items > 0 or self.backend.is_busy

    def pause(self) -> None:
        if not self.prompts.is_firm_now:
            self.playout.pause()

    def resume(self) -> None:
        self.playout.resume()

    def interrupt(self, now: float) -> None:
        """Nothing more of the agent goes out, and the model learns what was heard."""
        flushed = self.playout.flush(self.prompts.may_interrupt)
        self.prompts.flushed(now, "interrupted")
        self.backend.interrupt(*_heard_of(flushed))
        self.is_firm = False
        if self.line is not None:
            self.line.report_playout(now)

    def close(self) -> None:
        """Let go of all that refers back to here, and ask nothing more of it: the garbage collector stops a
        worker's calls while it looks for circles, and is to find none."""
        self.line = None
        del self.path, self.turns, self.seat

    def end_turn(self, item_id: str, was_speech: bool) -> None:
        self.backend.end_turn(item_id, was_speech)

    # --- the backend --------------------------------------------------------------------------------

    def _on_backend_event(self, event: BackendEvent) -> None:
        now = self._clock()
        match event:
            case AudioReceived(item_id=item_id, content_index=index) if self.is_aside:
                self.backend.interrupt(item_id, index, heard_ms=0)
            case AudioReceived(item_id=item_id, content_index=index, audio=audio):
                self._item = (item_id, index)
                self.path.write(audio, now)
            case AudioFinished(item_id=item_id, content_index=index):
                self.playout.end_item(item_id, index)
            case BackendFinished():
                self._finished = event
                self.playout.mark(FINISHED)
                return
            case BackendLost():
                self._vacate(now)
            case CallerSpeechStarted() if not self.is_aside:
                self.turns.started(now)
            case CallerSpeechStopped(item_id=item_id) if not self.is_aside:
                self.turns.stopped(item_id)
        self._reporter.backend(event, now)

    def _to_playout(self, audio: bytes, now: float) -> None:
        self.prompts.agent_speaks(now)
        self._has_spoken, self._audio_at = True, now
        self.playout.push(audio, *self._item)
        if self.line is not None:
            self.line.begin_speech(now)

    def _bridge_stall(self, now: float) -> None:
        """Play something while a response that has begun to be heard doesn't go on."""
        if self._is_bridged and (not self.backend.is_busy or self._audio_at > now - STALL_S):
            self._is_bridged = False
            self.prompts.stop(STALL_ID, now)
        item_ids = self.playout.item_ids if self.playout.queued_ms < FRAME_MS else ()
        starves = bool(item_ids) and not is_prompt(item_ids[0])
        if starves and self.backend.is_busy and now - self._audio_at >= STALL_S:
            self._is_bridged = True
            sound = prompts.converted(tones.comfort(), self.queued)
            self.prompts.play(Prompt(STALL_ID, sound, repeats=True, gives_way=True))

    def _vacate(self, now: float) -> None:
        """What has been received of the agent's words is heard; more won't come."""
        self.turns.reset()
        for item_id, index in self.playout.keys:
            if not is_prompt(item_id):
                self.playout.end_item(item_id, index)
        self.seat.vacate(now)
        self._use_seated()

    def dismiss(self, now: float) -> None:
        """The agent has done what it was there for: its session ends, and nobody takes its place."""
        self.seat.vacate(now)
        self.seat.vacant_since = None
        self._use_seated()

    def _look_for_successor(self, now: float) -> None:
        is_quiet = self._quiet_since is not None and now - self._quiet_since >= QUIET_S
        taken = self.seat.seat_successor(is_quiet or self.line is None, now)
        if taken is not None:
            self._seated(taken)

    def _seated(self, order: UseBackend) -> None:
        self.turns.reset()
        self._finished = None
        self.path = pipeline.agent(self.backend.output_format, self.queued, self._to_playout)
        self._use_seated()
        if order.greet:
            self.backend.greet()

    def _use_seated(self) -> None:
        if self.line is not None:
            self.line.use(self.backend, self.path)


def _heard_of(flushed: Flushed) -> tuple[str | None, int, int]:
    """What a backend is to know of a flush: the item at the head of the agent's, and how much was heard."""
    heard = flushed.heard
    if heard is not None and not is_prompt(heard.item_id):
        return heard.item_id, heard.content_index, heard.heard_ms
    for item_id, index in flushed.unheard:
        if not is_prompt(item_id):
            return item_id, index, 0
    return None, 0, 0
