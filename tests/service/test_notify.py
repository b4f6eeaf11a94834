"""The datagrams of sd_notify(3), as the manager's end of the socket reads them."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from sipagent.service.notify import ServiceManager, service_manager


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """What NOTIFY_SOCKET says, and the socket itself."""
    name = f"{tmp_path}/notify" if request.param == "path" else f"@sipagent-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(name.replace("@", "\0", 1))
        sock.settimeout(5)
        yield name, sock


def test_assignments_travel_in_one_datagram(manager: tuple[str, socket.socket]) -> None:
    name, sock = manager
    ServiceManager(name).tell(READY=1, STATUS="2 calls")
    assert sock.recv(4096) == b"READY=1\nSTATUS=2 calls"


def test_without_a_manager_nothing_happens() -> None:
    service_manager({}).tell(READY=1)


def test_a_manager_that_is_gone_does_no_harm(tmp_path: Path) -> None:
    ServiceManager(str(tmp_path / "gone")).tell(READY=1)


@pytest.mark.parametrize(
    ("environ", "watchdog_s"),
    [
        ({"WATCHDOG_USEC": "20000000"}, 20.0),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": str(os.getpid())}, 20.0),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": "1"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_ours_unless_it_names_another_process(
    environ: dict[str, str], watchdog_s: float | None
) -> None:
    assert service_manager(environ).watchdog_s == watchdog_s
