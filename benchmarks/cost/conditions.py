"""What calls are like when they are measured, and under which names. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any, Literal

import msgspec

CALLS = (50, 100, 200, 300)
VARIANT_CALLS = 200
SEND_EVERY_MS = 20
FLOOR, STEPS = "floor", "steps"
"""What is measured beside calls: `benchmarks.cost.floor` and `benchmarks.cost.micro`."""


class Conditions(msgspec.Struct, frozen=True, kw_only=True):
    """So many calls at once. With `tls` the model is reached over TLS; `auto` audio is G.711 all the way, and
    each message to the model carries `send_every_ms` of it."""

    calls: int
    audio: Literal["auto", "pcm24"] = "auto"
    tls: bool = False
    srtp: bool = False
    records: bool = True
    send_every_ms: int = SEND_EVERY_MS

    @property
    def name(self) -> str:
        audio = {"auto": "g711", "pcm24": "pcm24"}[self.audio]
        differing = {
            "tls": self.tls,
            "srtp": self.srtp,
            "unrecorded": not self.records,
            f"every-{self.send_every_ms}": self.send_every_ms != SEND_EVERY_MS,
        }
        return "-".join([audio, str(self.calls), *(name for name, is_so in differing.items() if is_so)])

    @property
    def is_plain(self) -> bool:
        return self == Conditions(calls=self.calls, audio=self.audio)


def all_conditions(calls: Sequence[int] = CALLS) -> list[Conditions]:
    """Both kinds of audio at each number of calls; at one of them everything else by itself, and together."""
    plain = [Conditions(calls=count, audio=audio) for audio in ("auto", "pcm24") for count in calls]
    variants: list[dict[str, Any]] = [
        {"tls": True},
        {"srtp": True},
        {"tls": True, "srtp": True},
        {"records": False},
        {"send_every_ms": 2 * SEND_EVERY_MS},
    ]
    return plain + [
        Conditions(calls=VARIANT_CALLS, audio=audio, **variant)
        for audio in ("auto", "pcm24")
        for variant in variants
    ]


def chosen(names: Iterable[str], patterns: Sequence[str]) -> list[str]:
    """Those that fit one of the patterns, in order; all without any.

    Raises ValueError of a pattern that none fits.
    """
    known = list(names)
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in known):
            raise ValueError(f"nothing is called {pattern}: there are {', '.join(known)}")
    return [name for name in known if not patterns or any(fnmatchcase(name, each) for each in patterns)]
