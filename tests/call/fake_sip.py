"""The SIP side of a call, whose peer is the test."""

from __future__ import annotations

import asyncio

from sipagent.errors import SdpError
from sipagent.sip.ladder import MessageLog
from sipagent.sip.messages import (
    CallConfirmed,
    CallDisconnected,
    Direction,
    IncomingInvite,
    LocalMedia,
    MediaNegotiated,
    NegotiatedMedia,
    SipEvent,
)
from sipagent.sip.sdp import SessionDescription
from tests.call.inbox import Inbox

PBX, STRANGER = "192.0.2.1", "203.0.113.200"
PHONE = ("192.0.2.1", 4000)
OFFER = (
    "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8\r\n"
)


def invite(source: str = PBX, to: str = "100", offer: str | None = OFFER) -> IncomingInvite:
    return IncomingInvite(
        sip_call_id="sip-1",
        source_ip=source,
        source_port=5060,
        transport="udp",
        request_uri=f"sip:{to}@198.51.100.1",
        from_uri="sip:+15559999@192.0.2.1",
        to_uri=f"sip:{to}@198.51.100.1",
        offer=offer,
    )


def negotiated(
    codec: str = "PCMU", direction: Direction = "sendrecv", dtmf_payload_type: int | None = 101
) -> MediaNegotiated:
    return MediaNegotiated(
        NegotiatedMedia(
            codec=codec,
            payload_type=0,
            dtmf_payload_type=dtmf_payload_type,
            ptime_ms=20,
            direction=direction,
            remote_rtp=PHONE,
            remote_rtcp=(PHONE[0], PHONE[1] + 1),
        )
    )


class FakeSip:
    """The SIP side of a call; its peer does what the test says, and confirms what we do."""

    def __init__(self, request: IncomingInvite | None) -> None:
        self.invite = request
        self.sip_call_id = request.sip_call_id if request is not None else ""
        self.done: list[str] = []
        self.local: LocalMedia | None = None
        self.unanswerable: SdpError | None = None
        self.dtmf_payload_type: int | None = 101
        self.holds = False
        self.messages = MessageLog()
        self.inbox = Inbox()
        self._acted = asyncio.Event()

    async def next_event(self) -> SipEvent:
        event: SipEvent = await self.inbox.get()
        return event

    def ring(self) -> None:
        self._did("ring")

    def answer(self, local: LocalMedia, offer: SessionDescription | None) -> None:
        if self.unanswerable is not None:
            raise self.unanswerable
        self.local = local
        self._did("answer")
        self.inbox.put_nowait(negotiated(dtmf_payload_type=self.dtmf_payload_type))

    def refuse(
        self, sip_status: int, *, reason_code: str, retry_after_s: int | None = None, phrase: str = ""
    ) -> None:
        self._did(f"refuse {sip_status} {reason_code}" + (f" {retry_after_s}" if retry_after_s else ""))
        self.inbox.put_nowait(CallDisconnected(sip_status, "", by_remote=False))

    def redirect(self, sip_status: int, targets: tuple[str, ...]) -> None:
        self._did(f"redirect {sip_status} {' '.join(targets)}")
        self.inbox.put_nowait(CallDisconnected(sip_status, "", by_remote=False))

    def hang_up(self, *, sip_status: int = 480, reason_code: str | None = None) -> None:
        self._did(f"hang_up {reason_code}")
        self.inbox.put_nowait(CallDisconnected(200, "OK", by_remote=False))

    def send_digit(self, digit: str, duration_ms: int) -> None:
        self._did(f"info {digit} {duration_ms}")

    def hold(self, held: bool) -> None:
        self.holds = held
        self._did("hold" if held else "resume")
        self.send(negotiated(direction="sendonly" if held else "sendrecv"))

    def refer(self, refer_to: str, replacing: object = None) -> None:
        self._did(f"refer {refer_to}")

    # --- the peer ---

    def ack(self) -> None:
        self.inbox.put_nowait(CallConfirmed())

    def bye(self) -> None:
        self.inbox.put_nowait(CallDisconnected(200, "OK", by_remote=True))

    def cancel(self) -> None:
        self.inbox.put_nowait(CallDisconnected(487, "Request Terminated", by_remote=True))

    def send(self, event: SipEvent) -> None:
        self.inbox.put_nowait(event)

    async def until(self, deed: str) -> None:
        async with asyncio.timeout(2):
            while deed not in self.done:
                self._acted.clear()
                await self._acted.wait()

    def _did(self, deed: str) -> None:
        self.done.append(deed)
        self._acted.set()
