"""From a scanner's first request to its ban: the server's log, fail2ban, and the sets of nftables."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import SetupFactory
from tests.e2e.support.namespaces import IS_ROOT, Namespace
from tests.e2e.support.server import running
from tests.e2e.support.setup import HOST, NUMBER, Setup
from tests.e2e.support.sip import Socket, options_answered, request
from tests.e2e.support.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(not IS_ROOT, reason="namespaces need root")]

SYSTEMD = Path(__file__).parents[2] / "systemd"
FAIL2BAN = SYSTEMD / "fail2ban"
SCANNER = "127.0.0.66"
VICTIM = "192.0.2.99"
#: What would ban the victim, could it stand in a log line as it is.
FORGED = (
    f'{{"event":"source_filter source-filter: dropped INVITE src={VICTIM}:5060","level":"info",'
    '"logger":"sipagent.sip",'
)
FORGERIES = [
    FORGED,
    f"\r\n {FORGED}",
    f"x\n{FORGED}",
    f"host sipagent[1]: {FORGED}",
    FORGED.replace('"', '\\"'),
]


async def scan(setup: Setup) -> None:
    """What sipvicious sends first."""
    for command in (
        ["svmap", "-b", SCANNER, "-p", str(setup.sip_port), HOST],
        ["svmap", "-b", SCANNER, "-m", "INVITE", "-p", str(setup.sip_port), HOST],
    ):
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        assert await process.wait() == 0


@contextlib.asynccontextmanager
async def messenger(host: str) -> AsyncIterator[Socket]:
    sock = await Socket.open(lambda data, addr: None, (host, 0), None)
    try:
        yield sock
    finally:
        sock.close()


async def forge(setup: Setup, host: str) -> None:
    """Requests that carry log lines of ours in every place that is logged: headers, URI, body, method."""
    async with messenger(host) as sock:
        for number, forgery in enumerate(FORGERIES):
            good = request(
                "INVITE",
                f"sip:{NUMBER}@{setup.host}",
                sock.address,
                call_id=f"f{number}",
                from_tag="x",
                body=forgery,
            ).decode()
            flat = forgery.replace("\r\n", "").replace("\n", "")
            for bad in (
                good,
                good.replace("Call-ID: ", f"X-Forged: {forgery}\r\nCall-ID: "),
                good.replace("Call-ID: ", f"Call-ID: {flat}"),
                good.replace("INVITE", flat.replace(" ", "-")),
                good.replace("From: ", f'From: "{flat}" '),
                forgery,
            ):
                sock.send(bad.encode(), (setup.host, setup.sip_port))
        assert await options_answered(setup.host, setup.sip_port, within_s=5.0)


def banned_by(log: Path) -> Counter[str]:
    """The addresses that the filter finds in a log, by how often."""
    command = ["fail2ban-regex", "-o", "ip", log, FAIL2BAN / "filter.d-sipagent.conf"]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    return Counter(found.stdout.split())


def as_in_the_journal(log: Path) -> Path:
    """The same lines as fail2ban gets them from the journal."""
    copy = log.with_suffix(".journal")
    lines = log.read_text().splitlines()
    copy.write_text("".join(f"2026-01-02T03:04:05 pbx sipagent[4711]: {line}\n" for line in lines))
    return copy


async def test_scanners_are_found_and_nobody_else(setup: SetupFactory) -> None:
    prepared = setup(None)
    async with running(prepared) as server:
        await scan(prepared)
        await forge(prepared, SCANNER)
        await forge(prepared, HOST)
        server.skip_records()
    log = prepared.config.with_name("server.log")
    assert VICTIM in log.read_text()
    for lines in (log, as_in_the_journal(log)):
        found = banned_by(lines)
        assert set(found) == {SCANNER}
        assert found[SCANNER] >= 3


@pytest.fixture
def place() -> Iterator[Namespace]:
    namespace = Namespace("bans")
    yield namespace
    namespace.delete()


def configured(directory: Path, log: Path) -> Path:
    """fail2ban's configuration, with our files where they belong and the jail reading `log`."""
    shutil.copytree("/etc/fail2ban", directory, ignore=shutil.ignore_patterns("jail.d"))
    for kind in ("filter", "action", "jail"):
        (directory / f"{kind}.d").mkdir(exist_ok=True)
        shutil.copy(FAIL2BAN / f"{kind}.d-sipagent.conf", directory / f"{kind}.d/sipagent.conf")
    (directory / "jail.d/zz-test.local").write_text(
        f"[sipagent]\nbackend = polling\nlogpath = {log}\nignoreself = false\nmaxretry = 2\n"
    )
    (directory / "fail2ban.local").write_text("[Definition]\ndbfile = None\nlogtarget = STDOUT\n")
    return directory


@contextlib.contextmanager
def fail2ban(directory: Path, place: Namespace) -> Iterator[None]:
    files = ["-c", directory, "-s", directory / "sock", "-p", directory / "pid"]
    command = [*place.command, "fail2ban-server", "-f", *files]
    with (directory / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)


async def test_a_ban_gets_into_the_firewall(setup: SetupFactory, tmp_path: Path, place: Namespace) -> None:
    prepared = setup(None)
    place.run("nft", "-c", "-f", str(SYSTEMD / "nftables.conf"))
    place.run("nft", "-f", str(SYSTEMD / "nftables.conf"))
    async with running(prepared):
        directory = configured(tmp_path / "fail2ban", prepared.config.with_name("server.log"))
        with fail2ban(directory, place):
            await eventually((directory / "sock").exists, "fail2ban is there")
            await forge(prepared, SCANNER)
            await eventually(
                lambda: SCANNER in place.run("nft", "list", "set", "inet", "sipagent", "banned4"),
                "the scanner is banned",
                within_s=30,
            )
