"""A program for the kernel (classic BPF, `SO_ATTACH_FILTER`) that drops what comes from elsewhere. Pure.

Attached to a listening TCP socket it sees the SYN, so nobody else gets as far as a connection; attached to a
UDP socket it drops datagrams before they take room in its buffer.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, collapse_addresses

from sipagent.sip.sources import Network

#: The kernel takes no more of them (BPF_MAXINSNS).
MAX_INSTRUCTIONS = 4096
#: One in so many datagrams from elsewhere passes a program that samples; a power of two.
SAMPLE = 256

_LOAD_WORD, _LOAD_HALF, _AND, _JUMP, _RETURN = 0x20, 0x28, 0x54, 0x05, 0x06
_JUMP_IF_EQUAL = 0x15
# Where to load from: relative to the IP header, and what the kernel knows of a packet (linux/filter.h).
_IP, _KNOWN = -0x100000, -0x1000
_PROTOCOL, _RANDOM = _KNOWN + 0, _KNOWN + 56
_IPV6 = 0x86DD
_SOURCE_V4, _SOURCE_V6 = _IP + 12, _IP + 8
_UDP_PAYLOAD = 8
_RESPONSE = int.from_bytes(b"SIP/", "big")
_WORD = 0xFFFFFFFF

Instruction = tuple[int, int, int, int]
PASS: Instruction = (_RETURN, 0, 0, _WORD)
DROP: Instruction = (_RETURN, 0, 0, 0)


class TooManyNetworks(Exception):
    """They don't fit into one program."""


def program(networks: Iterable[Network], *, samples: bool = False) -> bytes:
    """Pass what comes from these networks, as an array of `struct sock_filter`.

    With `samples`, for UDP alone, one in `SAMPLE` of the others passes too, so that somebody can count and
    log them, and so do SIP responses, which matter to a transaction of ours or to nobody. An IPv4 packet on
    an IPv6 socket goes by the IPv4 networks. Raises `TooManyNetworks`.
    """
    every = list(networks)
    v4 = collapse_addresses(each for each in every if isinstance(each, IPv4Network))
    v6 = collapse_addresses(each for each in every if isinstance(each, IPv6Network))
    rest = [*_sampled(), DROP] if samples else [DROP]
    by_v4 = [*(step for network in v4 for step in _from_v4(network)), *rest]
    by_v6 = [*(step for network in v6 for step in _from_v6(network)), *rest]
    steps = [*_if_v6_skip(len(by_v4)), *by_v4, *by_v6]
    if len(steps) > MAX_INSTRUCTIONS:
        raise TooManyNetworks(f"{len(every)} networks take {len(steps)} instructions")
    return b"".join(struct.pack("=HBBI", code, yes, no, k & _WORD) for code, yes, no, k in steps)


def _if_v6_skip(steps: int) -> Iterator[Instruction]:
    """Past that many steps; a conditional jump reaches 255 of them only."""
    yield _LOAD_HALF, 0, 0, _PROTOCOL
    yield _JUMP_IF_EQUAL, 0, 1, _IPV6
    yield _JUMP, 0, 0, steps


def _from_v4(network: IPv4Network) -> Iterator[Instruction]:
    yield _LOAD_WORD, 0, 0, _SOURCE_V4
    yield _AND, 0, 0, int(network.netmask)
    yield _JUMP_IF_EQUAL, 0, 1, int(network.network_address)
    yield PASS


def _from_v6(network: IPv6Network) -> Iterator[Instruction]:
    """Word by word: the first that differs skips to the end of this network's steps."""
    words = -(-network.prefixlen // 32)
    masks, wanted = (struct.unpack("!4I", each.packed) for each in (network.netmask, network.network_address))
    for word in range(words):
        yield _LOAD_WORD, 0, 0, _SOURCE_V6 + 4 * word
        yield _AND, 0, 0, masks[word]
        yield _JUMP_IF_EQUAL, 0, 3 * (words - word - 1) + 1, wanted[word]
    yield PASS


def _sampled() -> Iterator[Instruction]:
    yield _LOAD_WORD, 0, 0, _RANDOM
    yield _AND, 0, 0, SAMPLE - 1
    yield _JUMP_IF_EQUAL, 0, 1, 0
    yield PASS
    yield _LOAD_WORD, 0, 0, _UDP_PAYLOAD
    yield _JUMP_IF_EQUAL, 0, 1, _RESPONSE
    yield PASS
