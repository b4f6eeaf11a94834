"""Build the tuned pjsua2 wheel, keep it in a cache, install it into the Python that runs this script.

    python pjsua2/build.py            install the wheel, building it first if it isn't cached (3 to 5 minutes)
    python pjsua2/build.py --rebuild  build it even if it is cached: how a newer pjproject comes in
    python pjsua2/build.py --cached   exit 0 if the wheel is cached, 1 if it would have to be built

The source is pjproject as Debian ships it inside its source package `asterisk`: apt fetches it and checks its
signature. PJPROJECT_SOURCE=<dir> builds another tree instead. Needs gcc, make, patch, dpkg-dev and
libssl-dev; no package outside the standard library. When the build fails, the wheel `pjsua2-python` is
installed in its place; it carries 4 calls.
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

RECIPE = Path(__file__).resolve().parent
ADDITIONS = [RECIPE / "source_filter.i", RECIPE / "remote_sdp.i"]
#: Ours, with the file that they change and what is in it once pjproject has mended that by itself.
PATCHES = {
    RECIPE / "stale_dialogs.patch": ("pjsip/src/pjsua-lib/pjsua_call.c", r"(call->inv != inv\b.*){3}"),
    RECIPE / "keep_alive.patch": ("pjsip/src/pjsua-lib/pjsua_acc.c", r"delay\.sec < 1"),
    RECIPE / "late_release.patch": ("pjsip/src/pjsua2/call.cpp", r"::~Call\(\)[^}]*pjsua_call_get_user_data"),
}
SHAPING_FILES = [RECIPE / "build.py", RECIPE / "config_site.h", *ADDITIONS, *PATCHES]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sipagent"
LOG = CACHE / "pjsua2-build.log"

DEBIAN_SOURCE = "asterisk"
DEBIAN_SUITE = "unstable"
DEBIAN_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
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


class BuildFailed(Exception):
    """The message names the step; the log has the rest."""


def say(text: str) -> None:
    print(f"pjsua2: {text}", flush=True)


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


# --- running steps --------------------------------------------------------------------------------


def run(step: str, command: list[str], cwd: Path, env: dict[str, str] | None = None) -> None:
    """Run one command with its output in the log, and a sign of life every 15 s."""
    started = time.monotonic()
    with LOG.open("ab") as log:
        log.write(f"\n=== {step}: {' '.join(command)}\n".encode())
        log.flush()
        try:
            process = subprocess.Popen(
                command,
                cwd=cwd,
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        except OSError as error:
            raise BuildFailed(f"{step}: {error}") from error
        while True:
            try:
                status = process.wait(timeout=15)
                break
            except subprocess.TimeoutExpired:
                say(f"  ... {step}, {time.monotonic() - started:.0f} s")
    if status != 0:
        raise BuildFailed(f"{step} failed with exit status {status}")


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


# --- the source -----------------------------------------------------------------------------------


def debian_mirror() -> str:
    """The mirror this machine installs Debian itself from, in either format of apt's source lists."""
    etc = Path("/etc/apt")
    for path in sorted((etc / "sources.list.d").glob("*.sources")):
        for stanza in re.split(r"\n\s*\n", path.read_text()):
            lines = [line for line in stanza.splitlines() if not line.startswith("#")]
            fields = dict(line.split(":", 1) for line in lines if re.match(r"[A-Za-z-]+:", line))
            if fields.get("Enabled", "yes").strip() == "no":
                continue
            for uri in fields.get("URIs", "").split():
                if uri.rstrip("/").endswith("/debian"):
                    return uri
    for path in [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*.list"))]:
        for line in path.read_text().splitlines() if path.exists() else []:
            match = re.match(r"deb\s+(?:\[[^]]*\]\s+)?(\S+/debian/?)\s", line)
            if match:
                return match[1]
    raise BuildFailed("no Debian mirror in apt's configuration")


def fetch_source(work: Path) -> Path:
    """Get pjproject's tarball out of Debian's source package; the machine's apt lists stay as they are."""
    mirror = debian_mirror()
    for directory in ("lists/partial", "cache/archives/partial", "download"):
        (work / "apt" / directory).mkdir(parents=True)
    apt = work / "apt"
    (apt / "sources.list").write_text(f"deb-src [signed-by={DEBIAN_KEYRING}] {mirror} {DEBIAN_SUITE} main\n")
    settings = {
        "Dir::Etc::sourcelist": apt / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": apt / "lists",
        "Dir::Cache": apt / "cache",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
    }
    apt_get = [
        "apt-get",
        "-q",
        *(word for key, value in settings.items() for word in ("-o", f"{key}={value}")),
    ]
    run("reading the list of source packages", [*apt_get, "update"], cwd=apt)
    run("fetching the source", [*apt_get, "source", "--download-only", DEBIAN_SOURCE], cwd=apt / "download")
    tarballs = list((apt / "download").glob("*.orig-Xpjproject.tar.*"))
    if len(tarballs) != 1:
        raise BuildFailed(f"the source package {DEBIAN_SOURCE} no longer carries one pjproject tarball")
    return tarballs[0]


def unpack_source(work: Path) -> Path:
    given = os.environ.get("PJPROJECT_SOURCE")
    tree = work / "pjproject"
    if given:
        say(f"using the source in {given}")
        shutil.copytree(given, tree, symlinks=True)
        return tree
    say(f"fetching pjproject from Debian's source package {DEBIAN_SOURCE} ({DEBIAN_SUITE})")
    tarball = fetch_source(work)
    tree.mkdir()
    run("unpacking", ["tar", "-xf", str(tarball), "--strip-components=1", "--no-same-owner"], cwd=tree)
    return tree


def source_version(tree: Path) -> str:
    found = re.findall(
        r"export PJ_VERSION_(?:MAJOR|MINOR|REV)\s*:=\s*(\d+)", (tree / "version.mak").read_text()
    )
    return ".".join(found)


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
