from rtp.address import Address
from rtp.latch import MAX_CANDIDATES, PROBATION_S, SILENCE_S, Latch, Verdict
from rtp.packet import RtpPacket
from tests.rtp.streams import ATTACKER, CALLER

OTHER_PORT = (CALLER[0], CALLER[1] + 2)
BEHIND_NAT = ("198.51.100.7", 61_000)


def packet(sequence: int, ssrc: int = 1) -> RtpPacket:
    return RtpPacket(0, sequence & 0xFFFF, sequence * 160, ssrc, bytes(160))


def send(latch: Latch, addr: Address, seconds: float, start: float = 0.0, step: int = 1) -> list[Verdict]:
    """A stream of 20 ms packets from one source."""
    count = round(seconds / 0.02) + 1
    return [latch.judge(packet(index * step), addr, start + index * 0.02) for index in range(count)]


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
    latch.judge(packet(0), CALLER, 0.0)
    assert set(send(latch, ATTACKER, 1.0)) == {Verdict.FOREIGN}
    assert set(send(latch, OTHER_PORT, 1.0)) == {Verdict.FOREIGN}
    assert latch.target == CALLER


def test_a_source_behind_nat_passes_probation_and_loses_nothing() -> None:
    latch = Latch(CALLER)
    verdicts = send(latch, BEHIND_NAT, PROBATION_S)
    assert verdicts == [Verdict.HELD] * (len(verdicts) - 1) + [Verdict.LOCKED]
    held = latch.take_held()
    assert [entry.sequence for entry, _ in held] == list(range(len(verdicts)))
    assert not latch.take_held()
    assert latch.target == BEHIND_NAT


def test_a_burst_does_not_shorten_probation() -> None:
    latch = Latch(CALLER)
    assert {latch.judge(packet(index), ATTACKER, 0.0) for index in range(500)} == {Verdict.HELD}


def test_an_inconsistent_stream_never_passes() -> None:
    latch = Latch(CALLER)
    assert set(send(latch, ATTACKER, 3.0, step=7)) == {Verdict.HELD}


def test_the_address_of_sdp_wins_over_one_on_probation() -> None:
    latch = Latch(CALLER)
    send(latch, ATTACKER, PROBATION_S - 0.1)
    assert latch.judge(packet(900), CALLER, 0.45) is Verdict.LOCKED
    assert [entry.sequence for entry, _ in latch.take_held()] == [900]
    assert latch.judge(packet(30), ATTACKER, 0.5) is Verdict.FOREIGN


def test_the_address_of_sdp_wins_over_one_that_was_locked() -> None:
    latch = Latch(CALLER)
    send(latch, ATTACKER, PROBATION_S)
    assert latch.judge(packet(0), CALLER, 1.0) is Verdict.LOCKED
    assert latch.judge(packet(30), ATTACKER, 1.01) is Verdict.FOREIGN


def test_a_strict_latch_knows_one_source_only() -> None:
    latch = Latch(CALLER, strict=True)
    assert set(send(latch, OTHER_PORT, 10.0)) == {Verdict.FOREIGN}


def test_silence_and_a_consistent_stream_move_the_lock() -> None:
    latch = Latch(CALLER)
    latch.judge(packet(0), CALLER, 0.0)
    assert set(send(latch, BEHIND_NAT, 1.0, start=SILENCE_S - 2)) == {Verdict.FOREIGN}
    assert send(latch, BEHIND_NAT, PROBATION_S, start=SILENCE_S)[-1] is Verdict.LOCKED


def test_a_reinvite_with_a_new_address_moves_the_lock() -> None:
    latch = Latch(CALLER)
    latch.judge(packet(0), CALLER, 0.0)
    latch.expect(OTHER_PORT, 1.0)
    assert latch.target == OTHER_PORT
    assert latch.judge(packet(1), CALLER, 1.01) is Verdict.ACCEPTED
    assert latch.judge(packet(2), OTHER_PORT, 1.02) is Verdict.LOCKED
    assert latch.judge(packet(3), CALLER, 1.03) is Verdict.FOREIGN


def test_a_reinvite_with_the_same_address_or_none_keeps_the_lock() -> None:
    latch = Latch(CALLER)
    send(latch, BEHIND_NAT, PROBATION_S)
    for addr in (CALLER, None, ("0.0.0.0", 4000)):
        latch.expect(addr, 1.0)
        assert latch.target == BEHIND_NAT
        assert latch.judge(packet(0), ATTACKER, 1.0) is Verdict.FOREIGN


def test_a_peer_behind_nat_keeps_its_lock_after_a_reinvite() -> None:
    latch = Latch(CALLER)
    send(latch, BEHIND_NAT, PROBATION_S)
    latch.expect(OTHER_PORT, 1.0)
    send(latch, BEHIND_NAT, 1.0, start=1.0)
    assert latch.target == BEHIND_NAT
    assert latch.judge(packet(0), ATTACKER, 2.0) is Verdict.FOREIGN


def test_a_flood_from_many_addresses_neither_grows_nor_keeps_the_caller_out() -> None:
    latch = Latch(CALLER)
    verdicts = []
    for index in range(30):
        verdicts.append(latch.judge(packet(index), BEHIND_NAT, index * 0.02))
        for port in range(20 if index > 1 else 0):
            latch.judge(packet(port), (ATTACKER[0], 1024 + 20 * index + port), index * 0.02)
    assert Verdict.LOCKED in verdicts
    assert len(latch._candidates) <= MAX_CANDIDATES
