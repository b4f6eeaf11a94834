"""A test is had again if it failed while its process stood still, and only then."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

CONFTEST = """
    from tests import pauses

    def pytest_runtest_protocol(item, nextitem):
        pauses.run(item, nextitem)
        return True

    def pytest_terminal_summary(terminalreporter):
        pauses.summary(terminalreporter)
"""
#: A power of whole numbers is one step of the interpreter: no other thread of the process runs meanwhile.
TESTS = """
    import time

    tries = 0

    def stand_still_for(seconds):
        began, exponent = time.monotonic(), 2**16
        while time.monotonic() - began < seconds:
            began, exponent = time.monotonic(), 2 * exponent
            7**exponent

    def test_it(tmp_path):
        global tries
        tries += 1
        stand_still_for({seconds})
        assert tries > {failures}
"""


@pytest.mark.parametrize(
    ("seconds", "failures", "passed", "told"),
    [(0.1, 1, 1, 1), (0.1, 2, 1, 2), (0.1, 3, 0, 2), (0, 1, 0, 0), (0.1, 0, 1, 0)],
    ids=["again", "and again", "but not for ever", "its own fault", "nothing to repeat"],
)
def test_what_fails_in_a_process_that_stands_still(
    pytester: pytest.Pytester, seconds: float, failures: int, passed: int, told: int
) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(TESTS.format(seconds=seconds, failures=failures))
    result = pytester.runpytest_inprocess(
        "-p", "no:cacheprovider", "-o", "asyncio_default_fixture_loop_scope=function"
    )
    result.assert_outcomes(passed=passed, failed=1 - passed)
    assert result.stdout.str().count("test_it: its process stood still for") == told
