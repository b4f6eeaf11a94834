"""SRTP: what is let through, what is refused and counted, and keys that change in mid-call."""

from __future__ import annotations

import pylibsrtp
import pytest

from rtp import packet, rtcp
from rtp.address import Address
from rtp.params import SrtpParams
from rtp.srtp import MAX_SOURCES, OVERLAP_S, PROFILES, Srtp, SrtpError, SrtpUdp
from rtp.udp import Receive

AES_80, GCM = "AES_CM_128_HMAC_SHA1_80", "AEAD_AES_256_GCM"
BYTES = {suite: 44 if suite == GCM else 30 for suite in PROFILES}
SSRC = 0xCAFEBABE
PEER = ("192.0.2.1", 4000)


def key(number: int, suite: str = AES_80) -> bytes:
    return bytes([number]) * BYTES[suite]


def params(ours: int = 1, theirs: int = 2, suite: str = AES_80) -> SrtpParams:
    return SrtpParams(suite, key(ours, suite), key(theirs, suite))


def rtp(sequence: int, ssrc: int = SSRC, payload: bytes = b"a" * 160) -> bytes:
    return packet.serialize(
        packet.RtpPacket(0, sequence & 0xFFFF, sequence * 160 & 0xFFFFFFFF, ssrc, payload)
    )


def report(ssrc: int = SSRC) -> bytes:
    return rtcp.serialize_compound([rtcp.ReceiverReport(ssrc, ()), rtcp.SourceDescription(ssrc, "peer")])


def peer(number: int = 2, suite: str = AES_80) -> pylibsrtp.Session:
    """The peer's sending half, by libsrtp alone."""
    policy = pylibsrtp.Policy(
        key(number, suite), pylibsrtp.Policy.SSRC_ANY_OUTBOUND, srtp_profile=PROFILES[suite]
    )
    return pylibsrtp.Session(policy)


class FakeUdp:
    """A pair of sockets: what it is to deliver comes by calling `on_rtp`."""

    def deliver_to(self, on_rtp: Receive, on_rtcp: Receive) -> None:
        self.on_rtp, self.on_rtcp = on_rtp, on_rtcp


def ignore(data: bytes, addr: Address, now: float) -> None:
    """Nobody listens."""


def refused(srtp: Srtp) -> tuple[int, int]:
    return srtp.unauthenticated, srtp.replayed


@pytest.mark.parametrize("suite", PROFILES)
def test_both_ends_understand_each_other(suite: str) -> None:
    us, them = Srtp(params(1, 2, suite)), Srtp(params(2, 1, suite))
    sealed = us.protect(rtp(7))
    assert rtp(7)[12:] not in sealed
    assert them.unprotect(sealed, 0.0) == rtp(7)
    assert them.unprotect_rtcp(us.protect_rtcp(report()), 0.0) == report()
    assert us.unprotect(them.protect(rtp(8)), 0.0) == rtp(8)
    assert refused(us) == refused(them) == (0, 0)


def test_rtcp_on_the_rtp_port() -> None:
    us, them = Srtp(params(1, 2)), Srtp(params(2, 1))
    assert them.unprotect(us.protect_rtcp(report()), 0.0) == report()


def test_the_vector_of_libsrtp_for_aes_cm_and_hmac() -> None:
    """The packet that libsrtp's own driver checks (`srtp_validate`): key of RFC 3711's appendix B.3."""
    master = bytes.fromhex("e1f97a0d3e018be0d64fa32c06de4139" + "0ec675ad498afeebb6960b3aabe6")
    plain = bytes.fromhex("800f1234decafbadcafebabe" + "ab" * 16)
    sealed = bytes.fromhex("800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb")
    assert Srtp(SrtpParams(AES_80, master, master)).protect(plain) == sealed
    assert Srtp(SrtpParams(AES_80, master, master)).unprotect(sealed, 0.0) == plain


@pytest.mark.parametrize("suite", PROFILES)
def test_every_flipped_bit_is_noticed(suite: str) -> None:
    us, sealed = Srtp(params(suite=suite)), peer(suite=suite).protect(rtp(1))
    for at in range(len(sealed)):
        damaged = bytearray(sealed)
        damaged[at] ^= 1 << at % 8
        assert us.unprotect(bytes(damaged), 0.0) is None
    assert refused(us) == (len(sealed), 0)
    assert us.unprotect(sealed, 0.0) == rtp(1)


