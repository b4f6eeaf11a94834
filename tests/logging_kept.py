"""Logging is one for all of a process: what a test sets up must not outlive it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import structlog


@contextmanager
def logging_kept() -> Iterator[None]:
    """Whatever `logs.configure` does within is undone, and its files are closed."""
    root, structured = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    root.handlers[:] = []  # or `configure` would close what pytest put there
    try:
        yield
    finally:
        for handler in root.handlers:
            handler.close()
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.configure(**structured)
