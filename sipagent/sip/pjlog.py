"""pjsip's log in ours: at levels that mean something here, without secrets, and never at a peer's rate."""

from __future__ import annotations

import logging
import re
import time
from dataclasses import dataclass

logger = logging.getLogger("sipagent.sip")

# What a peer can provoke is no error of ours: pjsip's level 1 includes every request it could not use.
_LEVELS = {0: logging.ERROR, 1: logging.WARNING, 2: logging.WARNING}
_SECRETS = re.compile(
    r"(?im)^((?:proxy-)?authorization\s*:|a=crypto:|signal\s*=)[^\r\n]*|(\binline:)[^\s|;]+"
)
#: What pjsip can't read, and what it can't use; the source comes first, then words of the sender's.
_MALFORMED = re.compile(r"(?:Dropping \d+ bytes packet|Error processing packet) from (?:\w+ )?(\S+?) ?: (.*)")

#: What pjsip is asked for: messages as they came (4) are for debugging, dropped requests come at 3.
DEBUG_LEVEL, NORMAL_LEVEL = 4, 3
MOST_WARNINGS_PER_S = 10


@dataclass
class Limit:
    """How much of what peers provoke is logged: so much in a second, and how much there was beyond it."""

    second: int = 0
    lines: int = 0
    malformed: int = 0
    """Messages so far that pjsip couldn't read or use."""

    def takes(self, now: float) -> int:
        """How many lines the last second with any was short of, or -1 if this line is one too many."""
        missed = 0
        if int(now) != self.second:
            missed = max(0, self.lines - MOST_WARNINGS_PER_S)
            self.second, self.lines = int(now), 0
        self.lines += 1
        return missed if self.lines <= MOST_WARNINGS_PER_S else -1


limit = Limit()


def wanted_level() -> int:
    return DEBUG_LEVEL if logger.isEnabledFor(logging.DEBUG) else NORMAL_LEVEL


def forward(level: int, text: str) -> None:
    """Log what pjsip said at a level of its own. Of a packet that it shows in a warning, nothing."""
    if "source-filter:" in text:
        logger.info("%s", redacted(text.strip()))
        return
    ours = _LEVELS.get(level, logging.DEBUG)
    if ours == logging.WARNING:
        _warn(text.strip().partition("\n")[0], time.monotonic())
    elif logger.isEnabledFor(ours):
        logger.log(ours, "%s", redacted(text.strip()))


def malformed_messages() -> int:
    """Messages from anywhere, so far, that pjsip couldn't read or use."""
    return limit.malformed


def _warn(line: str, now: float) -> None:
    malformed = _MALFORMED.search(line)
    limit.malformed += malformed is not None
    missed = limit.takes(now)
    if missed < 0:
        return
    if missed:
        logger.warning("pjsip: %d more warnings without a line", missed)
    if malformed is not None:
        logger.warning("malformed message src=%s: %s", malformed[1], redacted(malformed[2]))
    else:
        logger.warning("%s", redacted(line))


def redacted(text: str) -> str:
    """The text without credentials, keys, and digits pressed."""
    return _SECRETS.sub(r"\1\2 ***", text)
