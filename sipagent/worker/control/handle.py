"""One leg, as the control process sees it, whichever worker carries it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from socket import socket
from typing import Literal

from rtp.session import RtpParams
from sipagent.errors import EndReason, ReasonCode
from sipagent.events import LegEnded, LegEvent, LegFailed, LegReady, LegRehomed
from sipagent.worker.control.standing import Standing
from sipagent.worker.orders import CloseLeg, OpenLeg, PressDigit, SendDigits, StartMedia, ToLeg, ToWorker
from sipagent.worker.reports import LegSnapshot, LegTaken

OnLegEvent = Callable[[LegEvent], None]
#: So often within so long a leg may lose its worker; then it may be the leg that kills them.
MAX_LOSSES, LOSSES_WITHIN_S = 2, 600.0
#: The same with those that died before they had read the order for it, as when all are killed at once.
MAX_LOSSES_IN_ALL = 20


@dataclass(frozen=True, slots=True)
class Loss:
    """The end of a worker: since when it was not there, in monotonic seconds, and which."""

    at: float
    cause: Literal["died", "hung"]
    worker: int


class LegHandle:
    """Lives from `open_leg` to the leg's last event, which `on_event` hears as all others: exactly one.

    `group` is shared by legs that may be joined, and so have to be on one worker. What it is told while no
    worker carries it is told to the next.
    """

    def __init__(self, order: OpenLeg, sockets: tuple[socket, ...], on_event: OnLegEvent, group: str) -> None:
        self.call_id = order.call_id
        self.group = group
        self.sockets = sockets
        self.standing = Standing(order)
        self.is_over = False
        self._on_event = on_event
        self._send: Callable[[ToWorker], None] | None = None
        self._worker = 0
        self._is_taken = False
        self._losses: list[Loss] = []
        self._losses_taken: list[Loss] = []
        self._gap: Loss | None = None
        self._uncounted_ms = 0

    # --- for its call -------------------------------------------------------------------------------

    def start(self, params: RtpParams) -> None:
        """Let audio flow, or take up what a re-INVITE changed."""
        self.tell(StartMedia(call_id=self.call_id, params=params))

    def press(self, digit: str, duration_ms: int = 0) -> None:
        """Tell of a key that the peer pressed, by signalling."""
        self.tell(PressDigit(call_id=self.call_id, digit=digit, duration_ms=duration_ms))

    def send_digits(self, digits: str, inband: bool = False) -> None:
        """Press keys towards the peer, through RTP: as telephone events if it takes them, else as tones."""
        self.tell(SendDigits(call_id=self.call_id, digits=digits, inband=inband))

    def tell(self, message: ToLeg) -> None:
        """Give a leg one of `worker.orders`."""
        if self.is_over:
            return
        self.standing.note(message, time.monotonic())
        if self._send is not None:
            self._send(message)
        elif isinstance(message, CloseLeg):
            self.end(message.reason)

    def close(self, reason: str) -> None:
        self.tell(CloseLeg(call_id=self.call_id, reason=reason))

    # --- for the workers ----------------------------------------------------------------------------

    def settle(self, worker: int, send: Callable[[ToWorker], None]) -> None:
        """This worker carries it from now on."""
        self._worker, self._send, self._is_taken = worker, send, False

    def hear(self, event: LegEvent | LegSnapshot | LegTaken) -> None:
        """The worker tells this of it."""
        self._is_taken = True
        if isinstance(event, LegTaken):
            return
        was_ready = self.standing.is_ready
        self.standing.hear(event)
        match event:
            case LegSnapshot():
                self._tell_rehomed(event)
            case LegReady() if was_ready:
                pass
            case LegFailed() if was_ready:
                self.end(EndReason.WORKER_LOST, f"{event.reason_code}: {event.detail}")
            case _:
                self.is_over = isinstance(event, LegEnded | LegFailed)
                self._on_event(event)

    def lose(self, loss: Loss) -> None:
        """Its worker is gone."""
        self._send = None
        self._losses = [*recent(self._losses, loss.at), loss]
        self._losses_taken = [*recent(self._losses_taken, loss.at), *([loss] if self._is_taken else ())]
        if self.standing.is_flowing and self._gap is None:
            self._gap, seen = loss, self.standing.snapshot
            self._uncounted_ms = 0 if seen is None else max(round((loss.at - seen.at) * 1000), 0)
        for event in self.standing.last_words(loss.at):
            self._on_event(event)

    @property
    def lost_at(self) -> float:
        """Since when no worker carries it."""
        return self._losses[-1].at

    @property
    def may_be_rehomed(self) -> bool:
        """Not if too many workers have died of it already, as far as one can tell."""
        return len(self._losses_taken) <= MAX_LOSSES and len(self._losses) <= MAX_LOSSES_IN_ALL

    def end(self, reason: str, detail: str = "") -> None:
        """Nobody carries it, nor will."""
        if self.is_over:
            return
        self.is_over = True
        now = time.monotonic()
        if not self.standing.is_ready:
            self._on_event(
                LegFailed(
                    call_id=self.call_id,
                    at=now,
                    sip_status=503,
                    reason_code=ReasonCode.NO_WORKER,
                    detail=detail or reason,
                )
            )
            return
        seen = self.standing.snapshot
        self._on_event(
            LegEnded(
                call_id=self.call_id,
                at=now,
                reason=reason,
                detail=detail,
                rtp=seen.session.report.as_dict() if seen is not None else {},
                audio=dict(seen.audio) if seen is not None else {},
                recording_left=True,
            )
        )

    def _tell_rehomed(self, first: LegSnapshot) -> None:
        """Audio flows again."""
        gap, self._gap = self._gap, None
        if gap is not None:
            self._on_event(
                LegRehomed(
                    call_id=self.call_id,
                    at=first.at,
                    cause=gap.cause,
                    gap_ms=round((first.at - gap.at) * 1000),
                    uncounted_ms=self._uncounted_ms,
                    from_worker=gap.worker,
                    to_worker=self._worker,
                )
            )


def recent(losses: list[Loss], now: float) -> list[Loss]:
    return [each for each in losses if now - each.at < LOSSES_WITHIN_S]
