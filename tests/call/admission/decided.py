"""What was decided of a call, where a test knows the kind of it."""

from __future__ import annotations

from sipagent.call.admission.decision import Admit, Decision, Refuse


def admitted(decision: Decision) -> Admit:
    assert isinstance(decision, Admit), decision
    return decision


def refused(decision: Decision) -> Refuse:
    assert isinstance(decision, Refuse), decision
    return decision
