"""pjsip's log in ours: at levels that mean something here, and without secrets."""

from __future__ import annotations

import logging
import re

logger = logging.getLogger("sipagent.sip")

# What a peer can provoke is no error of ours: pjsip's level 1 includes every request it could not use.
_LEVELS = {0: logging.ERROR, 1: logging.WARNING, 2: logging.WARNING}
_SECRETS = re.compile(
    r"(?im)^((?:proxy-)?authorization\s*:|a=crypto:|signal\s*=)[^\r\n]*|(\binline:)[^\s|;]+"
)

#: What pjsip is asked for: messages as they came (4) are for debugging, dropped requests come at 3.
DEBUG_LEVEL, NORMAL_LEVEL = 4, 3


def wanted_level() -> int:
    return DEBUG_LEVEL if logger.isEnabledFor(logging.DEBUG) else NORMAL_LEVEL


def forward(level: int, text: str) -> None:
    """Log what pjsip said at a level of its own."""
    ours = logging.INFO if "source-filter:" in text else _LEVELS.get(level, logging.DEBUG)
    if logger.isEnabledFor(ours):
        logger.log(ours, "%s", redacted(text.strip()))


def redacted(text: str) -> str:
    """The text without credentials, keys, and digits pressed."""
    return _SECRETS.sub(r"\1\2 ***", text)
