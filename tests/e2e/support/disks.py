"""Disks that fail, mounted for one test. Needs root."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def small_disk(path: Path, size: str) -> Iterator[Path]:
    """A disk in memory that is soon full."""
    path.mkdir(parents=True)
    _run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path))
    try:
        yield path
    finally:
        _run("umount", str(path))


class FaultyDisk:
    """An ext4 file system in a file: it can hang, and it can find itself broken."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_frozen = False

    def freeze(self) -> None:
        """Whoever writes hangs, until `thaw`."""
        _run("fsfreeze", "--freeze", str(self._path))
        self._is_frozen = True

    def thaw(self) -> None:
        if self._is_frozen:
            self._is_frozen = False
            _run("fsfreeze", "--unfreeze", str(self._path))

    def break_down(self) -> None:
        """Be read-only from now on, although files are open to be written."""
        device = Path(_run("findmnt", "-no", "SOURCE", str(self._path)).strip()).name
        Path(f"/sys/fs/ext4/{device}/trigger_fs_error").write_text("test")


@contextlib.contextmanager
def faulty_disk(path: Path, image: Path) -> Iterator[FaultyDisk]:
    path.mkdir(parents=True)
    with open(image, "wb") as file:
        file.truncate(16 * 2**20)
    _run("mkfs.ext4", "-q", str(image))
    _run("mount", "-o", "loop,errors=remount-ro", str(image), str(path))
    disk = FaultyDisk(path)
    try:
        yield disk
    finally:
        disk.thaw()
        _run("umount", str(path))


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
