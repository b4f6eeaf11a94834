from random import Random
from struct import pack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtp.dtmf import DIGITS, LOST_END_S, DigitReceiver, DigitSender
from rtp.events import DigitReceived

Wire = list[tuple[bytes, int, float]]
"""Event payloads with their RTP timestamps and arrival times."""


def press(digit: str, duration_ms: int, *, timestamp: int, at: float, ends: int = 3) -> Wire:
    """The packets of one press, every 20 ms, as a phone sends them."""
    event, units = DIGITS.index(digit), duration_ms * 8
    durations = [*range(160, units, 160)]
    packets: Wire = [
        (pack("!BBH", event, 10, duration), timestamp, at + index * 0.02)
        for index, duration in enumerate(durations)
    ]
    end = (pack("!BBH", event, 0x80 | 10, units), timestamp, at + len(durations) * 0.02)
    return packets + [end] * ends


def dial(digits: str, duration_ms: int = 100, ends: int = 3) -> Wire:
    wire: Wire = []
    for index, digit in enumerate(digits):
        wire += press(digit, duration_ms, timestamp=1000 + index * 1600, at=index * 0.2, ends=ends)
    return wire


def receive(wire: Wire, until: float = 100.0) -> list[DigitReceived]:
    receiver = DigitReceiver()
    heard: list[DigitReceived] = []
    for payload, timestamp, at in wire:
        heard += receiver.expire(at)
        heard += receiver.receive(payload, timestamp, at)
    return heard + receiver.expire(until)


def text(heard: list[DigitReceived]) -> str:
    return "".join(event.digit for event in heard)


def test_every_digit_is_received_once_and_in_order() -> None:
    assert text(receive(dial(DIGITS))) == DIGITS


@pytest.mark.parametrize("ends", [0, 1, 7])
def test_lost_or_repeated_end_packets(ends: int) -> None:
    assert text(receive(dial("112#", ends=ends))) == "112#"


def test_the_shortest_digits() -> None:
    assert receive(dial("55", duration_ms=40)) == [DigitReceived("5", 40)] * 2


def test_an_end_packet_alone_is_enough() -> None:
    assert receive(press("7", 100, timestamp=0, at=0.0)[-1:]) == [DigitReceived("7", 100)]


def test_the_beginning_alone_is_a_digit_after_a_while() -> None:
    receiver = DigitReceiver()
    payload, timestamp, _ = press("7", 100, timestamp=0, at=0.0)[0]
    assert not receiver.receive(payload, timestamp, 0.0)
    assert receiver.next_timer() == LOST_END_S
    assert not receiver.expire(LOST_END_S - 0.01)
    assert receiver.expire(LOST_END_S) == [DigitReceived("7", 20)]
    assert receiver.next_timer() is None


def test_packets_that_come_late_do_not_repeat_a_digit() -> None:
    first, second = (
        press("1", 100, timestamp=1000, at=0.0),
        press("2", 100, timestamp=2600, at=0.2),
    )
    assert text(receive([*first, *second, *first, *second])) == "12"


