"""The servers of each trunk's registrar and proxy: are they found, and do they answer?"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from contextlib import suppress

from sipagent.config import Config, TrunkConfig
from sipagent.doctor.finding import Finding, fail, ok, warn
from sipagent.sip.locating import Place, locate
from sipagent.sip.names import DnsNames
from sipagent.sip.peers import ip_version, places
from sipagent.sip.targets import Target, bracketed

#: One look-up takes as long at most, and one server to answer: the doctor has 3 s in all.
LOOK_UP_S, ANSWER_S = 0.7, 1.0


async def check(config: Config) -> list[Finding]:
    """One finding for each registrar and each proxy."""
    looks = [_servers(config, trunk, place) for trunk in config.trunks.values() for place in places(trunk)]
    return list(await asyncio.gather(*looks))


async def locate_peer(config: Config, trunk: TrunkConfig, place: Place) -> tuple[Target, ...]:
    """As the server would. Raises OSError."""
    names = DnsNames(config.sip.nameservers, deadline_s=LOOK_UP_S)
    return (await locate(place, ip_version(config, trunk), names, random.random)).targets


async def _servers(config: Config, trunk: TrunkConfig, place: Place) -> Finding:
    name = f"servers of {trunk.name}"
    try:
        targets = await locate_peer(config, trunk, place)
    except OSError as error:
        fix = f"Check the name in trunk {trunk.name}, sip.nameservers and /etc/resolv.conf."
        return fail(name, f"{place.host} can't be located: {error}", fix)
    answers = await asyncio.gather(*map(_answer_ms, targets))
    return judge(name, dict(zip(targets, answers, strict=True)))


def judge(name: str, answers: dict[Target, float | None]) -> Finding:
    """What it means that these servers answered after so many milliseconds; None for those that did not."""
    detail = ", ".join(
        f"{target} answers in {ms:.0f} ms" if ms is not None else f"{target} doesn't answer"
        for target, ms in answers.items()
    )
    silent = [target for target, ms in answers.items() if ms is None]
    if not silent:
        return ok(name, detail)
    if len(silent) == len(answers) and all(target.transport != "udp" for target in silent):
        return fail(name, detail, "Look at the firewall and the route: no connection can be opened.")
    return warn(name, detail, "Look at the firewall and the route; some providers don't answer OPTIONS.")


async def _answer_ms(target: Target) -> float | None:
    began = time.monotonic()
    try:
        async with asyncio.timeout(ANSWER_S):
            if target.transport == "udp":
                await _options(target)
            else:
                _, writer = await asyncio.open_connection(target.address, target.port)
                writer.close()
    except (OSError, TimeoutError):
        return None
    return 1000 * (time.monotonic() - began)


class _Answer(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.came: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: object) -> None:
        if not self.came.done() and data.startswith(b"SIP/2.0 "):
            self.came.set_result(None)

    def error_received(self, exc: Exception) -> None:
        if not self.came.done():
            self.came.set_exception(exc)


async def _options(target: Target) -> None:
    """Ask by OPTIONS, and once again; returns when anything is answered. Raises OSError."""
    loop = asyncio.get_running_loop()
    transport, answer = await loop.create_datagram_endpoint(
        _Answer, remote_addr=(target.address, target.port)
    )
    try:
        request = options(target, transport.get_extra_info("sockname")[0])
        transport.sendto(request)
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(answer.came), ANSWER_S / 2)
            return
        transport.sendto(request)
        await answer.came
    finally:
        transport.close()


def options(target: Target, our_address: str) -> bytes:
    """An OPTIONS request; answers come back by rport (RFC 3581)."""
    us, tag = bracketed(our_address), secrets.token_hex(8)
    uri = f"sip:{bracketed(target.address)}:{target.port}"
    lines = [
        f"OPTIONS {uri} SIP/2.0",
        f"Via: SIP/2.0/UDP {us};branch=z9hG4bK{tag};rport",
        f"From: <sip:doctor@{us}>;tag={tag}",
        f"To: <{uri}>",
        f"Call-ID: {tag}",
        "CSeq: 1 OPTIONS",
        f"Contact: <sip:doctor@{us}>",
        "Max-Forwards: 70",
        "Content-Length: 0",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
