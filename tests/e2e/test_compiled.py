"""Media workers run compiled modules where there are any, and the sources where these are asked for."""

from __future__ import annotations

import pytest

from sipagent import compiled
from sipagent.formats import ULAW
from tests.e2e.conftest import SetupFactory
from tests.e2e.support import audio
from tests.e2e.support.phone import call
from tests.e2e.support.server import running

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize(("interpreted", "is_compiled"), [("", True), ("1", False)])
async def test_either_carries_a_call(
    setup: SetupFactory, monkeypatch: pytest.MonkeyPatch, interpreted: str, is_compiled: bool
) -> None:
    monkeypatch.setenv(compiled.INTERPRETED, interpreted)
    said = audio.signal(1, 600, ULAW)
    async with running(setup(None)) as server:
        async with call(server.setup, speech=said) as caller:
            await caller.hear(lambda: caller.speech_heard() == said)
            await caller.hang_up()
        await server.next_record()
        ready = server.lines("worker_ready")
    assert {line["is_compiled"] for line in ready} == {is_compiled}
