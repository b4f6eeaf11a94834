"""What waits for delivery, in order, and survives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sipagent.webhooks.messages import Message
from sipagent.webhooks.outbox import Outbox, Waiting

NOW = 1_000_000.0


def message(lane: str, number: int) -> Message:
    return Message(f"msg_{lane}_{number}", lane, "call.answered", b"{}")


def told(*messages: Message, endpoint: str = "crm") -> list[tuple[str, Message]]:
    return [(endpoint, each) for each in messages]


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    outbox = Outbox(tmp_path / "webhooks.db")
    yield outbox
    outbox.close()


def leased(outbox: Outbox, now: float = NOW, most: int = 10, endpoint: str = "crm") -> list[Waiting]:
    return outbox.lease(endpoint, now, most, now + 60)


def ids(waiting: list[Waiting]) -> list[str]:
    return [each.message.message_id for each in waiting]


def test_of_each_call_only_the_oldest_message_is_due(outbox: Outbox) -> None:
    outbox.add(NOW, told(message("a", 1), message("a", 2), message("b", 1)))
    outbox.add(NOW, told(message("a", 3)))
    first, other = leased(outbox)
    assert ids([first, other]) == ["msg_a_1", "msg_b_1"]
    assert leased(outbox) == []
    outbox.remove("crm", first, NOW)
    assert ids(leased(outbox)) == ["msg_a_2"]


def test_a_failed_message_holds_back_its_own_call_and_no_other(outbox: Outbox) -> None:
    outbox.add(NOW, told(message("a", 1), message("a", 2), message("b", 1), message("b", 2)))
    failed, other = leased(outbox)
    outbox.postpone(failed, NOW + 30, "500 X")
    outbox.remove("crm", other, NOW)
    assert ids(leased(outbox)) == ["msg_b_2"]
    assert outbox.next_due("crm") == NOW + 30
    (again,) = leased(outbox, NOW + 30)
    assert (again.message.message_id, again.attempts, again.created_at) == ("msg_a_1", 1, NOW)
    assert outbox.backlog("crm").error == "500 X"


def test_endpoints_know_nothing_of_each_other(outbox: Outbox) -> None:
    outbox.add(NOW, [*told(message("a", 1)), *told(message("a", 1), endpoint="erp")])
    (waiting,) = leased(outbox)
    outbox.remove("crm", waiting, NOW)
    assert ids(leased(outbox, endpoint="erp")) == ["msg_a_1"]


def test_a_message_that_is_there_is_not_added_again(outbox: Outbox) -> None:
    outbox.add(NOW, told(message("a", 1)))
    outbox.add(NOW, told(message("a", 1)))
    assert outbox.backlog("crm").messages == 1


def test_messages_and_positions_survive_together(outbox: Outbox, tmp_path: Path) -> None:
    outbox.add(NOW, told(message("a", 1)), {"calls-2026-03-01.jsonl": 120})
    leased(outbox)
    reopened = Outbox(tmp_path / "webhooks.db")
    assert not reopened.is_new
    assert reopened.read_to() == {"calls-2026-03-01.jsonl": 120}
    assert leased(reopened) == []
    reopened.release(NOW)
    assert ids(leased(reopened)) == ["msg_a_1"]
    reopened.close()


def test_the_oldest_give_way_when_there_is_no_room(outbox: Outbox) -> None:
    outbox.add(NOW, told(*(message("a", number) for number in range(5)), message("b", 1)))
    assert outbox.trim("crm", 3, NOW + 1) == 3
    assert outbox.trim("crm", 3, NOW + 1) == 0
    assert ids(leased(outbox, NOW + 1)) == ["msg_b_1", "msg_a_3"]


def test_who_is_gone_gets_nothing_until_asked_for(outbox: Outbox) -> None:
    outbox.add(NOW, told(message("a", 1), message("a", 2)))
    outbox.mark_gone("crm", "https://crm.example")
    outbox.add(NOW, told(message("a", 3)))
    assert outbox.backlog("crm").messages == 0
    assert outbox.gone_urls() == {"crm": "https://crm.example"}
    assert outbox.retry("crm", NOW) == 0
    outbox.add(NOW, told(message("b", 1)))
    assert ids(leased(outbox)) == ["msg_b_1"]


def test_a_damaged_file_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "webhooks.db"
    path.write_bytes(b"not a database" * 100)
    outbox = Outbox(path)
    assert outbox.is_new
    outbox.add(NOW, told(message("a", 1)))
    assert len(leased(outbox)) == 1
    outbox.close()
    assert len(list(tmp_path.glob("webhooks.db.damaged-*"))) == 1
