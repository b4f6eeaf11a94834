"""Do the limits promise more calls than this machine was seen to carry?"""

from __future__ import annotations

from sipagent import capacity
from sipagent.capacity import Capacity
from sipagent.config import Config
from sipagent.doctor.finding import Finding, ok, warn

NAME = "capacity"
MEASURE = "Run sipagent capacity on this machine, while it carries no calls."


async def check(config: Config) -> list[Finding]:
    try:
        measured = capacity.read(config.storage.capacity)
    except ValueError as error:
        return [warn(NAME, str(error), MEASURE)]
    return [finding(config, measured, capacity.this_machine())]


def finding(config: Config, measured: Capacity | None, machine: str) -> Finding:
    """`machine` is the one that the doctor examines."""
    wanted = config.limits.max_calls
    if measured is None:
        return warn(NAME, f"limits.max_calls is {wanted}, and was never tried", MEASURE)
    seen = f"{measured.calls} calls held, so {measured.peak} are the peak ({measured.measured_at})"
    if measured.machine != machine:
        return warn(NAME, f"{seen}, but on other hardware: {measured.machine}", MEASURE)
    if measured.settings != capacity.fingerprint(config):
        return warn(NAME, f"{seen}, but with other settings of media", MEASURE)
    if wanted > measured.peak:
        fix = f"Set limits.max_calls to {measured.peak} or less, or measure again after a change."
        return warn(NAME, f"{seen}; limits.max_calls is {wanted}", fix)
    return ok(NAME, f"{seen}; limits.max_calls is {wanted}")
