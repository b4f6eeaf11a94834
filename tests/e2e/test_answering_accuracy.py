"""How often who answers is told rightly: a small part of `make amd`, whose figures are in
docs/answering-machines.md. The floors are well below those."""

import pytest

from benchmarks.answering.corpus import calls
from benchmarks.answering.judging import Figures, figures
from rtp.answering import AnsweringParams

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def found() -> Figures:
    return figures(calls("held out", share=0.15), AnsweringParams())


def test_humans_are_taken_for_humans(found: Figures) -> None:
    assert found.right("human", as_kind="human") >= 0.9
    assert found.right("human", "desk", as_kind="human") >= 0.75


def test_machines_are_taken_for_machines(found: Figures) -> None:
    assert found.right("machine", as_kind="machine") >= 0.75


def test_tones_tell_fax_and_announcement_for_sure(found: Figures) -> None:
    assert found.right("fax", as_kind="fax") == 1
    assert found.right("announcement", as_kind="announcement") == 1


def test_silence_is_not_taken_for_anybody(found: Figures) -> None:
    assert found.right("silence", as_kind="unknown") == 1


def test_beeps_are_told_at_their_end(found: Figures) -> None:
    told = found.beeps["in time"] + found.beeps["late"]
    assert told >= 5 * (found.beeps["missed"] + found.beeps["too early"])
    assert told > 0
