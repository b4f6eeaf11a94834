"""What every part of this face of pjsua2 needs: its errors, its texts, and callbacks that let nothing out."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar, cast

import pjsua2 as pj

logger = logging.getLogger("sipagent.sip")

PjError: type[Exception] = pj.Error

#: The wheels on PyPI are built for this many calls, can't filter sources, and leave no SRTP to us.
UNTUNED_MAX_CALLS = 4
IS_TUNED = hasattr(pj, "compiledLimits")


class _Reporting(Protocol):
    handler: Any


Reporter = TypeVar("Reporter", bound=_Reporting)


def contained(callback: Callable[[Reporter, Any], None]) -> Callable[[Reporter, Any], None]:
    @functools.wraps(callback)
    def guarded(self: Reporter, prm: Any) -> None:
        try:
            callback(self, prm)
        except Exception:  # pjsua2's edge: an exception that left a callback would end the process
            logger.exception("%s failed", callback.__qualname__)
            self.handler.on_callback_failed()

    return cast("Callable[[Reporter, Any], None]", guarded)


def reason(error: Exception) -> str:
    """Why pjsua2 failed, which its errors don't say by themselves."""
    return str(error.reason) if isinstance(error, pj.Error) else str(error)


def text(raw: str) -> str:
    """A peer's text to keep: bytes that are no UTF-8 come as lone surrogates, which can't be encoded."""
    return raw.encode(errors="surrogateescape").decode(errors="replace")


def operation(sip_status: int, headers: Iterable[tuple[str, str]] = ()) -> Any:
    param = pj.CallOpParam()
    param.statusCode = sip_status
    vector = pj.SipHeaderVector()
    for name, value in headers:
        header = pj.SipHeader()
        header.hName, header.hValue = name, value
        vector.append(header)
    param.txOption.headers = vector
    return param
