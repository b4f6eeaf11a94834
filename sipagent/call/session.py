"""One call, from its first event to its record: where SIP and a media worker meet.

Everything that happens to the call comes through one inbox and moves one state (`call.state`). Whoever wants
to end the call closes its leg; the leg's last event then ends the signalling. So every call ends once.

How a call begins differs: see `call.inbound`.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from functools import partial

from rtp.ports import PortPair
from sipagent import events
from sipagent.call.admission.decision import Admit
from sipagent.call.alarm import Alarm, TimeIsUp
from sipagent.call.directors.director import Accept, Command, HangUp, Reject
from sipagent.call.house import House
from sipagent.call.media_side import MediaSide, Parties
from sipagent.call.record.call_record import CallRecord
from sipagent.call.state import CALLING, GETTING_READY, State, next_state
from sipagent.call.telling import Telling
from sipagent.call.transfer.attempt import Happening
from sipagent.errors import EndReason, NoRtpPort, NoWorker, ReasonCode, SdpError
from sipagent.sip.call import SipCall
from sipagent.sip.messages import CallDisconnected, InfoDigit, MediaNegotiated, NegotiatedMedia, SipEvent
from sipagent.worker.orders import OpenLeg

#: What comes into a call's inbox. Somebody's word counts while it is waited for: see `call.offering`.
Happened = events.Event | SipEvent | Happening | Accept | Reject


class CallSession(ABC):
    """One object per call; it dies with the call."""

    def __init__(self, begun: events.CallBegun, house: House, state: State = State.RECEIVED) -> None:
        self.call_id = begun.call_id
        self._house = house
        self._began = begun.at
        self._state = state
        # Not bounded by itself: its writers are our own worker and directors, and SipCall's bounded queue.
        self._inbox: asyncio.Queue[Happened | TimeIsUp] = asyncio.Queue()
        self._sip: SipCall | None = None
        self._hearing: asyncio.Task[None] | None = None
        self._media: MediaSide | None = None
        self._deadline: float | None = None
        self._telling = Telling(begun, house)

    @property
    def state(self) -> State:
        return self._state

    @property
    def record(self) -> CallRecord:
        """As far as it has got."""
        return self._telling.record

    # --- the story ----------------------------------------------------------------------------------

    async def run(self) -> None:
        """From the decision to the record on disk."""
        await self._handle()
        await self._finish_transfers()
        await self._telling.end()

    def end(self, reason: EndReason, detail: str = "") -> None:
        """End the call from our side, whatever it is doing."""
        if self._media is not None and self._state is not State.ENDED:
            self._telling.note_end(reason, status_of_end(self._state), detail)
            self._media.leg.close(reason)

    def do(self, command: Command) -> None:
        """What a director or somebody outside wants of a call. One that is over does nothing.

        Raises ValueError, with nothing done, for what can't be done.
        """
        if self._state in (State.HANGING_UP, State.CLOSING, State.ENDED):
            return
        if isinstance(command, HangUp):
            self.end(command.reason, command.detail)
        elif self._media is not None:
            self._do_all(self._media.do(command))

    async def abandon(self) -> None:
        """What is left to do for a call whose task failed: end both sides, and keep the record."""
        self._telling.note_end(EndReason.INTERNAL_ERROR, 500, "")
        if self._sip is not None:
            self._sip.hang_up(sip_status=500, reason_code=ReasonCode.INTERNAL_ERROR)
        if self._media is not None:
            self._media.leg.close(EndReason.INTERNAL_ERROR)
        await self._finish_transfers()
        await self._telling.end()

    async def _finish_transfers(self) -> None:
        if self._media is not None:
            await self._media.cast.transfers.finish(self._telling.publish)

    # --- how it begins and fails, which its direction decides ---------------------------------------

    @abstractmethod
    async def _handle(self) -> None:
        """The whole of the call but the end of its record."""

    @abstractmethod
    def _leg_ready(self) -> None:
        """Audio could flow: answer, or dial."""

    @abstractmethod
    def _fail(
        self, sip_status: int, reason_code: ReasonCode, detail: str, retry_after_s: int | None = None
    ) -> None:
        """The call can't be had, as it turned out before anybody talked."""

    # --- the common life ----------------------------------------------------------------------------

    async def _converse(self) -> None:
        """Take events until the call has ended."""
        alarm = Alarm(partial(self._inbox.put_nowait, TimeIsUp()))
        with closing(alarm):
            while self._state is not State.ENDED:
                alarm.set(min((due for due in self._timers() if due is not None), default=None))
                event = await self._inbox.get()
                if isinstance(event, TimeIsUp):
                    self._on_timer(time.monotonic())
                else:
                    self._take(event)

    @contextmanager
    def _served(self) -> Iterator[None]:
        """At the end all that serves the call is closed."""
        try:
            yield
        finally:
            if self._hearing is not None:
                self._hearing.cancel()
                self._hearing = None  # how it ended holds the frame that it ended in, and so this session
            if self._media is not None:
                self._media.close()
            self._tell_the_rest()

    def _hear_peer(self, sip: SipCall) -> None:
        """What the peer does comes into the inbox from now on."""
        self._telling.follow(sip.messages)
        self._hearing = asyncio.create_task(self._hear(sip))

    async def _hear(self, sip: SipCall) -> None:
        while True:
            self._inbox.put_nowait(await sip.next_event())

    def _take(self, event: Happened) -> None:
        before = self._state
        self._move(event)
        if isinstance(event, events.CallEvent):
            self._telling.publish(event)
        self._act(event, before)
        if isinstance(event, events.CallEvent):
            self._direct(event)
        elif self._media is not None and not isinstance(event, Accept | Reject):
            self._do_all(self._media.cast.transfers.on_signal(event, time.monotonic()))

    def _act(self, event: Happened, before: State) -> None:
        """What an event leads to, beyond the state it moves to."""
        match event:
            case events.LegReady() if before in GETTING_READY:
                self._leg_ready()
            case MediaNegotiated():
                self._media_negotiated(event.media)
            case events.LegFailed() if before in GETTING_READY:
                assert self._media is not None
                if self._telling.end_reason is not None or not self._media.reopen(event):
                    self._fail(event.sip_status, ReasonCode(event.reason_code), event.detail)
            case events.LegEnded() if before in GETTING_READY:
                self._fail(503, ReasonCode.NO_WORKER, event.reason)
            case events.LegEnded():
                self._telling.note_end(event.reason, 200, event.detail)
                if self._state is State.HANGING_UP and self._sip is not None:
                    self._sip.hang_up(reason_code=event.reason)
            case InfoDigit() if self._media is not None:
                self._media.leg.press(event.digit, event.duration_ms)
            case CallDisconnected():
                reason = self._why_disconnected(event, before)
                self._telling.note_end(reason, event.sip_status, "" if event.by_remote else event.reason)
                if self._media is not None:
                    self._media.leg.close(reason)

    def _tell(self, event: events.Event) -> None:
        """Let the world know of something that we did, and do what the directors make of it."""
        self._telling.publish(event)
        self._direct(event)

    def _tell_the_rest(self) -> None:
        """What directors have told of at the very end, which nobody acts upon any more."""
        while not self._inbox.empty():
            event = self._inbox.get_nowait()
            if isinstance(event, events.CallEvent):
                self._telling.publish(event)

    def _direct(self, event: events.Event) -> None:
        if self._media is not None:
            self._do_all(self._media.cast.on_event(event, time.monotonic()))

    def _on_timer(self, now: float) -> None:
        if self._deadline is not None and self._deadline <= now:
            self._deadline = None
            self.end(EndReason.MAX_DURATION, f"{self._media.max_duration_s if self._media else 0} s")
        if self._media is not None:
            self._do_all(self._media.cast.on_timer(now))

    def _timers(self) -> Iterator[float | None]:
        yield self._deadline
        if self._media is not None:
            yield self._media.cast.next_timer()

    def _do_all(self, commands: Iterable[Command]) -> None:
        for command in commands:
            self.do(command)

    # --- steps --------------------------------------------------------------------------------------

    def _parties(self, admitted: Admit) -> Parties:
        return Parties(admitted.trunk, admitted.agent, self._house.config.agents)

    async def _open_leg(self, order: OpenLeg, pair: PortPair, parties: Parties) -> MediaSide:
        """Raises `NoWorker`."""
        tell, telling = self._inbox.put_nowait, self._telling
        self._media = MediaSide(order, pair, parties, telling, self._house, tell)
        await telling.open(order.recording)
        return self._media

    def _limit_duration(self) -> None:
        """The longest duration of the call counts from now on."""
        assert self._media is not None
        self._deadline = time.monotonic() + self._media.max_duration_s

    def _media_negotiated(self, media: NegotiatedMedia) -> None:
        assert self._media is not None
        now, suite = time.monotonic(), media.srtp.suite if media.srtp else None
        if self._telling.record.answered_at is None:
            self._tell(events.CallAnswered(call_id=self.call_id, at=now, codec=media.codec, srtp=suite))
        else:
            self._tell(
                events.MediaUpdated(
                    call_id=self.call_id, at=now, codec=media.codec, srtp=suite, direction=media.direction
                )
            )
        change = self._media.flow(media)
        if change is not None:
            self._tell(change)
            self._media.heed_hold(change)

    def _move(self, event: object) -> None:
        self._state = next_state(self._state, type(event))

    def _why_disconnected(self, event: CallDisconnected, state: State) -> EndReason:
        """What a disconnection says about the end of a call that was in `state`."""
        if not event.by_remote:
            return EndReason.SIGNALLING_FAILED
        by_transfer = self._media.cast.transfers.ends_with_caller if self._media is not None else None
        if by_transfer is not None:
            return by_transfer
        return EndReason.CALLER_CANCELLED if state is State.PREPARING else EndReason.CALLER_HUNG_UP


def status_of_end(state: State) -> int:
    """The SIP status that stands for a call which we end in this state."""
    if state in GETTING_READY:
        return 503
    return 487 if state in CALLING else 200


#: What keeps a call from being had, known only once it was tried.
CANT_BE_HAD = (NoRtpPort, NoWorker, SdpError)
