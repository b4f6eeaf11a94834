"""The sockets of a leg, without a network: what is sent is kept, and the test brings what comes in."""

from __future__ import annotations

from typing import Any

from rtp.address import Address

PHONE, US = ("192.0.2.10", 4000), ("192.0.2.1", 20000)


class FakeUdp:
    """Where a `UdpPair` would be: what was sent, and a way in."""

    def __init__(
        self, rtp_sock: Any, rtcp_sock: Any, on_rtp: Any, on_rtcp: Any, *, skips_old: bool = False
    ) -> None:
        self.on_rtp, self.on_rtcp = on_rtp, on_rtcp
        self.skipped = 0
        self.rtp: list[bytes] = []
        self.rtcp: list[bytes] = []
        self.is_open = False

    def open(self) -> None:
        self.is_open = True

    def send(self, data: bytes, addr: Address) -> None:
        assert self.is_open
        assert addr == PHONE
        self.rtp.append(data)

    def send_rtcp(self, data: bytes, addr: Address) -> None:
        assert self.is_open
        self.rtcp.append(data)

    def close(self) -> None:
        self.is_open = False


class FakeSocket:
    def __init__(self) -> None:
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True
