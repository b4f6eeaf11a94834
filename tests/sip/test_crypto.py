"""Keys in SDP: lines as RFC 4568 and real peers write them, and the keys of a call over its life."""

from __future__ import annotations

import base64
from collections.abc import Callable
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipagent.errors import NoCommonCrypto, SdpError
from sipagent.sip.crypto import KEY_BYTES, MAX_LINES, CryptoLine, KeyExchange, usable

AES_80, AES_32, GCM = "AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32", "AEAD_AES_256_GCM"
KEY = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj"
KEY_44 = base64.b64encode(bytes(range(44))).decode()


def numbered_keys() -> Callable[[int], bytes]:
    """Random bytes that tell in which order they were asked for."""
    numbers = count(1)
    return lambda length: bytes([next(numbers)]) * length


def line(tag: int, suite: str, fill: int) -> str:
    return f"{tag} {suite} inline:{base64.b64encode(bytes([fill]) * KEY_BYTES[suite]).decode()}"


@pytest.mark.parametrize(
    ("value", "tag", "suite"),
    [
        (f"1 {AES_80} inline:{KEY}", 1, AES_80),
        (f"1 {AES_80} inline:{KEY}|2^20", 1, AES_80),
        (f"1 {AES_80} inline:{KEY}|2^48", 1, AES_80),
        (f"1 {AES_80} inline:{KEY}|1048576", 1, AES_80),
        (f"999999999 {AES_32} inline:{KEY}", 999999999, AES_32),
        (f"2 {AES_32.lower()} INLINE:{KEY}", 2, AES_32),
        (f"1  {AES_80}  inline:{KEY} ", 1, AES_80),
        (f"1 {AES_80} inline:{KEY} WSH=1024", 1, AES_80),
        (f"1 {AES_80} inline:{KEY} -MAYBE=1 WSH=64", 1, AES_80),
        (f"3 {GCM} inline:{KEY_44}", 3, GCM),
        (f"3 {GCM} inline:{KEY_44.rstrip('=')}|2^31", 3, GCM),
    ],
)
def test_a_line_that_we_can_use(value: str, tag: int, suite: str) -> None:
    (found,) = usable((value,))
    assert (found.tag, found.suite, len(found.key)) == (tag, suite, KEY_BYTES[suite])


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("", "empty"),
        (f"{AES_80} inline:{KEY}", "no tag"),
        (f"1234567890 {AES_80} inline:{KEY}", "a tag of ten digits"),
        (f"-1 {AES_80} inline:{KEY}", "a negative tag"),
        (f"１ {AES_80} inline:{KEY}", "a digit that is no ASCII"),
        (f"1 F8_128_HMAC_SHA1_80 inline:{KEY}", "a suite that we don't do"),
        (f"1 AEAD_AES_128_GCM inline:{KEY}", "another one"),
        (f"1 {AES_80} {KEY}", "no key method"),
        (f"1 {AES_80} uri:https://keys.example/1", "another key method"),
        (f"1 {AES_80} inline:{KEY[:-4]}", "a key that is too short"),
        (f"1 {AES_80} inline:{KEY_44}", "a key that is too long"),
        (f"1 {GCM} inline:{KEY}", "the key of another suite"),
        (f"1 {AES_80} inline:{KEY[:-1]}", "base64 that is cut off"),
        (f"1 {AES_80} inline:{KEY[:-1]}*", "no base64"),
        (f"1 {AES_80} inline:{KEY}|2^20|1:4", "a key identifier (MKI)"),
        (f"1 {AES_80} inline:{KEY}|1:32", "a key identifier without a lifetime"),
        (f"1 {AES_80} inline:{KEY}|2^20|1:4;inline:{KEY}|2^20|2:4", "two keys"),
        (f"1 {AES_80} inline:{KEY}|0", "no lifetime at all"),
        (f"1 {AES_80} inline:{KEY}|2^49", "a lifetime longer than a key's"),
        (f"1 {AES_80} inline:{KEY}|x", "a lifetime that is no number"),
        (f"1 {AES_80} inline:{KEY} UNENCRYPTED_SRTP", "no encryption"),
        (f"1 {AES_80} inline:{KEY} UNENCRYPTED_SRTCP", "no encryption of RTCP"),
        (f"1 {AES_80} inline:{KEY} UNAUTHENTICATED_SRTP", "no authentication"),
        (f"1 {AES_80} inline:{KEY} KDR=4", "keys derived again"),
        (f"1 {AES_80} inline:{KEY} FEC_ORDER=FEC_SRTP", "FEC"),
        (f"1 {AES_80} inline:{KEY} SOMETHING", "an unknown parameter"),
        (f"1 {AES_80} inline:{KEY} {'-X' * 200}", "too long a line"),
    ],
)
def test_a_line_that_is_passed_over(value: str, why: str) -> None:
    assert usable((value,)) == (), why


