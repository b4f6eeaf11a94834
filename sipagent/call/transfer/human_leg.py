"""Our own call to a human who is to take a caller over: a leg beside the caller's, and its signalling."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from msgspec.structs import replace as replace_field

from rtp.ports import PortPair
from sipagent import events, logs
from sipagent.call.house import House
from sipagent.call.order import rtp_params
from sipagent.call.place import outgoing_media, rtp_ports
from sipagent.call.transfer.attempt import Happening, HumanAnswered, HumanBriefed, HumanGone, phrase
from sipagent.config import AgentConfig, TrunkConfig
from sipagent.errors import EndReason, NoRtpPort, NoWorker, SdpError
from sipagent.sip.call import SipCall
from sipagent.sip.messages import (
    CallConfirmed,
    CallDisconnected,
    InfoDigit,
    LocalMedia,
    MediaNegotiated,
    NegotiatedMedia,
    SipEvent,
)
from sipagent.worker.control.handle import LegHandle
from sipagent.worker.media_watch import MediaTimeouts
from sipagent.worker.orders import OpenLeg

log = logs.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class HumanCall:
    """Whom to call, over what, and for whom. If `agent` `briefs`, the human hears its greeting first.

    `call_id` is the caller's, `leg_id` that of this call. `codec` is the caller's, too, and asked for first:
    then nothing has to be transcoded.
    """

    call_id: str
    leg_id: str
    number: str
    uri: str
    trunk: TrunkConfig
    codec: str
    agent: AgentConfig
    briefs: bool


class HumanLeg:
    """Lives from `start` until its task is done; then `ended` tells of it. `tell` hears of it meanwhile.

    `follow` is given its dialog, once there is one.
    """

    def __init__(
        self,
        call: HumanCall,
        house: House,
        tell: Callable[[events.Event | Happening], None],
        follow: Callable[[SipCall], None],
    ) -> None:
        self.call_id = call.leg_id
        self.sip: SipCall | None = None
        self._call = call
        self._house = house
        self._tell = tell
        self._follow = follow
        # Not bounded by itself: its writers are our own worker, and SipCall's bounded queue.
        self._inbox: asyncio.Queue[events.LegEvent | SipEvent] = asyncio.Queue()
        self._leg: LegHandle | None = None
        self._local: LocalMedia | None = None
        self._media: NegotiatedMedia | None = None
        self._hearing: asyncio.Task[None] | None = None
        self._began = time.monotonic()
        self._answered: float | None = None
        self._ending: tuple[int, str, str] | None = None
        self._rtp: dict[str, Any] = {}
        self._is_briefed = self._is_leg_over = self._is_sip_over = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=f"call {self.call_id}")

    def end(self, reason: EndReason | str) -> None:
        """End it, whatever it is doing. What it told of its end before stands."""
        self._note_end(487 if self._answered is None else 200, reason, "")
        if self.sip is not None:
            self.sip.hang_up(reason_code=reason)
        if self._leg is not None:
            self._leg.close(reason)
        elif self._task is not None:
            self._task.cancel()

    async def wait(self) -> None:
        """Returns when it is over."""
        if self._task is not None:
            await asyncio.wait([self._task])

    @property
    def ended(self) -> events.HumanLegEnded:
        """What is to be told of it once it is over."""
        sip_status, reason, detail = self._ending or (500, EndReason.INTERNAL_ERROR, "")
        return events.HumanLegEnded(
            call_id=self._call.call_id,
            at=time.monotonic(),
            to_number=self._call.number,
            trunk=self._call.trunk.name,
            sip_call_id=self.sip.sip_call_id if self.sip else "",
            began=self._began,
            answered=self._answered,
            sip_status=sip_status,
            end_reason=reason,
            detail=detail,
            codec=self._media.codec if self._media and self._answered else None,
            rtp=self._rtp,
        )

    async def _run(self) -> None:
        trunk, house = self._call.trunk, self._house
        try:
            if (full := self._why_full()) is not None:
                self._note_end(503, EndReason.REFUSED, full)
                return
            with house.load.permit(trunk.name, self._began):
                await self._serve()
        except (NoRtpPort, NoWorker, SdpError, OSError) as error:
            self._note_end(503, EndReason.SIGNALLING_FAILED, str(error))
        except Exception:  # this task's edge: the caller must not wait for ever for who never comes
            log.exception("human_leg_crashed")
        finally:
            if self._hearing is not None:
                self._hearing.cancel()
                self._hearing = None  # how it ended holds the frame that it ended in, and so this leg
            if self.sip is not None and not self._is_sip_over:
                self.sip.hang_up()
            sip_status, _, detail = self._ending or (500, "", "it failed")
            self._tell(HumanGone(sip_status, detail, self.call_id))

    def _why_full(self) -> str | None:
        """Which limit forbids one more call; it counts like any other."""
        trunk, load, server = self._call.trunk, self._house.load.snapshot(), self._house.config.limits
        if trunk.max_calls is not None and load.calls_by_trunk.get(trunk.name, 0) >= trunk.max_calls:
            return f"trunk {trunk.name} carries {trunk.max_calls} calls already"
        return f"there are {load.calls} calls already" if load.calls >= server.max_calls else None

    async def _serve(self) -> None:
        with rtp_ports(self._house) as pair:
            self._local = await outgoing_media(self._house, self._call.trunk, self._call.uri, pair)
            self._open(pair)
            while not (self._is_leg_over and (self.sip is None or self._is_sip_over)):
                self._take(await self._inbox.get())

    def _open(self, pair: PortPair) -> None:
        rtp = self._house.config.rtp
        order = OpenLeg(
            call_id=self.call_id,
            agent=self._call.agent.model_dump_json(),
            codec=self._codecs()[0],
            recording=None,
            jitter_min_ms=rtp.jitter_min_ms,
            jitter_max_ms=rtp.jitter_max_ms,
            timeouts=MediaTimeouts(rtp.first_packet_timeout_s, rtp.timeout_s, rtp.hold_timeout_s),
            has_agent=self._call.briefs,
        )
        sockets, beside = (pair.rtp_sock, pair.rtcp_sock), self._call.call_id
        self._leg = self._house.workers.open_leg(order, sockets, self._inbox.put_nowait, beside=beside)

    def _codecs(self) -> tuple[str, ...]:
        """The caller's first, then those of the trunk."""
        return tuple(sorted(self._call.trunk.codecs, key=lambda codec: codec != self._call.codec))

    def _take(self, event: events.LegEvent | SipEvent) -> None:
        match event:
            case events.LegReady():
                self._dial()
            case events.LegFailed():
                self._note_end(event.sip_status, event.reason_code, event.detail)
                self._is_leg_over = True
            case MediaNegotiated():
                self._media = event.media
                if self._answered is not None:
                    self._start()
            case CallConfirmed():
                self._pick_up()
            case events.UsageReported():  # of the session that says the whisper
                self._tell(replace_field(event, call_id=self._call.call_id))
            case InfoDigit() if self._leg is not None:
                self._leg.press(event.digit, event.duration_ms)
            case events.AgentSpeechEnded() | events.AgentFellSilent() | events.BackendFinished():
                self._briefed()
            case CallDisconnected():
                self._is_sip_over = True
                self._lost(event)
            case events.LegEnded():
                self._note_end(200, event.reason, event.detail)
                self._rtp, self._is_leg_over = event.rtp, True
                if self.sip is not None:
                    self.sip.hang_up(reason_code=event.reason)

    def _dial(self) -> None:
        assert self._local is not None
        if self._ending is not None or self._leg is None:
            return
        media = replace(self._local, codecs=self._codecs())
        self.sip = self._house.place_call(self._call.trunk.name, self._call.uri, media)
        self._follow(self.sip)
        self._hearing = asyncio.create_task(self._hear(self.sip))

    async def _hear(self, sip: SipCall) -> None:
        while True:
            self._inbox.put_nowait(await sip.next_event())

    def _pick_up(self) -> None:
        """The human is there: what the agent has to say to them begins to play now."""
        self._answered = time.monotonic()
        self._start()
        self._tell(HumanAnswered(self.call_id))
        if not self._call.briefs:
            self._briefed()

    def _briefed(self) -> None:
        if self._answered is not None and not self._is_briefed:
            self._is_briefed = True
            self._tell(HumanBriefed(self.call_id))

    def _start(self) -> None:
        if self._leg is not None and self._media is not None:
            self._leg.start(rtp_params(self._media, strict_source=not self._call.trunk.symmetric_rtp))

    def _lost(self, event: CallDisconnected) -> None:
        if self._answered is None:
            self._note_end(event.sip_status, "not_answered", phrase(event.sip_status, event.reason))
        else:
            self._note_end(event.sip_status, EndReason.HUMAN_HUNG_UP, "the human hung up")
        if self._leg is not None:
            self._leg.close(EndReason.HUMAN_HUNG_UP)

    def _note_end(self, sip_status: int, reason: str, detail: str) -> None:
        """The first cause stands."""
        if self._ending is None:
            self._ending = (sip_status, reason, detail)
