"""From a record to the columns that calls are looked for by."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from sipagent.call_log.rows import row_of
from sipagent.call_log.schema import calls
from tests.call_log.spools import record


def test_a_record_fills_every_column() -> None:
    row = row_of(record("a", cost={"total": 0.0123, "currency": "USD"}))
    assert row is not None
    assert set(row) == {column.name for column in calls.c}
    assert (row["call_id"], row["status"], row["from_number"]) == ("a", "completed", "+15559999")
    assert row["received_at"] == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert (row["cost"], row["currency"]) == (Decimal("0.0123"), "USD")
    assert row["record"]["end_reason"] == "caller_hung_up"


@pytest.mark.parametrize("entry", [{}, {"call_id": None}, {"call_id": ""}, {"call_id": 7}])
def test_a_line_that_is_no_record_is_no_row(entry: dict[str, object]) -> None:
    assert row_of(entry) is None


def test_a_record_of_another_version_is_kept_whole() -> None:
    odd = {
        "call_id": "a",
        "duration_s": "long",
        "received_at": "yesterday",
        "cost": 5,
        "codec": "X" * 99,
        "new": 1,
    }
    row = row_of(odd)
    assert row is not None
    assert (row["duration_s"], row["cost"], row["answered_at"], len(row["codec"])) == (0.0, None, None, 16)
    assert row["received_at"].year == 1970
    assert row["record"] == odd


def test_a_nul_from_a_peer_reaches_no_database() -> None:
    row = row_of(record("a", **{"from": "+1\0", "turns": [{"text": "\0", "n\0": 1}]}))
    assert row is not None
    assert "\0" not in str(row).replace("\\x00", "\0")
    assert row["record"]["turns"] == [{"text": "\ufffd", "n\ufffd": 1}]
