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
from contextlib import contextmanager
from pathlib import Path
from socket import socket
from typing import Literal

import msgspec

from rtp.ports import PortPair, PortsExhausted
from sipagent import events, logs
from sipagent.call.casting import Cast, cast_of
from sipagent.call.dialling import Dialling
from sipagent.call.directors import (
    Accept,
    Command,
    Director,
    HangUp,
    Hold,
    PressKeys,
    Reject,
    Resume,
    Scene,
    Transfer,
)
from sipagent.call.house import House
from sipagent.call.order import keeps_digits, rtp_params, spoken_for
from sipagent.call.record import CallRecord
from sipagent.call.state import State, next_state
from sipagent.call.telling import Telling
from sipagent.call.transfer import Happening
from sipagent.call.transferring import Line, Transfers
from sipagent.config import AgentConfig, TrunkConfig
from sipagent.errors import EndReason, NoRtpPort, NoWorker, ReasonCode, ReinviteFailed, SdpError
from sipagent.sip.call import SipCall
from sipagent.sip.messages import (
    CallDisconnected,
    InfoDigit,
    MediaNegotiated,
    NegotiatedMedia,
    SipEvent,
)
from sipagent.worker.ipc import GiveBack, Inject, OpenLeg, PlayPrompt, SetAside, StopPrompt, ToLeg
from sipagent.worker.supervisor import LegHandle

log = logs.get_logger(__name__)

HOLD_PROMPT = "hold"


#: What comes into a call's inbox. Somebody's word counts while it is waited for: see `call.offering`.
Happened = events.Event | SipEvent | Happening | Accept | Reject


