"""The media path: compiled from these sources, and wanted so."""

from __future__ import annotations

from pathlib import Path

from sipagent.doctor.media import media_path


def test_it_should_be_compiled() -> None:
    assert media_path(Path("somewhere"), unwanted=False).status == "ok"
    missing = media_path(None, unwanted=False)
    assert (missing.status, "make compiled" in missing.fix) == ("warn", True)
    unwanted = media_path(Path("somewhere"), unwanted=True)
    assert (unwanted.status, unwanted.fix) == ("warn", "Unset SIPAGENT_INTERPRETED.")
