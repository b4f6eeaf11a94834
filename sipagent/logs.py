"""Logs: one line per happening, with the call it belongs to, and without secrets or whole phone numbers.

    log = logs.get_logger(__name__)
    with logs.call(call_id):
        log.info("call admitted", trunk=trunk.name)

Lines of libraries that use `logging` (uvicorn, websockets) come out in the same form.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from io import TextIOWrapper
from logging.handlers import WatchedFileHandler
from types import NoneType
from typing import Any, TextIO, cast

import msgspec
import structlog
from structlog.typing import FilteringBoundLogger, Processor

from sipagent.config import LoggingConfig

REDACTED = "[redacted]"
#: Python splits what it writes to a file at the size of its buffer.
MAX_LINE_BYTES = 2**18

_SECRET_KEY = re.compile(r"(?i)authorization|api[-_]?key|passw(or)?d|secret|token$|crypto")
_SECRET_TEXT: Sequence[tuple[re.Pattern[str], str]] = (
    (re.compile(r"(?i)((?:proxy-)?authorization['\"]?\s*[:=]\s*)[^\r\n]+"), rf"\1{REDACTED}"),
    (re.compile(r"(?i)(a=crypto:)[^\r\n]+"), rf"\1{REDACTED}"),
    (re.compile(r"(?i)(\binline:)[^\s'\"|;]+"), rf"\1{REDACTED}"),
    (re.compile(r"(?i)\b(bearer )[^\s'\",]+"), rf"\1{REDACTED}"),
    (re.compile(r"(?i)((?:x-)?api[-_]key['\"]?\s*[:=]\s*['\"]?)[^\s'\"&,]+"), rf"\1{REDACTED}"),
    (re.compile(r"\b([ser]k[-_])[A-Za-z0-9_-]{8,}"), rf"\1{REDACTED}"),
)
#: What a text must contain in lower case for any of these to fit; looked for first, as most have nothing.
_HINT = re.compile(r"authorization|crypto:|inline:|bearer |api[-_]key|[ser]k[-_]")
#: Seven digits or more by themselves: not part of a word, an address, a date or a longer identifier.
NUMBER = re.compile(r"(?<![\w.-])(\+?\d{2})\d{3,}(\d{2})(?![\w.-])")
_SEVEN_DIGITS = re.compile(r"\d{7}")
_NOT_NUMBERS = frozenset({"call_id", "sip_call_id", "timestamp"})
_TEXTLESS = frozenset({int, float, bool, type(None)})


def configure(config: LoggingConfig, stream: TextIO | None = None) -> None:
    """Set logging up for this process. Raises OSError for a file that can't be used.

    `stream` stands for stderr.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
        *([] if config.full_numbers else [mask_numbers]),
    ]
    renderer: Processor = (
        as_json
        if config.format == "json"
        else structlog.dev.ConsoleRenderer(colors=(stream or sys.stderr).isatty())
    )
    handler = logging.StreamHandler(stream) if config.file is None else LogFile(config.file)
    handler.setFormatter(
        _Formatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
            foreign_pre_chain=shared,
        )
    )
    _find_out_no_more_than_is_written()
    logging.basicConfig(handlers=[handler], level=config.level.upper(), force=True)
    # At debug it writes a line for every frame of audio, which costs more than the call.
    logging.getLogger("websockets").setLevel(logging.INFO)
    structlog.configure(
        processors=[*shared, renderer, _finished],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(config.level),
        cache_logger_on_first_use=True,
    )


def _find_out_no_more_than_is_written() -> None:
    """No line tells its thread, process or place in the code; finding them out is a tenth of its cost.

    The switches are those of the logging HOWTO, section "Optimization".
    """
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


class _Line(str):
    """A line of ours as it is written."""

    __slots__ = ()


def _finished(_logger: Any, _method: str, rendered: Any) -> str:
    return _Line(rendered)


class _Formatter(structlog.stdlib.ProcessorFormatter):
    """Makes the lines of libraries like ours, which need nothing more."""

    def format(self, record: logging.LogRecord) -> str:
        return record.msg if isinstance(record.msg, _Line) else super().format(record)


class LogFile(WatchedFileHandler):
    """Several processes append to one file, and each opens it anew once it has been renamed or removed."""

    def emit(self, record: logging.LogRecord) -> None:
        """A file that can't be opened again is told on stderr, and no more: calls go on."""
        try:
            super().emit(record)
        except OSError:
            self.handleError(record)

    def _open(self) -> TextIOWrapper:
        """Every line goes out in one write, which O_APPEND makes atomic, unless it is of absurd length."""
        return open(self.baseFilename, "a", buffering=MAX_LINE_BYTES, encoding="utf-8")


def get_logger(name: str) -> FilteringBoundLogger:
    """A logger, named by its module."""
    return cast(FilteringBoundLogger, structlog.get_logger(name))


def call(call_id: str) -> AbstractContextManager[None]:
    """Every line logged inside carries the call's id, also in tasks that start inside."""
    return structlog.contextvars.bound_contextvars(call_id=call_id)


def as_json(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> str:
    """One line of JSON, of what `redact` leaves."""
    try:
        return _ENCODE(event).decode()
    except UnicodeEncodeError:  # a lone surrogate, which Python's own encoder escapes
        return json.dumps(event)


def _plain(value: Any) -> Any:
    """The text or number that an object of a class derived from one is."""
    return next(kind(value) for kind in (int, float, str) if isinstance(value, kind))


_ENCODE = msgspec.json.Encoder(enc_hook=_plain).encode


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Take out what authenticates anybody: credentials, keys and SRTP key material.

    What is neither text nor number nor made of those becomes the text by which Python shows it.
    """
    for key, value in event.items():
        if type(value) not in _TEXTLESS:
            event[key] = REDACTED if _is_secret(key, value) else _redacted(value)
    return event


def mask_numbers(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Leave of every phone number its first and last digits. Short extensions stay."""
    for key, value in event.items():
        if type(value) not in _TEXTLESS and key not in _NOT_NUMBERS:
            event[key] = _in_texts(_mask, value)
    return event


def _redacted(value: Any) -> Any:
    if isinstance(value, str):
        return _without_secrets(value)
    if isinstance(value, Mapping):
        return {key: REDACTED if _is_secret(key, item) else _redacted(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_redacted(item) for item in value]
    return value if isinstance(value, (int, float, NoneType)) else _without_secrets(repr(value))


def _is_secret(key: object, value: object) -> bool:
    return isinstance(value, (str, bytes)) and _names_secret(str(key))


@lru_cache(maxsize=1024)
def _names_secret(key: str) -> bool:
    return _SECRET_KEY.search(key) is not None


def _without_secrets(text: str) -> str:
    if _HINT.search(text.lower()) is None:
        return text
    for pattern, replacement in _SECRET_TEXT:
        text = pattern.sub(replacement, text)
    return text


def _mask(text: str) -> str:
    return text if _SEVEN_DIGITS.search(text) is None else NUMBER.sub(r"\1***\2", text)


def _in_texts(change: Callable[[str], str], value: Any) -> Any:
    """`value` with `change` applied to every text in it."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {key: _in_texts(change, item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_in_texts(change, item) for item in value]
    return value
