"""An RTP session on its sockets: in plain RTP, or with SRTP between the two."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from rtp.address import Address
from rtp.handover import Handover
from rtp.params import SrtpParams
from rtp.session import RtpSession
from rtp.srtp import SrtpUdp
from rtp.stats import RtpReport
from rtp.udp import Sockets

Receive = Callable[[bytes, Address, float], None]
OpenUdp = Callable[[Receive, Receive], Sockets]


class RtpTransport:
    """Receives nothing before `open`. A call that has SRTP never goes back to plain RTP."""

    def __init__(
        self,
        session: RtpSession,
        open_udp: OpenUdp,
        receive: tuple[Receive, Receive],
        before: Handover | None = None,
    ) -> None:
        """`receive` takes RTP and RTCP, decrypted; `before` is what another worker has come to."""
        self._session = session
        self._receive = receive
        self._udp = open_udp(*receive)
        self._secure: SrtpUdp | None = None
        self._indexes = before.srtp_indexes if before is not None else {}
        self._way_out: Sockets | SrtpUdp = self._udp

    @property
    def early_packets(self) -> int:
        """How many were waiting when it was opened, and were thrown away for that."""
        return self._udp.skipped

    def encrypt(self, params: SrtpParams, now: float) -> None:
        """Put SRTP between sockets and session, or change its keys."""
        if self._secure is None:
            self._secure = self._way_out = SrtpUdp(self._udp, params, *self._receive, self._indexes)
        else:
            self._secure.rekey(params, now)

    def open(self) -> None:
        self._udp.open()

    def receive_waiting(self) -> None:
        """Receive at once what waits already."""
        self._udp.receive_waiting()

    def send(self) -> None:
        """Send what the session has to send."""
        session = self._session
        if session.rtp_waiting:
            for data, addr in session.datagrams_to_send():
                self._way_out.send(data, addr)
        if session.rtcp_waiting:
            for data, addr in session.rtcp_to_send():
                self._way_out.send_rtcp(data, addr)

    def handover(self, now: float) -> Handover:
        """What another worker needs to go on from here."""
        state = self._session.handover(now)
        if self._secure is None:
            return state
        self._count_refused(state.report)
        return replace(state, srtp_indexes=self._secure.srtp.indexes)

    def close(self, now: float) -> RtpReport:
        """Say goodbye by RTCP, and let go of the sockets. Returns what is to be told of the session."""
        self._session.close(now)
        self.send()
        self._udp.close()
        report = self._session.report(now)
        self._count_refused(report)
        return report

    def _count_refused(self, report: RtpReport) -> None:
        """Add what SRTP has refused before the session could count it."""
        if self._secure is not None:
            report.inbound.unauthenticated += self._secure.srtp.unauthenticated
            report.inbound.replayed += self._secure.srtp.replayed
