"""Build the tuned pjsua2 wheel, keep it in a cache, install it into the Python that runs this script.

    python pjsua2/build.py            install the wheel, building it first if it isn't cached (3 to 5 minutes)
    python pjsua2/build.py --rebuild  build it even if it is cached: how a newer pjproject comes in
    python pjsua2/build.py --cached   exit 0 if the wheel is cached, 1 if it would have to be built

The source is what Debian ships, or the tree that PJPROJECT_SOURCE names: see `source.py`. Needs gcc, make,
patch, dpkg-dev and libssl-dev; no package outside the standard library. When the build fails, the wheel
`pjsua2-python` is installed in its place; it carries 4 calls.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from source import source_version, unpack_source
from steps import CACHE, LOG, BuildFailed, run, say

RECIPE = Path(__file__).resolve().parent
ADDITIONS = [RECIPE / "source_filter.i", RECIPE / "remote_sdp.i"]
#: Ours, with the file that they change and what is in it once pjproject has mended that by itself.
PATCHES = {
    RECIPE / "stale_dialogs.patch": ("pjsip/src/pjsua-lib/pjsua_call.c", r"(call->inv != inv\b.*){3}"),
    RECIPE / "keep_alive.patch": ("pjsip/src/pjsua-lib/pjsua_acc.c", r"delay\.sec < 1"),
    RECIPE / "no_bridge.patch": ("pjsip/src/pjsua-lib/pjsua_aud.c", r"if \(!pjsua_var\S+use_loop_med_tp\)"),
    RECIPE / "late_release.patch": ("pjsip/src/pjsua2/call.cpp", r"::~Call\(\)[^}]*pjsua_call_get_user_data"),
}
SHAPING_FILES = [*sorted(RECIPE.glob("*.py")), RECIPE / "config_site.h", *ADDITIONS, *PATCHES]

BUILD_TOOLS = ["swig>=4.3,<5", "setuptools>=75,<81", "wheel>=0.44,<1"]
FALLBACK = "pjsua2-python"

# Signalling, SDP and G.711 names are all that is wanted: no sound, no video, no codec, and no SRTP, whose
# parser can be overflowed before authentication (CVE-2026-57162).
CONFIGURE = shlex.split("""
    --enable-epoll --disable-libsrtp --disable-libuuid --disable-upnp --disable-sound --disable-video
    --disable-resample --disable-small-filter --disable-large-filter --disable-speex-aec --disable-l16-codec
    --disable-gsm-codec --disable-g722-codec --disable-g7221-codec --disable-speex-codec --disable-ilbc-codec
    --disable-libsamplerate --disable-sdl --disable-ffmpeg --disable-v4l2 --disable-openh264 --disable-vpx
    --disable-opencore-amr --disable-silk --disable-opus --disable-bcg729 --disable-lyra --disable-libyuv
    --disable-libwebrtc
