"""A network as bad as wanted between this process and a namespace: two TUN devices, a joiner between them."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import struct
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec

from tests.e2e.support.joiner import Impairment, Tally
from tests.e2e.support.namespaces import NUMBER, Namespace, run

_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
TUN = Path("/dev/net/tun")


class BadNetwork:
    """`ours` is this process's address, `theirs` that of the namespace `far`, where the callers are."""

    def __init__(self, far: Namespace, process: asyncio.subprocess.Process) -> None:
        self.far = far
        self.ours, self.theirs = f"198.19.{NUMBER}.1", f"198.19.{NUMBER}.2"
        self._process = process

    async def impair(self, to_us: Impairment, to_them: Impairment) -> tuple[Tally, Tally]:
        """Be like this from now on. Returns what became of packets since the last time, in the same order."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode((to_us, to_them)) + b"\n")
        async with asyncio.timeout(5):
            answer = await self._process.stdout.readline()
        return msgspec.json.decode(answer, type=tuple[Tally, Tally])


@contextlib.asynccontextmanager
async def bad_network() -> AsyncIterator[BadNetwork]:
    """Impairs nothing at first. Needs root."""
    far = Namespace("far")
    device = f"sa{os.urandom(4).hex()}"
    with contextlib.ExitStack() as undo:
        undo.callback(far.delete)
        with far.entered():
            theirs = undo.enter_context(_tun("tun0"))
        ours = undo.enter_context(_tun(device))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.e2e.support.joiner", str(theirs), str(ours)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            pass_fds=(theirs, ours),
        )
        try:
            network = BadNetwork(far, process)
            _address((), device, network.ours, network.theirs)
            _address(("-n", far.name), "tun0", network.theirs, network.ours)
            await network.impair(Impairment(), Impairment())
            yield network
        finally:
            assert process.stdin is not None
            process.stdin.close()
            await process.wait()


@contextlib.contextmanager
def _tun(name: str) -> Iterator[int]:
    """A TUN device in the namespace that this thread is in; it lives as long as its descriptor."""
    fd = os.open(TUN, os.O_RDWR)
    try:
        fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
        yield fd
    finally:
        os.close(fd)


def _address(where: tuple[str, ...], device: str, own: str, peer: str) -> None:
    run("ip", *where, "address", "add", own, "peer", peer, "dev", device)
    run("ip", *where, "link", "set", device, "up")
