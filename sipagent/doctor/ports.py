"""UDP ports for RTP, and the addresses we listen on."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from math import ceil
from pathlib import Path

import httpx

from sipagent.config import Config, HostPort
from sipagent.doctor.finding import Finding, fail, ok, warn

IPV4_SYSCTLS = Path("/proc/sys/net/ipv4")

Range = tuple[int, int]


async def check_rtp_range(config: Config) -> list[Finding]:
    first, last = _ranges((IPV4_SYSCTLS / "ip_local_port_range").read_text().replace("\t", "-"))[0]
    reserved = (IPV4_SYSCTLS / "ip_local_reserved_ports").read_text().strip()
    return [collisions(config, (first, last), reserved), size(config)]


def collisions(config: Config, ephemeral: Range, reserved: str) -> Finding:
    """Would other programs of this machine be handed ports of our range?"""
    name, rtp = "RTP ports", (config.rtp.first_port, config.rtp.last_port)
    low, high = max(rtp[0], ephemeral[0]), min(rtp[1], ephemeral[1])
    detail = f"{rtp[0]}-{rtp[1]}, ephemeral ports of this machine are {ephemeral[0]}-{ephemeral[1]}"
    if low > high or any(first <= low and high <= last for first, last in _ranges(reserved)):
        return ok(name, detail)
    setting = ",".join(part for part in (reserved, f"{low}-{high}") if part)
    fix = (
        f"Reserve them: sysctl -w net.ipv4.ip_local_reserved_ports={setting}, and the same in /etc/sysctl.d."
    )
    return warn(name, f"{detail}: {low}-{high} may be given to others", fix)


def size(config: Config) -> Finding:
    """Ports rest after use, so a busy server needs more of them than it has calls."""
    limits, rtp = config.limits, config.rtp
    resting = ceil(limits.max_calls_per_second * rtp.quarantine_s)
    needed = limits.max_calls + resting
    detail = f"{rtp.port_pairs} pairs for {limits.max_calls} calls and up to {resting} pairs in quarantine"
    if rtp.port_pairs < needed:
        fix = f"Set rtp.last_port to {rtp.first_port + 2 * needed - 1} or more."
        return warn("RTP port count", detail, fix)
    return ok("RTP port count", detail)


def _ranges(text: str) -> list[Range]:
    """`32768-60999,70000` as pairs of first and last."""
    parts = (part.partition("-") for part in text.strip().split(",") if part)
    return [(int(first), int(last or first)) for first, _, last in parts]


async def check_listeners(config: Config) -> list[Finding]:
    """Can every listener be bound, or is it our own server that holds it?"""
    problems = {label: error for label, error in _unbindable(config) if error is not None}
    if not problems:
        return [ok("listeners", "every address can be bound")]
    all_in_use = all(error.errno == errno.EADDRINUSE for error in problems.values())
    if all_in_use and await _is_ours(config.http.listen):
        return [ok("listeners", f"in use by a running sipagent: {', '.join(problems)}")]
    return [fail("listeners", f"{label}: {error.strerror}", _fix(error)) for label, error in problems.items()]


def _unbindable(config: Config) -> Iterator[tuple[str, OSError | None]]:
    sip, tcp, udp = config.sip, socket.SOCK_STREAM, socket.SOCK_DGRAM
    listeners = [
        ("sip.listen_udp", sip.listen_udp, udp),
        ("sip.listen_tcp", sip.listen_tcp, tcp),
        ("sip.listen_tls", sip.listen_tls, tcp),
        ("http.listen", config.http.listen, tcp),
    ]
    return ((f"{key} {listen}", _bind_error(listen, kind)) for key, listen, kind in listeners if listen)


def _bind_error(listen: HostPort, kind: socket.SocketKind) -> OSError | None:
    with socket.socket(socket.AF_INET6 if ":" in listen.host else socket.AF_INET, kind) as trial:
        if kind == socket.SOCK_STREAM:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((listen.host, listen.port))
            if kind == socket.SOCK_STREAM:
                trial.listen(1)
        except OSError as error:
            return error
    return None


async def _is_ours(listen: HostPort) -> bool:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(listen.host, listen.host)
    try:
        async with httpx.AsyncClient(timeout=1.0, trust_env=False) as client:
            answer = await client.get(f"http://{HostPort(host, listen.port)}/healthz")
    except httpx.HTTPError:
        return False
    return answer.is_success


def _fix(error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return "Stop the program that holds the port (ss -lnptu shows it), or choose another port."
        case errno.EACCES:
            return "Ports below 1024 need CAP_NET_BIND_SERVICE: choose a higher one or grant it in the unit."
        case errno.EADDRNOTAVAIL:
            return "This machine has no such address: listen on 0.0.0.0 or on one that `ip address` shows."
    return "Choose another address or port."
