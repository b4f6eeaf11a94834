import io
import wave

import pytest

from rtp.wav import HEADER_BYTES, MAX_DATA_BYTES, WavError, WavFormat, header, parse_header, repaired_header


def test_the_standard_library_reads_the_header() -> None:
    with wave.open(io.BytesIO(header(channels=2, rate=8000, data_bytes=400) + bytes(400))) as file:
        assert file.getparams()[:4] == (2, 2, 8000, 100)


def test_a_header_parses_back() -> None:
    assert parse_header(header(1, 24000, 96)) == WavFormat(channels=1, rate=24000, data_bytes=96)


def test_duration() -> None:
    assert WavFormat(channels=2, rate=8000, data_bytes=32_000).duration_ms == 1000


@pytest.mark.parametrize(
    "data",
    [
        b"",
        header(2, 8000, 0)[:-1],
        b"RIFX" + header(2, 8000, 0)[4:],
        header(2, 8000, 0)[:20] + b"\x07" + bytes(23),
    ],
)
def test_other_headers_are_refused(data: bytes) -> None:
    with pytest.raises(WavError):
        parse_header(data)


def test_a_repaired_header_says_the_whole_frames_that_are_there() -> None:
    assert parse_header(repaired_header(HEADER_BYTES + 4003)) == WavFormat(2, 8000, 4000)


def test_a_file_without_a_header_cannot_be_repaired() -> None:
    with pytest.raises(WavError):
        repaired_header(HEADER_BYTES - 1)


def test_a_recording_beyond_the_format_says_the_most_it_can() -> None:
    assert parse_header(header(2, 8000, 2**33)).data_bytes == MAX_DATA_BYTES
