"""Where inputs are kept: in the sources a folder for each target, and findings outside of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
REGRESSIONS = Path(__file__).parent / "regressions"
FINDINGS = Path("var/fuzz")


def known_inputs(target: str) -> Iterator[Path]:
    """Seeds of a target, and what it once failed on."""
    for folder in (CORPUS, REGRESSIONS):
        yield from sorted((folder / target).glob("*"))
