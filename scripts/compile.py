"""Compile what stands on the way of each frame (`sipagent/compiled.py`), for the Python that runs this.

    python scripts/compile.py            install it, compiling it first if it isn't cached (half a minute)
    python scripts/compile.py --cached   exit 0 if it is cached, 1 if it would have to be compiled

Needs gcc, Python's headers, mypy and setuptools.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sipagent" / "compiled"

#: So many states of the sources stay in the cache.
SHELVES = 8

sys.path.insert(0, str(ROOT))
from sipagent import compiled  # noqa: E402 (not installed, where this is run by itself)


def compiler() -> str:
    """Which C compiler there is; empty if there is none."""
    try:
        return subprocess.run(["cc", "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""


def shelf(digest: str) -> Path:
    """Where the cache has what is made of these sources."""
    python = [sys.version, sysconfig.get_config_var("SOABI"), platform.machine()]
    shaping = [digest, compiler(), version("mypy"), *python]
    shaping += [path.read_text() for path in (Path(__file__), ROOT / "pyproject.toml")]
    return CACHE / hashlib.sha256("\n".join(shaping).encode()).hexdigest()[:16]


def build(kept: Path) -> None:
    """Compile a copy of the sources, and keep what was made of it."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="build-", dir=CACHE) as name:
        work, made = Path(name) / "sources", Path(name) / "made"
        for package in compiled.PACKAGES:
            shutil.copytree(ROOT / package, work / package, ignore=shutil.ignore_patterns("__pycache__"))
        subprocess.run([sys.executable, __file__, "--build"], cwd=work, check=True)
        for library in work.rglob(f"*{sysconfig.get_config_var('EXT_SUFFIX')}"):
            if "build" not in library.relative_to(work).parts:
                place = made / library.relative_to(work)
                place.parent.mkdir(parents=True, exist_ok=True)
                library.rename(place)
        if not kept.is_dir():  # another may have made it meanwhile
            made.rename(kept)
    for old in sorted(CACHE.iterdir(), key=lambda path: path.stat().st_mtime)[:-SHELVES]:
        shutil.rmtree(old)


def build_here() -> None:
    """In the directory that this is run in, beside the sources there."""
    from mypyc.build import mypycify
    from setuptools import setup

    paths = [f"{module.replace('.', '/')}.py" for module in compiled.MODULES]
    extensions = mypycify(
        [f"--config-file={ROOT / 'pyproject.toml'}", *paths],
        group_name=compiled.LIBRARY.removesuffix("__mypyc"),
        multi_file=True,
    )
    setup(name="sipagent", ext_modules=extensions, script_args=["build_ext", "--inplace"])


def install(kept: Path, digest: str) -> None:
    """In the place of what is there, which is of other sources or made otherwise."""
    compiled.HOME.mkdir(exist_ok=True)
    before = list(compiled.HOME.iterdir())
    with tempfile.TemporaryDirectory(prefix="new-", dir=compiled.HOME) as name:
        copy = shutil.copytree(kept, Path(name) / digest)
        for old in before:
            shutil.rmtree(old)
        copy.rename(compiled.HOME / digest)


def main() -> int:
    if sys.argv[1:] == ["--build"]:
        build_here()
        return 0
    digest = compiled.digest()
    kept = shelf(digest)
    if sys.argv[1:] == ["--cached"]:
        return 0 if kept.is_dir() else 1
    if not kept.is_dir():
        if not compiler():
            print("no C compiler (package build-essential)", file=sys.stderr)
            return 1
        build(kept)
    install(kept, digest)
    return 0


if __name__ == "__main__":
    sys.exit(main())