def test_a_replay_is_told_from_a_forgery() -> None:
    us, them = Srtp(params()), peer()
    packets = [them.protect(rtp(number)) for number in range(300)]
    for sealed in packets:
        assert us.unprotect(sealed, 0.0) is not None
    assert us.unprotect(packets[-1], 0.0) is None
    assert us.unprotect(packets[0], 0.0) is None, "older than the window"
    assert refused(us) == (0, 2)
    sealed_report = them.protect_rtcp(report())
    assert us.unprotect_rtcp(sealed_report, 0.0) is not None
    assert us.unprotect_rtcp(sealed_report, 0.0) is None
    assert refused(us) == (0, 3)


@pytest.mark.parametrize(
    "data", [rtp(1), report(), b"", b"\x80", b"\x80\x00" + bytes(10), bytes(2000), b"\x80\xc8\x00\x00"]
)
def test_plain_and_broken_datagrams_are_refused(data: bytes) -> None:
    us = Srtp(params())
    assert us.unprotect(data, 0.0) is None
    assert us.unprotect_rtcp(data, 0.0) is None
    assert refused(us) == (2, 0)


def test_another_key_is_refused() -> None:
    us = Srtp(params())
    assert us.unprotect(peer(9).protect(rtp(1)), 0.0) is None
    assert refused(us) == (1, 0)


def test_the_sequence_wraps_under_loss_again_and_again() -> None:
    """Most packets of ten cycles are lost, those around each wrap among them."""
    us, them = Srtp(params()), peer()
    heard = 0
    for number in range(60_000, 60_000 + 10 * 65_536):
        near_a_wrap = 65_536 - number % 65_536 < 40 or number % 65_536 < 40
        if number % 37 and number != 60_000:
            continue
        sealed = them.protect(rtp(number))
        if not near_a_wrap:
            assert us.unprotect(sealed, 0.0) == rtp(number)
            heard += 1
    assert heard > 17_000
    assert refused(us) == (0, 0)


def test_packets_out_of_order_across_a_wrap() -> None:
    us, them = Srtp(params()), peer()
    sealed = {number: them.protect(rtp(number)) for number in range(65_530, 65_546)}
    for number in (65_530, 65_537, 65_531, 65_545, 65_535, 65_536):
        assert us.unprotect(sealed[number], 0.0) == rtp(number)


def test_a_new_ssrc_is_a_new_source() -> None:
    us, them = Srtp(params()), peer()
    assert us.unprotect(them.protect(rtp(40_000, ssrc=1)), 0.0) is not None
    assert us.unprotect(them.protect(rtp(3, ssrc=2)), 0.0) == rtp(3, ssrc=2)
    assert us.unprotect(them.protect(rtp(40_001, ssrc=1)), 0.0) is not None


def test_a_peer_that_makes_up_sources_is_held_to_a_few() -> None:
    us, them = Srtp(params()), peer()
    for ssrc in range(2 * MAX_SOURCES):
        us.unprotect(them.protect(rtp(1, ssrc=ssrc)), 0.0)
    assert refused(us) == (MAX_SOURCES, 0)
    assert us.unprotect(them.protect(rtp(2, ssrc=0)), 0.0) is not None


# --- keys that change -------------------------------------------------------------------------------


def test_packets_in_flight_under_the_old_key_are_heard_for_a_while() -> None:
    us, old, new = Srtp(params()), peer(2), peer(3)
    assert us.unprotect(old.protect(rtp(1)), 10.0) is not None
    us.rekey(params(ours=4, theirs=3), 10.0)
    assert us.unprotect(old.protect(rtp(2)), 10.1) == rtp(2)
    assert us.unprotect(new.protect(rtp(4)), 10.2) == rtp(4)
    assert us.unprotect(old.protect(rtp(3)), 10.3) == rtp(3)
    late = old.protect(rtp(5))
    assert us.unprotect(late, 10.0 + OVERLAP_S) is None
    assert us.unprotect(new.protect(rtp(6)), 10.0 + OVERLAP_S) == rtp(6)
    assert refused(us) == (1, 0)


