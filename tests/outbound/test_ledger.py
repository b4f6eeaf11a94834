"""The dials that are not over."""

from __future__ import annotations

from sipagent.outbound.dial import CancelAsked, Left, PickedUp, Placed, after, with_call_id
from sipagent.outbound.ledger import Ledger
from tests.outbound.dials import NOW, dial


def test_a_dial_goes_through_the_ledger() -> None:
    ledger, one = Ledger(), dial()
    ledger.put(one)
    assert (list(ledger.waiting), ledger.untried_for("crm"), len(ledger)) == ([one], 1, 1)
    one = after(one, Placed(NOW))
    ledger.put(one)
    assert (list(ledger.waiting), ledger.untried_for("crm"), ledger.on_for("crm")) == ([], 0, 1)
    one = with_call_id(one, "c-1")
    ledger.put(one)
    assert ledger.of_call("c-1") is one
    one = after(one, PickedUp(NOW))
    ledger.put(one)
    assert ledger.of_call("c-1") is one
    one = after(one, Left(NOW, "machine", due_at=NOW + 60))
    ledger.put(one)
    assert (ledger.of_call("c-1"), ledger.untried_for("crm"), ledger.on_for("crm")) == (None, 0, 0)
    assert ledger.get("d-1") is one
    ledger.put(after(one, CancelAsked(NOW)))
    assert (len(ledger), ledger.get("d-1")) == (0, None)


def test_tokens_are_counted_apart() -> None:
    ledger = Ledger()
    for number, key in enumerate(("a", "a", "b")):
        ledger.put(dial(f"d-{number}", key=key))
    ledger.put(after(dial("d-0", key="a"), CancelAsked(NOW)))
    assert (ledger.untried_for("a"), ledger.untried_for("b"), ledger.untried_for("c")) == (1, 1, 0)