""")


# --- what identifies a wheel ----------------------------------------------------------------------


def compiler_facts() -> dict[str, str]:
    """Versions of compiler and OpenSSL, as the preprocessor sees them; empty when either isn't installed."""
    try:
        macros = subprocess.run(
            ["cc", "-dM", "-E", "-include", "openssl/opensslv.h", "-x", "c", "/dev/null"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return {}
    wanted = r"#define (__VERSION__|__GNUC__|OPENSSL_VERSION_TEXT|__GLIBC_MINOR__) (.+)"
    return {name: value.strip('"') for name, value in re.findall(wanted, macros)}


def cache_key(facts: dict[str, str]) -> str:
    digest = hashlib.sha256()
    for path in SHAPING_FILES:
        digest.update(path.read_bytes())
    abi = sysconfig.get_config_var("SOABI")
    source = os.environ.get("PJPROJECT_SOURCE", "")
    digest.update(repr((abi, platform.machine(), sorted(facts.items()), source)).encode())
    return digest.hexdigest()[:16]


def cached_wheel() -> Path | None:
    facts = compiler_facts()
    return next((CACHE / cache_key(facts)).glob("pjsua2-*.whl"), None) if facts else None


@contextmanager
def exclusive() -> Iterator[None]:
    """One build at a time on this machine; whoever waited then finds the wheel in the cache."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another build is running, waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# --- the build ------------------------------------------------------------------------------------


def apply_recipe(tree: Path) -> None:
    shutil.copy(RECIPE / "config_site.h", tree / "pjlib/include/pj/config_site.h")
    swig = tree / "pjsip-apps/src/swig"
    with (swig / "pjsua2.i").open("a") as interface:
        for addition in ADDITIONS:
            shutil.copy(addition, swig)
            interface.write(f'\n%include "{addition.name}"\n')
    # Debian removes this device for its licence; with sound disabled, an empty file is what it compiles to.
    device = tree / "pjmedia/src/pjmedia-audiodev/bdimad_dev.c"
    if not device.exists():
        device.touch()


def apply_patches(tree: Path) -> None:
    for patch, (changed, mended) in PATCHES.items():
        if re.search(mended, (tree / changed).read_text(errors="replace"), re.DOTALL):
            say(f"{patch.name} is left out: pjproject has it")
        else:
            run(f"applying {patch.name}", ["patch", "-p1", "--forward", "--batch", f"--input={patch}"], tree)


def build(facts: dict[str, str], work: Path) -> Path:
    tree = unpack_source(work)
    version = source_version(tree)
    apply_recipe(tree)
    apply_patches(tree)

    jobs = f"-j{os.cpu_count() or 1}"
    # Level 3 of _FORTIFY_SOURCE came with gcc 12. NDEBUG: an assertion that a packet can reach is an abort.
    fortify = 3 if int(facts["__GNUC__"]) >= 12 else 2
    flags = f"-O2 -fPIC -DNDEBUG -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE={fortify} -fstack-protector-strong"
    say(f"configuring pjproject {version}")
    run("configuring", ["./aconfigure", *CONFIGURE], tree, {"CFLAGS": flags, "CXXFLAGS": flags})
    say("compiling its libraries (about a minute)")
    run("listing dependencies", ["make", jobs, "dep"], tree)
    run("compiling the libraries", ["make", jobs, "lib"], tree)

    say("fetching swig")
    tools = work / "venv"
    run("creating a build environment", [sys.executable, "-m", "venv", str(tools)], work)
    run("fetching swig", [str(tools / "bin/pip"), "install", "-q", *BUILD_TOOLS], work)
    say("wrapping pjsua2 for Python (about two minutes)")
    swig = tree / "pjsip-apps/src/swig/python"
    link_env = {"PATH": f"{tools / 'bin'}:{os.environ['PATH']}", "LDFLAGS": "-s -Wl,-z,relro,-z,now"}
    run("wrapping", ["make", "wheel", f"PYTHON_EXE={tools / 'bin/python'}"], swig, link_env)
    return next((swig / "dist").glob("pjsua2-*.whl"))


def build_into_cache() -> Path:
    LOG.write_bytes(b"")
    for abandoned in CACHE.glob("pjsua2-build-*"):
        shutil.rmtree(abandoned)
    facts = compiler_facts()
    if not facts:
        raise BuildFailed("no C compiler or no OpenSSL headers (packages build-essential and libssl-dev)")
    started = time.monotonic()
    shelf = CACHE / cache_key(facts)  # as the recipe is now, whatever happens to it during the build
    with tempfile.TemporaryDirectory(prefix="pjsua2-build-", dir=CACHE) as work:
        wheel = build(facts, Path(work))
        shutil.rmtree(shelf, ignore_errors=True)
        shelf.mkdir()
        kept = shelf / wheel.name
        shutil.copy(wheel, kept.with_suffix(".part"))
        kept.with_suffix(".part").rename(kept)
    say(f"built {kept.name} ({kept.stat().st_size / 1e6:.1f} MB) in {time.monotonic() - started:.0f} s")
    return kept


# --- the installation -----------------------------------------------------------------------------


def install(requirement: str) -> None:
    """Both distributions provide the module `pjsua2`, so neither may be left under the other."""
    pip = [sys.executable, "-m", "pip", "-qq"]
    subprocess.run([*pip, "uninstall", "-y", "pjsua2", FALLBACK], check=True)
    subprocess.run([*pip, "install", "--no-deps", requirement], check=True)


def explain_failure(reason: str) -> None:
    tail = LOG.read_text(errors="replace").splitlines()[-15:] if LOG.exists() else []
    print("\n".join(f"  | {line}" for line in tail), file=sys.stderr)
    print(
        f"pjsua2: THE BUILD FAILED: {reason}\n"
        f"pjsua2: the whole log is {LOG}\n"
        f"pjsua2: installing {FALLBACK} instead. It carries 4 calls at a time and no source filter:\n"
        "pjsua2: enough for the demo, not for a server. Try again with: make pjsua2",
        file=sys.stderr,
        flush=True,
    )


def main() -> int:
    if sys.argv[1:] == ["--cached"]:
        return 0 if cached_wheel() else 1
    with exclusive():
        try:
            wheel = (None if sys.argv[1:] == ["--rebuild"] else cached_wheel()) or build_into_cache()
        except (BuildFailed, OSError, ValueError) as error:
            explain_failure(str(error))
            install(FALLBACK)
            return 0
    install(str(wheel))
    say(f"installed {wheel.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
