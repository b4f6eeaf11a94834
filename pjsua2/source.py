"""Where pjproject comes from: Debian's source package `asterisk`, or the tree that PJPROJECT_SOURCE names.

Debian ships pjproject whole inside that package; apt fetches it and checks its signature.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from steps import BuildFailed, run, say

DEBIAN_SOURCE = "asterisk"
DEBIAN_SUITE = "unstable"
DEBIAN_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


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
