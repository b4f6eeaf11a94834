import pytest

from rtp.address import Address
from rtp.latch import KNOWN, MAX_CANDIDATES, QUIET_S, RESUMED, STRANGER, Latch, Verdict
from rtp.packet import RtpPacket
from tests.rtp.streams import ATTACKER, CALLER

OTHER_PORT = (CALLER[0], CALLER[1] + 2)
BEHIND_NAT = ("198.51.100.7", 61_000)
REBOUND = (BEHIND_NAT[0], 33_333)
FRAME_S = 0.02


def packet(sequence: int, ssrc: int = 1) -> RtpPacket:
    return RtpPacket(0, sequence & 0xFFFF, sequence * 160, ssrc, bytes(160))


def send(
    latch: Latch,
    addr: Address,
    seconds: float,
    start: float = 0.0,
    step: int = 1,
    *,
    first: int = 0,
    ssrc: int = 1,
) -> list[Verdict]:
    """A stream of 20 ms packets from one source."""
    count = round(seconds / FRAME_S) + 1
    return [
        latch.judge(packet(first + index * step, ssrc), addr, start + index * FRAME_S)
        for index in range(count)
    ]


def behind_nat() -> Latch:
    """A latch whose caller names a private address, and is seen at another."""
    return Latch(("10.0.0.5", 4000), signalling_host=BEHIND_NAT[0])


def locked_behind_nat() -> Latch:
    """The same, locked; the caller's packet 100 comes at 2.0 s."""
    latch = behind_nat()
    send(latch, BEHIND_NAT, 2.0)
    assert latch.source == BEHIND_NAT
    return latch


def test_the_address_of_sdp_is_locked_at_once() -> None:
    latch = Latch(CALLER)
    assert send(latch, CALLER, 0.04) == [Verdict.LOCKED, Verdict.ACCEPTED, Verdict.ACCEPTED]
    assert latch.source == latch.target == CALLER


def test_until_then_we_send_to_the_address_of_sdp() -> None:
    assert Latch(CALLER).target == CALLER
    assert Latch(None).target is None
    assert Latch(("0.0.0.0", 4000)).target is None


def test_once_locked_everything_else_is_foreign() -> None:
    latch = Latch(CALLER)
    for index in range(50):
        latch.judge(packet(index), CALLER, index * FRAME_S)
        assert latch.judge(packet(index, ssrc=2), ATTACKER, index * FRAME_S) is Verdict.FOREIGN
        assert latch.judge(packet(index + 1), OTHER_PORT, index * FRAME_S) is Verdict.FOREIGN
    assert latch.target == CALLER


def test_a_source_behind_nat_passes_probation_and_loses_nothing() -> None:
    latch = behind_nat()
    verdicts = send(latch, BEHIND_NAT, KNOWN.probation_s)
    assert verdicts == [Verdict.HELD] * (len(verdicts) - 1) + [Verdict.LOCKED]
    held = latch.take_held()
    assert [entry.sequence for entry, _ in held] == list(range(len(verdicts)))
    assert not latch.take_held()
    assert latch.target == BEHIND_NAT
    assert latch.abandoned == 0


def test_another_port_of_the_host_that_sdp_names_passes_as_soon() -> None:
    assert send(Latch(CALLER), OTHER_PORT, KNOWN.probation_s)[-1] is Verdict.LOCKED


def test_a_source_that_nothing_speaks_for_waits_longer() -> None:
    latch = Latch(CALLER, signalling_host=BEHIND_NAT[0])
    verdicts = send(latch, ATTACKER, STRANGER.probation_s)
    assert set(verdicts[:-1]) == {Verdict.HELD}
    assert verdicts[-1] is Verdict.LOCKED


def test_private_addresses_say_nothing_of_the_public_network() -> None:
    """A proxy of ours in front, and a phone behind its own NAT: neither is where RTP comes from."""
    latch = Latch(("192.168.1.5", 4000), signalling_host="10.0.0.1")
    assert send(latch, ("8.8.8.8", 4000), KNOWN.probation_s)[-1] is Verdict.LOCKED
    latch = Latch(("192.168.1.5", 4000), signalling_host="10.0.0.1")
    assert send(latch, ("10.0.0.66", 4000), KNOWN.probation_s)[-1] is Verdict.HELD


def test_whoever_streams_before_the_caller_gets_nothing_in() -> None:
    """An attacker's perfect stream for 2.9 s; then the caller, known by its signalling alone."""
    latch = behind_nat()
    verdicts = send(latch, ATTACKER, 2.9)
    caller: list[Verdict] = []
    for index in range(200):
        at = 2.91 + index * FRAME_S
        caller.append(latch.judge(packet(900 + index, ssrc=2), BEHIND_NAT, at))
        verdicts.append(latch.judge(packet(146 + index), ATTACKER, at + 0.005))
    assert set(verdicts) == {Verdict.HELD, Verdict.FOREIGN}
    locked = caller.index(Verdict.LOCKED)
    assert locked * FRAME_S == pytest.approx(KNOWN.probation_s, abs=FRAME_S)
    assert [entry.ssrc for entry, _ in latch.take_held()] == [2] * (locked + 1)
    assert latch.abandoned == verdicts.count(Verdict.HELD)


def test_a_burst_does_not_shorten_probation() -> None:
    latch = Latch(CALLER)
    assert {latch.judge(packet(index), ATTACKER, 0.0) for index in range(500)} == {Verdict.HELD}


