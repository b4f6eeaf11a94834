"""Functions such as an operator would write, for tests to name in configuration."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

released = threading.Event()


def add(a: int, b: int = 1) -> dict[str, int]:
    return {"sum": a + b}


async def greet(name: str, call: Mapping[str, str]) -> str:
    return f"{name} in {call['call_id']} with {call['agent']}"


def fail() -> None:
    raise RuntimeError("out of paper")


def hang() -> str:
    """Until the test releases it."""
    released.wait(10)
    return "late"


def unspeakable() -> Any:
    return object()
