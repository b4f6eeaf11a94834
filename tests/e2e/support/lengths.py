"""How long a recording has to be, by CLOCK_MONOTONIC, which all processes of this machine share."""

from __future__ import annotations

from tests.e2e.support.server import Record, Server


def flowed_s(server: Server, record: Record, until: float) -> float:
    """From the first building of a call's audio path to `until`, when it was hung up.

    The record's own duration ends later, when the recording is on disk.
    """
    began = server.lines("path_built", call_id=record["call_id"])[0]["at"]
    return until - float(began)
