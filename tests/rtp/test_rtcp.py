from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtp.rtcp import (
    Goodbye,
    ReceiverReport,
    ReportBlock,
    RtcpError,
    RtcpPacket,
    SenderReport,
    SourceDescription,
    compact_ntp,
    ntp_timestamp,
    parse_compound,
    round_trip_ms,
    serialize_compound,
)

u32 = st.integers(0, 0xFFFFFFFF)
blocks = st.lists(
    st.builds(
        ReportBlock,
        ssrc=u32,
        fraction_lost=st.integers(0, 255),
        cumulative_lost=st.integers(-0x800000, 0x7FFFFF),
        extended_highest=u32,
        jitter=u32,
        last_sr=u32,
        delay_since_last_sr=u32,
    ),
    max_size=31,
).map(tuple)
packets = st.lists(
    st.builds(SenderReport, u32, st.integers(0, 2**64 - 1), u32, u32, u32, blocks)
    | st.builds(ReceiverReport, u32, blocks)
    | st.builds(SourceDescription, u32, st.text(max_size=60))
    | st.builds(Goodbye, st.lists(u32, max_size=31).map(tuple)),
    max_size=5,
)


@settings(max_examples=40)
@given(packets)
def test_compounds_parse_back(compound: list[RtcpPacket]) -> None:
    assert parse_compound(serialize_compound(compound)) == compound


@given(st.binary(max_size=120) | st.binary(max_size=120).map(lambda data: b"\x81\xca\x00\x02" + data))
def test_any_bytes_are_a_compound_or_an_rtcp_error(data: bytes) -> None:
    with suppress(RtcpError):
        parse_compound(data)


def test_packets_are_whole_words() -> None:
    for name in ("", "a", "ab", "abc", "abcd"):
        assert len(serialize_compound([SourceDescription(1, name)])) % 4 == 0


def test_unknown_types_are_skipped() -> None:
    app = bytes.fromhex("80cc0002 00000001 74657374")
    assert parse_compound(app + serialize_compound([Goodbye((7,))])) == [Goodbye((7,))]


@pytest.mark.parametrize(
    "data", [b"\x80", b"\x00\xc8\x00\x00", b"\x80\xc8\x00\x06" + bytes(8), b"\x81\xcb\0\0"]
)
def test_malformed_compounds(data: bytes) -> None:
    with pytest.raises(RtcpError):
        parse_compound(data)


def block(last_sr: int, delay: int) -> ReportBlock:
    return ReportBlock(1, 0, 0, 0, 0, last_sr, delay)


def test_round_trip_from_lsr_and_dlsr() -> None:
    sent, received = ntp_timestamp(1000.0), ntp_timestamp(1002.25)
    assert round_trip_ms(block(compact_ntp(sent), 2 * 65536), received) == pytest.approx(250, abs=0.1)


def test_round_trip_needs_a_sender_report() -> None:
    assert round_trip_ms(block(0, 0), ntp_timestamp(1000.0)) is None


def test_round_trip_is_never_negative() -> None:
    sent = ntp_timestamp(1000.0)
    assert round_trip_ms(block(compact_ntp(sent), 66), sent) == 0.0


def test_round_trip_over_the_wrap_of_compact_time() -> None:
    start = 65536.0 * 7 - 2_208_988_800 % 65536 - 0.1
    sent, received = ntp_timestamp(start), ntp_timestamp(start + 0.2)
    assert compact_ntp(received) < compact_ntp(sent)
    assert round_trip_ms(block(compact_ntp(sent), 0), received) == pytest.approx(200, abs=0.1)
