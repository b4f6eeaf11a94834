"""What was taken survives."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sipagent.outbound.dial import CancelAsked, Left, PickedUp, Placed, PutBack, after, with_call_id
from sipagent.outbound.store import Count, Filter, Placement, Store
from tests.outbound.dials import NOW, TO, dial


@pytest.fixture
def store() -> Iterator[Store]:
    made = Store(None)
    yield made
    made.close()


def test_dials_are_kept_as_they_are(tmp_path: Path) -> None:
    one = with_call_id(after(dial(), Placed(NOW, "+4930111")), "c-1")
    first = Store(tmp_path / "dials.db")
    first.save([one, dial("d-2")])
    first.close()
    again = Store(tmp_path / "dials.db")
    assert again.unfinished() == [one, dial("d-2")]
    assert again.get("d-1") == one
    again.close()


KILLED = """
import os, signal, sys
from pathlib import Path
from sipagent.outbound.store import Store
from sipagent.outbound.dial import Placed, after
from tests.outbound.dials import NOW, dial
store = Store(Path(sys.argv[1]))
store.save([dial("taken"), after(dial("begun"), Placed(NOW))])
connection = store._engine.connect()
connection.exec_driver_sql("UPDATE dials SET state = 'failed'")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_what_was_saved_survives_sigkill_and_what_was_not_is_as_before(tmp_path: Path) -> None:
    path = tmp_path / "dials.db"
    killed = subprocess.run([sys.executable, "-c", KILLED, path], check=False, env=dict(os.environ))
    assert killed.returncode == -signal.SIGKILL
    store = Store(path)
    assert {each.dial_id: len(each.attempts) for each in store.unfinished()} == {"taken": 0, "begun": 1}
    assert len(store.placements(0)) == 1
    store.close()


def test_a_damaged_file_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "dials.db"
    path.write_bytes(b"not a database" * 1000)
    store = Store(path)
    assert store.unfinished() == []
    assert list(tmp_path.glob("dials.db.damaged-*"))
    store.close()


def test_what_is_over_is_not_unfinished(store: Store) -> None:
    store.save([dial("a"), after(dial("b"), CancelAsked(NOW))])
    assert [each.dial_id for each in store.unfinished()] == ["a"]


def test_attempts_are_counted_until_they_are_taken_back(store: Store) -> None:
    one = after(dial(), Placed(NOW, "+4930111"))
    store.save([one])
    assert store.placements(NOW - 1) == [Placement("crm", "+4930111", NOW)]
    assert store.placements(NOW) == []
    store.save([after(one, PutBack(NOW + 5))])
    assert store.placements(NOW - 1) == []


def test_the_number_that_somebody_was_called_from_last_is_known(store: Store) -> None:
    for at, caller in enumerate(("+4930111", "+4989222", "+4420333")):
        store.save([after(dial(f"d-{at}"), Placed(NOW + at, caller))])
    assert store.last_caller(TO, {"+4930111", "+4989222"}) == "+4989222"
    assert store.last_caller(TO, {"+1"}) is None
    assert store.last_caller("+49301", {"+4930111"}) is None


def test_dials_are_found_by_what_they_are(store: Store) -> None:
    store.save(
        [
            dial("a", at=NOW, tenant="acme", campaign="autumn"),
            dial("b", at=NOW + 1, trunk="other"),
            after(dial("c", at=NOW + 2, campaign="autumn"), CancelAsked(NOW + 3)),
        ]
    )

    def found(**fields: object) -> list[str]:
        return [each.dial_id for each in store.find(Filter(**fields), 10)]  # type: ignore[arg-type]

    assert found() == ["c", "b", "a"]
    assert found(tenant="acme") == ["a"]
    assert found(state="cancelled") == ["c"]
    assert found(campaign="autumn", state="queued") == ["a"]
    assert found(trunks=frozenset({"other"})) == ["b"]
    assert found(trunks=frozenset()) == []


def test_dials_come_in_pages(store: Store) -> None:
    store.save([dial(f"d-{number}", at=NOW + number // 2) for number in range(5)])
    seen: list[str] = []
    while page := store.find(Filter(), 2, seen[-1] if seen else None):
        seen += [each.dial_id for each in page]
    assert seen == ["d-4", "d-3", "d-2", "d-1", "d-0"]


def test_a_campaign_is_summed_up(store: Store) -> None:
    answered = after(after(dial("a", campaign="x"), Placed(NOW)), PickedUp(NOW))
    store.save(
        [
            after(answered, Left(NOW, "answered")),
            after(after(dial("b", campaign="x"), Placed(NOW)), Left(NOW, "busy")),
            after(after(dial("c", campaign="x"), Placed(NOW)), Left(NOW, "busy")),
            dial("d", campaign="x"),
            dial("e"),
        ]
    )
    assert set(store.counts(Filter(campaign="x"))) == {
        Count("completed", "answered", 1),
        Count("failed", "busy", 2),
        Count("queued", None, 1),
    }


def test_what_was_paused_stays_so(tmp_path: Path) -> None:
    first = Store(tmp_path / "dials.db")
    for campaign, is_paused in (("a", True), ("b", True), ("b", False)):
        first.pause(campaign, is_paused)
    first.close()
    again = Store(tmp_path / "dials.db")
    assert again.paused() == {"a"}
    again.close()


def test_old_dials_are_forgotten(store: Store) -> None:
    old = after(after(dial("a"), Placed(NOW)), Left(NOW, "busy"))
    store.save([old, dial("b")])
    assert store.purge(NOW) == 0
    assert store.purge(NOW + 1) == 1
    assert ([each.dial_id for each in store.find(Filter(), 9)], store.placements(0)) == (["b"], [])
