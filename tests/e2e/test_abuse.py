"""Who is let in, or nearly, and abuses it: listeners that never read, guessed tokens, scanners of numbers."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect

from sipagent.api.failures import MOST_FAILURES
from sipagent.formats import ULAW
from tests.e2e.conftest import SetupFactory, Sipp
from tests.e2e.support import audio
from tests.e2e.support.api import Api, api_section, secret, set_tokens
from tests.e2e.support.phone import Phone, call
from tests.e2e.support.server import Server, running
from tests.e2e.support.setup import HOST, NUMBER, Setup
from tests.e2e.support.sip import options_answered
from tests.e2e.support.waiting import PATIENCE_S

pytestmark = pytest.mark.e2e

QUIET = {"level": "info"}
#: Of the server's executors.
THREADS = 32
LISTENERS = 20
CALLS, CALLS_PER_S = 600, 150
#: What a listener may make the server keep: its queue, and what uvicorn holds back.
LISTENER_KB = 2048
GUESSES, GUESSERS = 2000, 20
#: sipvicious calls from the first loopback address, whatever it is told.
SCANNER, SERVED = "127.0.0.1", "127.0.0.5"
SAID = audio.signal(1, 600, ULAW)


@pytest.fixture(autouse=True)
def _tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    set_tokens(monkeypatch)


def resident_kb(server: Server) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


async def still_talks(caller: Phone) -> None:
    """What it says comes back from the echo, now."""
    before = len(caller.speech_heard())
    await caller.say(SAID)
    await caller.hear(lambda: len(caller.speech_heard()) > before + len(SAID) / 2)


@contextlib.asynccontextmanager
async def deaf_listeners(setup: Setup) -> AsyncIterator[None]:
    """They ask for every event and read none; little fits into their kernel's buffers."""
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(LISTENERS):
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect((HOST, setup.http_port))
            headers = {"authorization": f"Bearer {secret('operator')}"}
            opening = connect(
                f"ws://{HOST}:{setup.http_port}/v1/events",
                additional_headers=headers,
                sock=sock,
                max_queue=1,
                close_timeout=0.1,
                proxy=None,
            )
            await stack.enter_async_context(opening)
        yield


@pytest.mark.timeout(240)
async def test_listeners_that_never_read(setup: SetupFactory, sipp: Sipp) -> None:
    """Who reads hears everything, the call goes on, and the server keeps a bounded amount for the others."""
    made = setup(None, api=api_section(), rtp_pairs=40, logging=QUIET)
    scenario = ("uac-number-unknown-404", made, "-r", str(CALLS_PER_S))
    async with running(made, spare_threads=THREADS) as server, call(made) as caller:
        await sipp(
            *scenario, number="9999", calls=CALLS, timeout_s=40
        )  # what these take isn't the listeners'
        before = resident_kb(server)
        async with deaf_listeners(made), Api(made).listening("/v1/events") as ear:
            await sipp(*scenario, number="9999", calls=CALLS, timeout_s=40)
            await still_talks(caller)
            ended = [await ear.until("call.ended") for _ in range(CALLS)]
            assert len({each["call_id"] for each in ended}) == CALLS
            assert resident_kb(server) - before < LISTENERS * LISTENER_KB
        await caller.hang_up()
        await server.next_records(2 * CALLS + 1)


async def test_tokens_that_are_guessed(setup: SetupFactory) -> None:
    """Some are answered 401, the rest 429, and few are logged; who has a good one notices nothing."""
    made = setup(None, api=api_section(), logging=QUIET)
    async with running(made, spare_threads=THREADS) as server, call(made) as caller:
        before, lines = resident_kb(server), len(server.log)
        answers = Counter[int]()

        async def guess(number: int) -> None:
            async with httpx.AsyncClient(
                trust_env=False, base_url=f"http://{HOST}:{made.http_port}"
            ) as client:
                for attempt in range(GUESSES // GUESSERS):
                    headers = {"authorization": f"Bearer guess-{number}-{attempt}"}
                    answer = await client.get("/v1/calls", headers=headers, timeout=PATIENCE_S)
                    answers[answer.status_code] += 1

        async with asyncio.TaskGroup() as guessers:
            for number in range(GUESSERS):
                guessers.create_task(guess(number))
            assert (await Api(made).get("/v1/calls")).status_code == 200
            await still_talks(caller)
        assert answers == {401: MOST_FAILURES, 429: GUESSES - MOST_FAILURES}
        assert len(server.lines("api_unauthorized")) == MOST_FAILURES
        assert len(server.log) - lines < 2 * MOST_FAILURES
        assert resident_kb(server) - before < 16 * 1024
        await caller.hang_up()
        await server.next_records(1)


async def sipvicious(tool: str, *arguments: str, within_s: float = 20.0) -> str:
    """What it found."""
    process = await asyncio.create_subprocess_exec(
        *(tool, *arguments), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(within_s):
            told, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return told.decode(errors="replace")


@pytest.mark.parametrize("is_listed", [False, True])
async def test_numbers_and_passwords_are_scanned(setup: SetupFactory, is_listed: bool) -> None:
    """A stranger learns nothing; a listed trunk only what it may call, and nobody is asked for a password."""
    trusted = [f"{SERVED}/32", *([f"{SCANNER}/32"] if is_listed else [])]
    trunk = {"allowed_addresses": trusted, "public_address": SERVED}
    made = setup(None, trunk=trunk, host=SERVED, logging=QUIET)
    async with running(made, spare_threads=THREADS) as server, call(made) as caller:
        where = ("-p", str(made.sip_port), SERVED)
        found = await sipvicious("svwar", "-e", "900-960", "-m", "INVITE", *where)
        cracked = await sipvicious("svcrack", "-u", NUMBER, "-r", "1-60", *where)
        assert "reqauth" not in found
        assert "The password for" not in cracked
        await still_talks(caller)
        assert await options_answered(SERVED, made.sip_port, within_s=1.0)
        await caller.hang_up()
        scanned = len(server.lines("call_refused", reason_code="number_unknown"))
        assert (scanned > 0) == is_listed
        assert len(server.lines("call_received")) == scanned + 1
        await server.next_records(scanned + 1)