class CallSession(ABC):
    """One object per call; it dies with the call."""

    def __init__(self, received: events.CallReceived, house: House) -> None:
        self.call_id = received.call_id
        self._direction = received.direction
        self._house = house
        self._began = received.at
        self._state = State.RECEIVED
        # Not bounded by itself: its writers are our own worker and directors, and SipCall's bounded queue.
        self._inbox: asyncio.Queue[Happened] = asyncio.Queue()
        self._sip: SipCall | None = None
        self._leg: LegHandle | None = None
        self._dialling: Dialling | None = None
        self._media: NegotiatedMedia | None = None
        self._deadline: float | None = None
        self._max_duration_s = house.config.limits.max_call_duration_s
        self._keeps_digits = True
        self._strict_source = False
        self._directors: tuple[Director, ...] = ()
        self._transfers: Transfers | None = None
        self._is_aside = False
        self._hold_file: Path | None = None
        self._cast: Cast | None = None
        self._order: OpenLeg | None = None
        self._sockets: tuple[socket, ...] = ()
        self._telling = Telling(received, house)

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
        if self._transfers is not None:
            await self._transfers.finish(self._telling.publish)
        await self._telling.end()

    def end(self, reason: EndReason, detail: str = "") -> None:
        """End the call from our side, whatever it is doing."""
        if self._leg is not None and self._state is not State.ENDED:
            self._telling.note_end(reason, 503 if self._state is State.PREPARING else 200, detail)
            self._leg.close(reason)

    def do(self, command: Command) -> None:
        """What a director or somebody outside wants of a call. One that is over does nothing.

        Raises ValueError, with nothing done, for what can't be done.
        """
        if self._leg is None or self._state in (State.HANGING_UP, State.CLOSING, State.ENDED):
            return
        match command:
            case HangUp():
                self.end(command.reason, command.detail)
            case PressKeys():
                self.send_digits(command.digits)
            case Transfer():
                assert self._transfers is not None
                self._do_all(self._transfers.begin(command, time.monotonic()))
            case Hold() | Resume():
                self._hold(isinstance(command, Hold))
            case Accept() | Reject():
                raise ValueError("it does not wait for anybody's word")
            case Inject() if self._cast is not None:
                self._cast.history.note(command.text)
                self._leg.tell(command)
            case _:
                self._leg.tell(command)

    def send_digits(self, digits: str) -> None:
        """Press keys (0-9, *, #, A-D) towards the peer. Raises ValueError, with none sent, for others."""
        if self._dialling is None or self._media is None:
            raise ValueError("nobody has answered yet")
        method = self._dialling.press(digits, self._media.dtmf_payload_type is not None)
        shown = digits if self._keeps_digits else events.MASKED
        sent = events.DigitsSent(call_id=self.call_id, at=time.monotonic(), digits=shown, method=method)
        self._telling.publish(sent)

    def _hold(self, held: bool) -> None:
        """Put the peer on hold, or take it up again. Raises ValueError where that can't be done now."""
        if self._sip is None or self._leg is None or self._media is None:
            raise ValueError("nobody has answered yet")
        try:
            self._sip.hold(held)
        except ReinviteFailed as error:
            raise ValueError(str(error)) from None

    async def abandon(self) -> None:
        """What is left to do for a call whose task failed: end both sides, and keep the record."""
        self._telling.note_end(EndReason.INTERNAL_ERROR, 500, "")
        if self._sip is not None:
            self._sip.hang_up(sip_status=500, reason_code=ReasonCode.INTERNAL_ERROR)
        if self._leg is not None:
            self._leg.close(EndReason.INTERNAL_ERROR)
        if self._transfers is not None:
            await self._transfers.finish(self._telling.publish)
        await self._telling.end()

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
        while self._state is not State.ENDED:
            try:
                async with asyncio.timeout(self._patience_s()):
                    event = await self._inbox.get()
            except TimeoutError:
                self._on_timer(time.monotonic())
            else:
                self._take(event)

    @contextmanager
    def _hearing(self, sip: SipCall) -> Iterator[None]:
        """What the peer does comes into the inbox; at the end all that serves the call is closed."""
        self._telling.follow(sip.messages)
        hearing = asyncio.create_task(self._hear(sip))
        try:
            yield
        finally:
            hearing.cancel()
            if self._dialling is not None:
                self._dialling.close()
            for director in self._directors:
                director.close()
            self._tell_the_rest()

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
        elif self._transfers is not None and not isinstance(event, Accept | Reject):
            self._do_all(self._transfers.on_signal(event, time.monotonic()))

    def _act(self, event: Happened, before: State) -> None:
        """What an event leads to, beyond the state it moves to."""
        match event:
            case events.LegReady() if before is State.PREPARING:
                self._deadline = time.monotonic() + self._max_duration_s
                self._leg_ready()
            case MediaNegotiated():
                self._media_negotiated(event.media)
            case events.LegFailed() if before is State.PREPARING:
                if not self._reopen_leg(event):
                    self._fail(event.sip_status, ReasonCode(event.reason_code), event.detail)
            case events.LegEnded() if before is State.PREPARING:
                self._fail(503, ReasonCode.NO_WORKER, event.reason)
            case events.LegEnded():
                self._telling.note_end(event.reason, 200, event.detail)
                if self._state is State.HANGING_UP and self._sip is not None:
                    self._sip.hang_up(reason_code=event.reason)
            case InfoDigit() if self._leg is not None:
                self._leg.press(event.digit, event.duration_ms)
            case CallDisconnected():
                reason = self._why_disconnected(event, before)
                self._telling.note_end(reason, event.sip_status, "" if event.by_remote else event.reason)
                if self._leg is not None:
                    self._leg.close(reason)

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
        now = time.monotonic()
        for director in self._directors:
            self._do_all(director.on_event(event, now))

    def _on_timer(self, now: float) -> None:
        if self._deadline is not None and self._deadline <= now:
            self._deadline = None
            self.end(EndReason.MAX_DURATION, f"{self._max_duration_s} s")
        for director in self._directors:
            due = director.next_timer()
            if due is not None and due <= now:
                self._do_all(director.on_timer(now))

    def _patience_s(self) -> float | None:
        """How long to wait for an event."""
        timers = [self._deadline, *(director.next_timer() for director in self._directors)]
        due = min((timer for timer in timers if timer is not None), default=None)
        return None if due is None else max(0.0, due - time.monotonic())

    def _do_all(self, commands: Iterable[Command]) -> None:
        for command in commands:
            self.do(command)

    # --- steps --------------------------------------------------------------------------------------

    @contextmanager
    def _rtp_ports(self) -> Iterator[PortPair]:
        try:
            pair = self._house.ports.acquire(time.monotonic())
        except PortsExhausted as error:
            raise NoRtpPort(str(error)) from error
        try:
            yield pair
        finally:
            self._house.ports.release(pair, time.monotonic())

    async def _open_leg(
        self,
        order: OpenLeg,
        pair: PortPair,
        trunk: TrunkConfig,
        agent: AgentConfig,
        recording: Path | None,
    ) -> None:
        most = self._house.config.limits.max_call_duration_s
        self._max_duration_s = min(most, agent.max_call_duration_s or most)
        self._keeps_digits = keeps_digits(trunk, agent)
        self._strict_source = not trunk.symmetric_rtp
        self._hold_file = trunk.hold_file
        tell = self._inbox.put_nowait
        self._telling.keeps_digits = self._keeps_digits
        scene = Scene(
            call_id=self.call_id,
            direction=self._direction,
            trunk=trunk.name,
            agent=agent,
            max_duration_s=self._max_duration_s,
            tell=tell,
            is_recorded=recording is not None,
        )
        record = self._telling.record
        line = Line(
            call_id=self.call_id,
            trunk=trunk,
            agent=agent,
            caller=record.from_ if record.direction == "inbound" else record.to,
            tell=self._inbox.put_nowait,
            follow=lambda sip: self._telling.follow(sip.messages),
            sip=lambda: self._sip,
            codec=lambda: self._media.codec if self._media is not None else trunk.codecs[0],
        )
        self._transfers = Transfers(line, self._house)
        self._cast = cast_of(scene, self._house)
        self._directors = (*self._cast.directors, self._transfers)
        self._order, self._sockets = order, (pair.rtp_sock, pair.rtcp_sock)
        self._leg = self._house.workers.open_leg(order, self._sockets, self._inbox.put_nowait)
        await self._telling.open(recording)

    def _reopen_leg(self, failed: events.LegFailed) -> bool:
        """Is there somebody to answer in the place of an agent that can't? Then the call goes on ringing."""
        assert self._cast is not None
        assert self._order is not None
        fallback = self._cast.fallback
        agent = fallback.instead_of(failed)
        if agent is None:
            return False
        keys, alone = spoken_for(agent).model_dump(mode="json"), fallback.answers_alone
        at_once = agent.story.consent is None
        order = msgspec.structs.replace(self._order, agent=keys, has_agent=not alone, record_at_once=at_once)
        try:
            self._leg = self._house.workers.open_leg(order, self._sockets, self._inbox.put_nowait)
        except NoWorker:
            return False
        if self._dialling is not None:
            self._dialling.use(self._leg)
        return True

    def _media_negotiated(self, media: NegotiatedMedia) -> None:
        assert self._leg is not None
        assert self._sip is not None
        now, suite = time.monotonic(), media.srtp.suite if media.srtp else None
        if self._telling.record.answered_at is None:
            self._tell(events.CallAnswered(call_id=self.call_id, at=now, codec=media.codec, srtp=suite))
        else:
            self._tell(
                events.MediaUpdated(
                    call_id=self.call_id, at=now, codec=media.codec, srtp=suite, direction=media.direction
                )
            )
        invite = self._sip.invite
        if suite is not None and invite is not None and invite.transport != "tls":
            log.warning("srtp_keys_in_clear", transport=invite.transport)
        self._note_hold(media)
        host = invite.source_ip if invite is not None else None
        self._leg.start(rtp_params(media, strict_source=self._strict_source, signalling_host=host))

    def _note_hold(self, media: NegotiatedMedia) -> None:
        """Tell when the peer puts the call on hold, and when it takes it up again."""
        before, self._media = self._media, media
        was_held = before is not None and before.direction != "sendrecv"
        now = time.monotonic()
        if media.direction != "sendrecv" and not was_held:
            by: Literal["peer", "us"] = "us" if self._sip is not None and self._sip.holds else "peer"
            self._tell(events.CallHeld(call_id=self.call_id, at=now, direction=media.direction, by=by))
            self._set_aside(by == "us")
        elif media.direction == "sendrecv" and was_held:
            self._tell(events.CallResumed(call_id=self.call_id, at=now))
            self._set_aside(False)

    def _set_aside(self, aside: bool) -> None:
        """While we hold the peer, nobody speaks to it. Who is being transferred is nobody's to give back."""
        transferring = self._transfers is not None and self._transfers.is_under_way
        if aside == self._is_aside or self._leg is None or transferring:
            return
        self._is_aside = aside
        if aside:
            self._leg.tell(SetAside(call_id=self.call_id))
        if self._hold_file is not None:
            self._leg.tell(hold_music(self.call_id, self._hold_file, aside))
        if not aside:
            self._leg.tell(GiveBack(call_id=self.call_id))

    def _move(self, event: object) -> None:
        self._state = next_state(self._state, type(event))

    def _why_disconnected(self, event: CallDisconnected, state: State) -> EndReason:
        """What a disconnection says about the end of a call that was in `state`."""
        if not event.by_remote:
            return EndReason.SIGNALLING_FAILED
        if self._transfers is not None and self._transfers.ends_with_caller is not None:
            return self._transfers.ends_with_caller
        return EndReason.CALLER_CANCELLED if state is State.PREPARING else EndReason.CALLER_HUNG_UP


#: What keeps a call from being had, known only once it was tried.
CANT_BE_HAD = (NoRtpPort, NoWorker, SdpError)


def hold_music(call_id: str, file: Path, plays: bool) -> ToLeg:
    """Let a peer that we hold hear it, over and over, or no more."""
    if plays:
        return PlayPrompt(call_id=call_id, prompt_id=HOLD_PROMPT, file=str(file), repeat=True)
    return StopPrompt(call_id=call_id, prompt_id=HOLD_PROMPT)