def test_an_inconsistent_stream_never_passes() -> None:
    latch = Latch(CALLER)
    assert set(send(latch, OTHER_PORT, 3.0, step=7)) == {Verdict.HELD}


def test_the_address_of_sdp_wins_over_one_on_probation() -> None:
    latch = Latch(CALLER)
    send(latch, ATTACKER, STRANGER.probation_s - 0.1)
    assert latch.judge(packet(900), CALLER, 2.95) is Verdict.LOCKED
    assert [entry.sequence for entry, _ in latch.take_held()] == [900]
    assert latch.judge(packet(30), ATTACKER, 3.0) is Verdict.FOREIGN


def test_the_address_of_sdp_wins_over_one_that_was_locked() -> None:
    latch = Latch(CALLER)
    assert send(latch, ATTACKER, STRANGER.probation_s)[-1] is Verdict.LOCKED
    assert latch.judge(packet(0), CALLER, 4.0) is Verdict.LOCKED
    assert latch.judge(packet(30), ATTACKER, 4.01) is Verdict.FOREIGN


def test_a_strict_latch_knows_one_source_only() -> None:
    latch = Latch(CALLER, strict=True)
    assert set(send(latch, OTHER_PORT, 10.0)) == {Verdict.FOREIGN}


# --- the lock moves -----------------------------------------------------------------------------------


def test_a_stream_that_goes_on_from_another_port_is_back_after_half_a_second() -> None:
    latch = locked_behind_nat()
    verdicts = send(latch, REBOUND, 1.0, start=2.0 + FRAME_S, first=101)
    began = next(index for index, each in enumerate(verdicts) if each is Verdict.HELD)
    locked = verdicts.index(Verdict.LOCKED)
    assert (began + 1) * FRAME_S <= QUIET_S + FRAME_S
    assert (locked + 1) * FRAME_S <= RESUMED.silence_s + FRAME_S
    assert [entry.sequence for entry, _ in latch.take_held()] == list(range(101 + began, 102 + locked))
    assert latch.target == REBOUND


def test_a_stream_that_goes_on_from_another_host_too() -> None:
    latch = locked_behind_nat()
    assert Verdict.LOCKED in send(latch, ("203.0.113.8", 5000), 1.0, start=2.1, first=105)


@pytest.mark.parametrize(("first", "ssrc"), [(101, 2), (30_000, 1), (100, 1)])
def test_another_stream_of_a_known_host_waits_for_silence(first: int, ssrc: int) -> None:
    latch = locked_behind_nat()
    verdicts = send(latch, REBOUND, 3.0, start=2.1, first=first, ssrc=ssrc)
    assert verdicts.index(Verdict.LOCKED) == pytest.approx((KNOWN.silence_s - 0.1) / FRAME_S, abs=1)


def test_another_stream_of_a_stranger_waits_longest() -> None:
    latch = locked_behind_nat()
    verdicts = send(latch, ATTACKER, 6.0, start=2.1, ssrc=2)
    assert verdicts.index(Verdict.LOCKED) == pytest.approx((STRANGER.silence_s - 0.1) / FRAME_S, abs=1)


def test_a_pause_of_the_caller_lets_nobody_in() -> None:
    latch = locked_behind_nat()
    verdicts = send(latch, ATTACKER, 4.8, start=2.1, ssrc=2)
    assert latch.judge(packet(400), BEHIND_NAT, 6.95) is Verdict.ACCEPTED
    verdicts += send(latch, ATTACKER, 0.04, start=6.96, first=241, ssrc=2)
    assert Verdict.LOCKED not in verdicts
    assert latch.abandoned == verdicts.count(Verdict.HELD)


def test_a_reinvite_with_a_new_address_moves_the_lock() -> None:
    latch = Latch(CALLER)
    latch.judge(packet(0), CALLER, 0.0)
    latch.expect(OTHER_PORT, 1.0)
    assert latch.target == OTHER_PORT
    assert latch.judge(packet(1), CALLER, 1.01) is Verdict.ACCEPTED
    assert latch.judge(packet(2), OTHER_PORT, 1.02) is Verdict.LOCKED
    assert latch.judge(packet(3), CALLER, 1.03) is Verdict.FOREIGN


def test_a_reinvite_with_the_same_address_or_none_keeps_the_lock() -> None:
    latch = locked_behind_nat()
    for addr in (("10.0.0.5", 4000), None, ("0.0.0.0", 4000)):
        latch.expect(addr, 2.0)
        assert latch.target == BEHIND_NAT
        assert latch.judge(packet(0), ATTACKER, 2.0) is Verdict.FOREIGN


def test_a_peer_behind_nat_keeps_its_lock_after_a_reinvite() -> None:
    latch = locked_behind_nat()
    latch.expect(("10.0.0.5", 5000), 2.0)
    send(latch, BEHIND_NAT, 1.0, start=2.0, first=101)
    assert latch.target == BEHIND_NAT
    assert latch.judge(packet(0), ATTACKER, 3.0) is Verdict.FOREIGN


def test_a_flood_from_many_addresses_neither_grows_nor_keeps_the_caller_out() -> None:
    latch = behind_nat()
    verdicts = []
    for index in range(30):
        verdicts.append(latch.judge(packet(index), BEHIND_NAT, index * 0.02))
        for port in range(20 if index > 1 else 0):
            latch.judge(packet(port), (ATTACKER[0], 1024 + 20 * index + port), index * 0.02)
    assert Verdict.LOCKED in verdicts
    assert len(latch._candidates) <= MAX_CANDIDATES
