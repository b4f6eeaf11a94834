"""Every fuzz target for a moment: its seeds, what once failed, mutations of both, and random bytes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.bounds import MEMORY_LIMIT_BYTES, Exceeded, bounded
from tests.fuzz.inputs import known_inputs
from tests.fuzz.targets import TARGETS

pytestmark = pytest.mark.slow

EXAMPLES = 150

Edit = tuple[float, int, bytes]
"""At which part of the input, how many bytes go, and what takes their place."""

EDITS: st.SearchStrategy[list[Edit]] = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 8), st.binary(max_size=8)), max_size=6
)


def mutated(seed: bytes, edits: list[Edit]) -> bytes:
    for place, removed, added in edits:
        at = int(place * len(seed))
        seed = seed[:at] + added + seed[at + removed :]
    return seed


def inputs(target: str) -> st.SearchStrategy[bytes]:
    seeds = [path.read_bytes() for path in known_inputs(target)]
    return st.binary(max_size=300) | st.builds(mutated, st.sampled_from(seeds), EDITS)


@pytest.mark.parametrize("target", TARGETS)
def test_any_bytes(target: str) -> None:
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(inputs(target))
    def run(data: bytes) -> None:
        bounded(TARGETS[target], data)

    run()


@pytest.mark.parametrize(
    ("target", "path"),
    [pytest.param(name, path, id=f"{name}-{path.name}") for name in TARGETS for path in known_inputs(name)],
)
def test_known_input(target: str, path: Path) -> None:
    bounded(TARGETS[target], path.read_bytes())


def test_every_target_has_seeds() -> None:
    assert [name for name in TARGETS if not list(known_inputs(name))] == []


def test_an_endless_loop_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fuzz.bounds.CPU_LIMIT_S", 0.05)

    def spin(data: bytes) -> None:
        while True:
            pass

    with pytest.raises(Exceeded, match="CPU"):
        bounded(spin, b"")


def test_a_hungry_parser_is_a_finding() -> None:
    with pytest.raises(Exceeded, match="memory"):
        bounded(lambda data: bytes(MEMORY_LIMIT_BYTES).find(b"x"), b"")