def test_a_press_longer_than_a_segment_is_one_digit() -> None:
    segment = 0xFFFF
    wire = [
        (pack("!BBH", 5, 10, segment), 0, 0.0),
        (pack("!BBH", 5, 10, 800), segment, 0.1),
        (pack("!BBH", 5, 0x8A, 1600), segment, 0.2),
    ]
    assert receive(wire) == [DigitReceived("5", (segment + 1600) // 8)]


def test_timestamps_wrap() -> None:
    first = press("1", 100, timestamp=2**32 - 100, at=0.0)
    assert text(receive(first + press("2", 100, timestamp=1500, at=0.2))) == "12"


@pytest.mark.parametrize("payload", [b"", b"\x05\x0a\x00", pack("!BBH", 40, 0x80, 800)])
def test_malformed_and_foreign_events_say_nothing(payload: bytes) -> None:
    assert not receive([(payload, 0, 0.0)])


@pytest.mark.parametrize("seed", range(5))
def test_any_packet_but_not_all_may_be_lost(seed: int) -> None:
    rng = Random(seed)
    wire: Wire = []
    for index, digit in enumerate("0123456789"):
        packets = press(digit, 100, timestamp=index * 1600, at=index * 0.2)
        kept = [packet for packet in packets if rng.random() > 0.3]
        wire += kept or packets[:1]
    assert text(receive(wire)) == "0123456789"


def sent(digit: str, duration_ms: int) -> list[tuple[bytes, bool]]:
    sender = DigitSender()
    sender.press(digit, duration_ms, slot_ms=20)
    packets = []
    while sender.busy:
        packets.append(tuple(sender.next_packet()[:2]))
    return packets


def test_a_press_is_sent_with_its_end_three_times() -> None:
    assert sent("5", 60) == [
        (pack("!BBH", 5, 10, 160), True),
        (pack("!BBH", 5, 10, 320), False),
        *[(pack("!BBH", 5, 0x8A, 480), False)] * 3,
    ]


def test_a_press_of_one_slot_begins_with_its_end() -> None:
    assert [first for _, first in sent("#", 20)] == [True, False, False]


@pytest.mark.parametrize("digit", ["", "12", "x"])
def test_only_digits_can_be_pressed(digit: str) -> None:
    with pytest.raises(ValueError, match="DTMF"):
        DigitSender().press(digit, 100, slot_ms=20)


def test_what_is_sent_is_received() -> None:
    wire: Wire = []
    for index, digit in enumerate(DIGITS):
        wire += [
            (payload, index * 3200, index * 0.4 + 0.02 * n) for n, (payload, _) in enumerate(sent(digit, 90))
        ]
    assert receive(wire) == [DigitReceived(digit, 90) for digit in DIGITS]


@settings(max_examples=50, deadline=None)
@given(
    digits=st.text(DIGITS, min_size=1, max_size=4),
    duration_ms=st.sampled_from([40, 60, 100, 700, 9000, 25_000]),
    data=st.data(),
)
def test_each_digit_once_and_in_order_whatever_is_lost_or_repeated(
    digits: str, duration_ms: int, data: st.DataObject
) -> None:
    wire: Wire = []
    timestamp, at = data.draw(st.integers(0, 2**32 - 1)), 0.0
    for digit in digits:
        packets = sent_wire(digit, duration_ms, timestamp, at)
        survivor = data.draw(st.integers(0, len(packets) - 1))
        lost_from = data.draw(st.integers(0, len(packets)))
        lost_to = data.draw(st.integers(lost_from, len(packets)))
        kept = [packet for n, packet in enumerate(packets) if n == survivor or not lost_from <= n < lost_to]
        wire += kept + kept[-1:] * data.draw(st.integers(0, 3))
        timestamp = (timestamp + duration_ms * 8 + 40 * 8) & 0xFFFFFFFF
        at = packets[-1][2] + 0.02
    assert text(receive(wire, until=at + 1)) == digits


def sent_wire(digit: str, duration_ms: int, timestamp: int, at: float) -> Wire:
    """A press by our own sender, of any number of segments."""
    sender = DigitSender()
    sender.press(digit, duration_ms, slot_ms=20)
    wire: Wire = []
    while sender.busy:
        packet = sender.next_packet()
        wire.append((packet.payload, (timestamp + packet.offset) & 0xFFFFFFFF, at))
        at += 0.02
    return wire


def test_a_long_press_is_sent_in_segments() -> None:
    assert receive(sent_wire("3", 20_000, 0, 0.0)) == [DigitReceived("3", 20_000)]


def test_a_press_that_was_taken_for_over_goes_on_unreported() -> None:
    wire = sent_wire("3", 20_000, 0, 0.0)
    late = [(payload, timestamp, at + (1.0 if at > 5 else 0.0)) for payload, timestamp, at in wire]
    assert text(receive(late)) == "3"
