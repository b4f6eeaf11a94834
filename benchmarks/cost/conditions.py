"""What calls are like when they are measured, and under which names. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Literal

import msgspec

CALLS = (50, 100, 200, 300)
VARIANT_CALLS = 200
FLOOR, STEPS = "floor", "steps"
"""What is measured beside calls: `benchmarks.cost.floor` and `benchmarks.cost.micro`."""


class Conditions(msgspec.Struct, frozen=True, kw_only=True):
    """So many calls at once. With `tls` the model is reached over TLS; `auto` audio is G.711 all the way."""

    calls: int
    audio: Literal["auto", "pcm24"] = "auto"
    tls: bool = False
    srtp: bool = False
    records: bool = True

    @property
    def name(self) -> str:
        audio = {"auto": "g711", "pcm24": "pcm24"}[self.audio]
        differing = {"tls": self.tls, "srtp": self.srtp, "unrecorded": not self.records}
        return "-".join([audio, str(self.calls), *(name for name, is_so in differing.items() if is_so)])

    @property
    def is_plain(self) -> bool:
        return not self.tls and not self.srtp and self.records


def all_conditions(calls: Sequence[int] = CALLS) -> list[Conditions]:
    """Both kinds of audio at each number of calls; at one of them everything else by itself, and together."""
    plain = [Conditions(calls=count, audio=audio) for audio in ("auto", "pcm24") for count in calls]
    variants = [{"tls": True}, {"srtp": True}, {"tls": True, "srtp": True}, {"records": False}]
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
