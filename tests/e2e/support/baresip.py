"""baresip, a SIP client of its own making, in a network namespace that is joined to ours by a veth pair."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import wave
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.support.audio import RATE

MODULES = Path("/usr/lib/baresip/modules")

CONFIG = """\
sip_listen {address}:0
sip_cafile {ca_file}
sip_verify_server yes
audio_source aufile,{speech}
audio_player aubridge,nobody
audio_alert aubridge,nobody
snd_path {heard}
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
rtp_timeout 10
module_path {modules}
module stdio.so
module g711.so
module aufile.so
module aubridge.so
module sndfile.so
module srtp.so
module_app account.so
module_app menu.so
"""
ACCOUNT = "<sip:baresip@{address};transport=tls>;regint=0;audio_codecs=PCMU/8000{encryption}\n"


@dataclass(frozen=True, slots=True)
class Link:
    """A veth pair: our end has address `ours`, the end in the namespace `theirs`."""

    namespace: str
    ours: str
    theirs: str


@contextlib.contextmanager
def link() -> Iterator[Link]:
    """Needs root."""
    number = os.getpid() % 250
    made = Link(f"sipagent-test-{os.getpid()}", f"10.99.{number}.1", f"10.99.{number}.2")
    near, far = f"sat{os.getpid() % 10**6}a", f"sat{os.getpid() % 10**6}b"
    _ip("netns", "add", made.namespace)
    try:
        _ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", made.namespace)
        _ip("address", "add", f"{made.ours}/24", "dev", near)
        _ip("link", "set", near, "up")
        _ip("-n", made.namespace, "address", "add", f"{made.theirs}/24", "dev", far)
        _ip("-n", made.namespace, "link", "set", far, "up")
        _ip("-n", made.namespace, "link", "set", "lo", "up")
        yield made
    finally:
        _ip("netns", "delete", made.namespace)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


class Baresip:
    """A running client. Commands go to its standard input."""

    def __init__(self, process: asyncio.subprocess.Process, directory: Path) -> None:
        self._process = process
        self._directory = directory

    def heard(self) -> Path:
        """What was decoded of its one call."""
        (path,) = self._directory.glob("dump-*-dec.wav")
        return path

    def command(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())

    async def quit(self) -> None:
        self.command("/quit")
        async with asyncio.timeout(10):
            await self._process.communicate()


@contextlib.asynccontextmanager
async def baresip(
    directory: Path, link: Link, ca_file: Path, speech: bytes, *, srtp: bool = False
) -> AsyncIterator[Baresip]:
    """`speech` is PCM at 8000 Hz, said over TLS to whoever is dialled; what is heard is kept.

    With `srtp` it takes no other media.
    """
    directory.mkdir()
    with wave.open(str(directory / "speech.wav"), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", "not compressed"))
        file.writeframes(speech)
    fields = {"address": link.theirs, "ca_file": ca_file, "modules": MODULES, "heard": directory}
    (directory / "config").write_text(CONFIG.format(**fields, speech=directory / "speech.wav"))
    (directory / "accounts").write_text(
        ACCOUNT.format(**fields, encryption=";mediaenc=srtp-mand" if srtp else "")
    )
    process = await asyncio.create_subprocess_exec(
        *("ip", "netns", "exec", link.namespace, "baresip", "-4", "-v", "-f", directory),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield Baresip(process, directory)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
