"""Compiled modules: taken if they are of the sources that are here, and pass what the sources pass."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from sipagent import compiled

ROOT = Path(__file__).parents[1]
TESTED = ("tests/rtp", "tests/media", "tests/backends", "tests/worker")


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    for package in compiled.PACKAGES:
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("")
    (tmp_path / "rtp" / "seq.py").write_text("LAW = 1\n")
    return tmp_path


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As if something had been made of the sources that are here."""
    monkeypatch.setattr(compiled, "HOME", tmp_path)
    home = tmp_path / compiled.digest()
    (home / "rtp").mkdir(parents=True)
    (home / "rtp" / "seq.py").write_text("")
    (home / "rtp" / "ports.py").write_text("")
    return home


def test_every_module_has_a_source() -> None:
    assert [name for name in compiled.MODULES if not (ROOT / f"{name.replace('.', '/')}.py").is_file()] == []


def test_the_digest_is_of_every_source(sources: Path) -> None:
    seen = {compiled.digest(sources)}
    (sources / "rtp" / "seq.py").write_text("LAW = 2\n")
    seen.add(compiled.digest(sources))
    (sources / "rtp" / "seq.py").rename(sources / "sipagent" / "seq.py")
    seen.add(compiled.digest(sources))
    (sources / "sipagent" / "notes.txt").write_text("no source")
    seen.add(compiled.digest(sources))
    assert len(seen) == 3


def test_what_is_of_other_sources_is_not_found(made: Path) -> None:
    assert compiled.directory() == made
    made.rename(made.with_name("0123456789abcdef"))
    assert compiled.directory() is None
    assert compiled.use() is False


def test_nothing_is_taken_that_is_not_wanted(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(compiled.INTERPRETED, "1")
    before = list(sys.meta_path)
    assert compiled.use() is False
    assert sys.meta_path == before


def test_half_of_it_is_refused(made: Path) -> None:
    import_module("rtp.seq")
    before = list(sys.meta_path)
    with pytest.raises(RuntimeError, match=r"rtp\.seq"):
        compiled.use()
    assert sys.meta_path == before


def test_only_what_is_compiled_is_found_there(made: Path) -> None:
    finder = compiled.Finder(made)
    spec = finder.find_spec("rtp.seq", None)
    assert spec is not None
    assert spec.origin == str(made / "rtp" / "seq.py")
    assert finder.find_spec("rtp.ports", None) is None
    assert finder.find_spec("json", None) is None


@pytest.mark.e2e
def test_compiled_modules_pass_the_tests_of_their_sources() -> None:
    chosen = ["-m", "not e2e and not slow", *TESTED]
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *chosen],
        cwd=ROOT,
        env=os.environ | {"COMPILED": "1"},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stdout[-5000:]
