"""Is this machine fit for this configuration? Each finding says what to do about it."""

from sipagent.doctor.examination import run
from sipagent.doctor.finding import Finding, Status

__all__ = ["Finding", "Status", "run"]
