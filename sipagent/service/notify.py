"""The words of sd_notify(3): one datagram each, to the socket that NOTIFY_SOCKET names."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from sipagent import logs

log = logs.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ServiceManager:
    """Who started us and wants to be told. Without an `address` there is none, and every word is dropped.

    `watchdog_s` is after what time without a beat we are killed; None: never.
    """

    address: str | None = None
    watchdog_s: float | None = None

    def tell(self, **fields: str | int) -> None:
        """Send these assignments, such as `READY=1`. A manager that doesn't listen is logged, and no more."""
        if self.address is None:
            return
        message = "\n".join(f"{name}={value}" for name, value in fields.items())
        with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as sock:
            sock.setblocking(False)
            try:
                sock.sendto(message.encode(), _path(self.address))
            except OSError as error:
                log.warning("service_manager_deaf", error=str(error))


def service_manager(environ: Mapping[str, str] = os.environ) -> ServiceManager:
    """The one that the environment names (sd_notify(3), sd_watchdog_enabled(3))."""
    is_ours = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    watchdog_us = int(environ.get("WATCHDOG_USEC", "0")) if is_ours else 0
    return ServiceManager(environ.get("NOTIFY_SOCKET"), watchdog_us / 1e6 or None)


def _path(address: str) -> str:
    """`@` stands for the zero byte that abstract addresses begin with (unix(7))."""
    return "\0" + address[1:] if address.startswith("@") else address
