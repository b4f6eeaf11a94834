"""A session whose datagrams and time the test gives, and what came of them."""

from random import Random

from rtp.address import Address
from rtp.events import RtpEvent
from rtp.packet import RtpPacket, parse, serialize
from rtp.rtcp import RtcpPacket, parse_compound
from rtp.session import Concealed, Frame, RtpParams, RtpSession
from tests.rtp.streams import CALLER, Arrival, speech

BEHIND_NAT = ("198.51.100.7", 61_000)
START = 100.0


def session(**params: object) -> RtpSession:
    defaults = {"remote_rtp": CALLER, "remote_rtcp": (CALLER[0], 4001)}
    return RtpSession(RtpParams(**(defaults | params)), now=START, rng=Random(1))  # type: ignore[arg-type]


def feed(rtp: RtpSession, arrivals: list[Arrival], addr: Address = CALLER) -> list[Frame | Concealed]:
    heard: list[Frame | Concealed] = []
    for packet, at in arrivals:
        rtp.receive_datagram(serialize(packet), addr, at)
        heard += pop(rtp, at)
    return heard


def pop(rtp: RtpSession, now: float) -> list[Frame | Concealed]:
    return list(iter(lambda: rtp.pop_frame(now), None))


def frames(count: int) -> list[Frame]:
    return [Frame(speech(index)) for index in range(count)]


def events(rtp: RtpSession) -> list[RtpEvent]:
    return list(iter(rtp.next_event, None))


def audio(heard: list[Frame | Concealed]) -> bytes:
    return b"".join(piece.payload for piece in heard)


def sent(rtp: RtpSession) -> list[RtpPacket]:
    return [parse(data) for data, _ in rtp.datagrams_to_send()]


def rtcp(rtp: RtpSession) -> list[list[RtcpPacket]]:
    return [parse_compound(data) for data, _ in rtp.rtcp_to_send()]