def test_packets_under_a_key_that_we_learn_a_moment_later_are_heard() -> None:
    udp, heard = FakeUdp(), []
    secure = SrtpUdp(udp, params(theirs=2), lambda data, addr, now: heard.append((data, addr)), ignore)  # type: ignore[arg-type]
    old, new = peer(2), peer(3)
    too_early, early = new.protect(rtp(1)), [new.protect(rtp(number)) for number in (11, 12)]
    udp.on_rtp(too_early, PEER, 10.0)
    udp.on_rtp(old.protect(rtp(10)), PEER, 10.8)
    for data in (*early, b"forged" * 10):
        udp.on_rtp(data, PEER, 10.9)
    assert [data for data, _ in heard] == [rtp(10)]
    secure.rekey(params(ours=4, theirs=3), 11.0)
    udp.on_rtp(new.protect(rtp(13)), PEER, 11.0)
    assert heard == [(rtp(number), PEER) for number in (10, 11, 12, 13)]
    assert refused(secure.srtp) == (2, 0)


def test_a_replay_under_the_old_key_stays_a_replay() -> None:
    us, old = Srtp(params()), peer(2)
    sealed = old.protect(rtp(1))
    us.unprotect(sealed, 0.0)
    us.rekey(params(theirs=3), 0.0)
    assert us.unprotect(sealed, 0.1) is None
    assert refused(us) == (0, 1)


def test_what_we_send_after_a_new_key_is_under_it() -> None:
    us, them = Srtp(params(ours=1)), Srtp(params(2, 4))
    us.rekey(params(ours=4), 0.0)
    assert them.unprotect(us.protect(rtp(1)), 0.0) == rtp(1)


def test_the_same_keys_again_change_nothing() -> None:
    us, them = Srtp(params()), peer()
    sealed = them.protect(rtp(1))
    us.unprotect(sealed, 0.0)
    us.rekey(params(), 0.0)
    assert us.unprotect(sealed, 0.0) is None
    assert refused(us) == (0, 1)


@pytest.mark.parametrize("suite", PROFILES)
@pytest.mark.parametrize("keeps_its_counter", [True, False])
def test_a_new_key_after_wraps(suite: str, keeps_its_counter: bool) -> None:
    """Whether the peer's roll-over counter goes on, as RFC 3711 has it, or begins again."""
    us, old, new = Srtp(params(suite=suite)), peer(2, suite), peer(3, suite)
    for number in range(0, 3 * 65_536 + 100, 5_000):
        assert us.unprotect(old.protect(rtp(number)), 0.0) is not None
        if keeps_its_counter:
            new.protect(rtp(number))
    us.rekey(params(theirs=3, suite=suite), 100.0)
    for number in range(3 * 65_536 + 200, 5 * 65_536, 5_000):
        assert us.unprotect(new.protect(rtp(number)), 110.0) == rtp(number)
    assert refused(us) == (0, 0)


def test_keys_that_change_before_anything_is_heard() -> None:
    us = Srtp(params(theirs=2))
    us.rekey(params(theirs=3), 0.0)
    us.rekey(params(theirs=4), 0.1)
    assert us.unprotect(peer(4).protect(rtp(1)), 0.2) == rtp(1)


# --- keys kept to ourselves -------------------------------------------------------------------------


def test_no_representation_and_no_error_has_a_key() -> None:
    secret = SrtpParams(AES_80, b"S" * 30, b"S" * 30)
    with pytest.raises(SrtpError) as short:
        Srtp(SrtpParams(AES_80, b"S" * 10, b"S" * 30))
    with pytest.raises(SrtpError) as unknown:
        Srtp(SrtpParams("F8", b"S" * 30, b"S" * 30))
    with pytest.raises(SrtpError) as too_long:
        Srtp(secret).protect(rtp(1, payload=bytes(1500)))
    for text in (repr(secret), repr(Srtp(secret)), *map(repr, (short.value, unknown.value, too_long.value))):
        assert "SSS" not in text
