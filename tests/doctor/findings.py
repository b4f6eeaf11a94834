"""What the doctor is to examine, and its findings by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sipagent.config import Config
from sipagent.doctor import Finding

TUNED = "max_calls=2048 ioqueue=epoll handles=8192 tls=OpenSSL/3.0.15 srtp=off version=2.17 build=tuned"
STOCK = "max_calls=4 tls=OpenSSL/1.0.2k srtp=unknown version=2.15.1 build=stock"


def config(**sections: Any) -> Config:
    return Config.model_validate(sections)


def trunk(**keys: Any) -> dict[str, Any]:
    return {"t": {"name": "t", **keys}}


def agent(name: str, url: str, **backend: Any) -> dict[str, Any]:
    return {name: {"name": name, "backend": {"kind": "openai_realtime", "url": url, **backend}}}


def by_name(findings: list[Finding] | Iterator[Finding]) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings}


def statuses(findings: list[Finding] | Iterator[Finding]) -> dict[str, str]:
    return {finding.name: finding.status for finding in findings}
