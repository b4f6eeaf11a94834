"""`logging.file` under Debian's logrotate, with several processes that write."""

from __future__ import annotations

import asyncio
import grp
import gzip
import json
import os
import pwd
import subprocess
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import SetupFactory
from tests.e2e.support.phone import call
from tests.e2e.support.server import SIPAGENT
from tests.e2e.support.setup import HOST, Setup
from tests.e2e.support.waiting import PATIENCE_S, eventually

pytestmark = pytest.mark.e2e

RULES = Path(__file__).parents[2] / "systemd/logrotate.conf"
#: Fewer than the rules keep files.
ROTATIONS = 10
WRITERS, LINES = 3, 2000
#: Every tenth line is longer than what Python writes at once by default.
WRITER = f"""
import sys
from pathlib import Path
from sipagent import logs
from sipagent.config import LoggingConfig
logs.configure(LoggingConfig(file=Path(sys.argv[1])))
log = logs.get_logger("test")
for number in range({LINES}):
    log.info("line", writer=sys.argv[2], number=number, padding="x" * (20_000 if number % 10 == 0 else 10))
"""


def rotate(log: Path) -> None:
    """One forced run of the rules, for this file and user."""
    user, group = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
    rules = RULES.read_text().replace("sipagent sipagent", f"{user} {group}")
    head, _, block = rules.partition("/var/log")
    copy = log.with_suffix(".rules")
    copy.write_text(f"{head}{log} {{{block.partition('{')[2]}")
    copy.chmod(0o644)
    log.parent.chmod(0o755)
    command = ["/usr/sbin/logrotate", "--force", "--state", log.with_suffix(".state"), copy]
    subprocess.run(command, check=True, capture_output=True, text=True)


def all_lines(log: Path) -> list[dict[str, Any]]:
    """Of the file and its predecessors, in no order."""
    texts = []
    for path in log.parent.glob(f"{log.name}*"):
        texts.append(gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes())
    return [json.loads(line) for text in texts for line in text.splitlines()]


def have_all_moved_on(log: Path) -> bool:
    """Rules may be run again then: what is in the last file but one gets compressed, and is complete."""
    text = log.read_text()
    return all(f'"writer":"{number}"' in text for number in range(WRITERS))


async def test_no_line_is_lost_or_torn_while_the_file_is_rotated(tmp_path: Path) -> None:
    log = tmp_path / "sipagent.log"
    writers = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", WRITER, str(log), str(number))
        for number in range(WRITERS)
    ]
    done = asyncio.gather(*(writer.wait() for writer in writers))
    await eventually(log.exists, "the first line")
    for _ in range(ROTATIONS):
        await asyncio.to_thread(rotate, log)
        await eventually(lambda: done.done() or have_all_moved_on(log), "every writer has the new file")
    assert await done == [0] * WRITERS
    seen = Counter((line["writer"], line["number"]) for line in all_lines(log))
    assert seen == Counter((str(writer), number) for writer in range(WRITERS) for number in range(LINES))


async def is_ready(setup: Setup) -> bool:
    async with httpx.AsyncClient(trust_env=False) as client:
        try:
            return (await client.get(f"http://{HOST}:{setup.http_port}/readyz")).status_code == 200
        except httpx.TransportError:
            return False


async def test_the_server_and_its_workers_go_on_in_the_new_file(setup: SetupFactory, tmp_path: Path) -> None:
    log = tmp_path / "logs/sipagent.log"
    log.parent.mkdir()
    prepared = setup(None, logging={"file": str(log)}, media={"workers": 1})
    server = await asyncio.create_subprocess_exec(SIPAGENT, "run", "-c", prepared.config)
    try:
        await eventually(partial(is_ready, prepared), "the server is ready", 2 * PATIENCE_S)
        rotate(log)
        async with call(prepared) as caller:
            await caller.hang_up()
        await eventually(lambda: '"call_ended"' in log.read_text(), "the end of the call")
    finally:
        server.terminate()
        assert await server.wait() == 0
    before, after = (
        {(line["event"], line.get("worker")) for line in map(json.loads, path.read_text().splitlines())}
        for path in (log.with_name("sipagent.log.1"), log)
    )
    assert {("server_started", None), ("worker_scheduled", 0)} <= before
    assert {("call_received", None), ("server_stopped", None)} <= after
