"""The database of calls."""

from __future__ import annotations

from pathlib import Path

from sipagent.doctor import call_log
from tests.doctor.findings import config


async def test_a_database_of_calls_that_is_away_is_a_warning(tmp_path: Path) -> None:
    url = "postgresql://nobody@127.0.0.1:1/calls"
    (finding,) = await call_log.check(config(call_log={"url": url}))
    assert (finding.name, finding.status) == ("call log", "warn")
    assert "wait in the spool" in finding.fix
    (finding,) = await call_log.check(config(storage={"directory": str(tmp_path)}))
    assert (finding.status, list(tmp_path.iterdir())) == ("ok", [])