def test_our_preference_decides_and_of_equal_suites_the_lower_tag() -> None:
    lines = usable((line(1, AES_32, 1), line(4, AES_80, 1), line(3, AES_80, 2), line(9, GCM, 1)))
    assert [(each.suite, each.tag) for each in lines] == [(GCM, 9), (AES_80, 3), (AES_80, 4), (AES_32, 1)]


def test_a_flood_of_lines_is_refused() -> None:
    assert len(usable(tuple(line(tag, AES_80, 1) for tag in range(MAX_LINES)))) == MAX_LINES
    with pytest.raises(SdpError, match="crypto lines"):
        usable(("",) * (MAX_LINES + 1))


@pytest.mark.parametrize("suite", KEY_BYTES)
def test_what_we_write_we_can_read(suite: str) -> None:
    ours = CryptoLine(5, suite, bytes(range(KEY_BYTES[suite])))
    assert ours.as_sdp().startswith(f"a=crypto:5 {suite} inline:")
    assert usable((ours.as_sdp().removeprefix("a=crypto:"),)) == (ours,)


def test_no_key_is_in_a_representation() -> None:
    keys = KeyExchange(lambda length: b"SECRET" * 8)
    ours, agreed = keys.answer((f"1 {AES_80} inline:{KEY}",))
    theirs = base64.b64decode(KEY)
    for text in (repr(ours), str(ours), repr(agreed), str(agreed), repr(keys)):
        assert "SECRET" not in text
        assert repr(theirs)[2:12] not in text
        assert KEY[:10] not in text


# --- the keys of a call -----------------------------------------------------------------------------


def test_ours_stays_while_the_peers_stays_and_changes_with_it() -> None:
    keys = KeyExchange(numbered_keys())
    _, first = keys.answer((line(1, AES_80, 100),))
    again, same = keys.answer((line(8, AES_80, 100), line(9, AES_32, 101)))
    assert (first, again.tag) == (same, 8)
    _, renewed = keys.answer((line(1, AES_80, 102),))
    assert (renewed.send_key[0], renewed.receive_key[0]) == (2, 102)
    _, changed = keys.answer((line(1, AES_32, 102),))
    assert (changed.suite, changed.send_key[0]) == (AES_32, 3)


def test_an_answer_without_a_usable_line_changes_nothing() -> None:
    keys = KeyExchange(numbered_keys())
    _, first = keys.answer((line(1, AES_80, 100),))
    with pytest.raises(NoCommonCrypto):
        keys.answer((f"1 F8_128_HMAC_SHA1_80 inline:{KEY}",))
    assert keys.agreed == first


def test_each_suite_of_our_offer_has_a_key_of_its_own() -> None:
    offered = KeyExchange(numbered_keys()).offer()
    assert [each.suite for each in offered] == list(KEY_BYTES)
    assert [each.tag for each in offered] == [1, 2, 3]
    assert len({each.key[0] for each in offered}) == 3


def test_the_peers_answer_to_our_offer_picks_a_line() -> None:
    keys = KeyExchange(numbered_keys())
    ours = {each.suite: each for each in keys.offer()}
    agreed = keys.conclude((line(ours[AES_80].tag, AES_80, 100),))
    assert (agreed.suite, agreed.send_key, agreed.receive_key[0]) == (AES_80, ours[AES_80].key, 100)
    (offered_again,) = keys.offer()
    assert (offered_again.suite, offered_again.key) == (AES_80, agreed.send_key)


@pytest.mark.parametrize(
    "answered", [(), (line(9, AES_80, 1),), (line(1, AES_80, 1),), (line(2, AES_32, 1),)]
)
def test_an_answer_that_picks_no_line_of_ours(answered: tuple[str, ...]) -> None:
    keys = KeyExchange(numbered_keys())
    keys.offer()
    with pytest.raises(NoCommonCrypto):
        keys.conclude(answered)
    assert keys.agreed is None


@given(st.lists(st.text(max_size=300), max_size=20))
def test_any_text_is_read_or_refused(values: list[str]) -> None:
    try:
        lines = usable(tuple(values))
    except SdpError:
        return
    assert all(len(each.key) == KEY_BYTES[each.suite] for each in lines)
