"""What of a unit's sandbox works without systemd: a command under its system call filter and memory rules.

    sandbox.py UNIT COMMAND...

It runs in Debian's Python, for that one has libseccomp; what needs root comes before it (see `wrapper`).
"""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 65, 1
READ_ONLY = 'mkdir -p "$1" && mount --bind "$1" "$1" && mount -o remount,bind,ro / && shift && exec "$@"'


def wrapper(unit: Path, writable: Path) -> tuple[str, ...]:
    """A command in front of another: no capabilities, a read-only root but for `writable`, and `main` below.

    Who may not raise limits (in most containers) keeps CAP_SYS_NICE in the place of LimitRTPRIO.
    """
    limits, kept = raised_limits(unit), ""
    if subprocess.run([*limits, "true"], capture_output=True).returncode:
        limits, kept = (), ",+sys_nice"
    return (
        *("unshare", "--mount", "sh", "-ec", READ_ONLY, "sh", str(writable), *limits),
        *("setpriv", "--no-new-privs", f"--bounding-set=-all{kept}", "--inh-caps=-all"),
        *("/usr/bin/python3", __file__, str(unit)),
    )


def raised_limits(unit: Path) -> tuple[str, ...]:
    nice = 20 - int(values(unit, "LimitNICE")[-1])  # getrlimit(2): the ceiling of 20 - nice
    priority, files = values(unit, "LimitRTPRIO")[-1], values(unit, "LimitNOFILE")[-1]
    return ("prlimit", f"--rtprio={priority}", f"--nofile={files}", f"--nice={nice}")


def values(unit: Path, key: str) -> list[str]:
    """What the unit assigns to a key, in order."""
    lines = (line.partition("=") for line in unit.read_text().splitlines())
    return [value for name, _, value in lines if name == key]


def allowed_calls(unit: Path) -> set[str]:
    """The names of system calls that `SystemCallFilter` lets through."""
    allowed: set[str] = set()
    for value in values(unit, "SystemCallFilter"):
        names = {name for group in value.strip("~").split() for name in expanded(group)}
        allowed = allowed - names if value.startswith("~") else allowed | names
    return allowed


def expanded(group: str) -> set[str]:
    """A set of systemd's as single system calls."""
    if not group.startswith("@"):
        return {group}
    listing = subprocess.run(
        ["systemd-analyze", "syscall-filter", group], check=True, capture_output=True, text=True
    ).stdout
    entries = (line.strip() for line in listing.splitlines()[1:])
    return {name for entry in entries if entry and not entry.startswith("#") for name in expanded(entry)}


def filter_calls(allowed: set[str]) -> None:
    import seccomp

    rules = seccomp.SyscallFilter(seccomp.ERRNO(1))
    for name in allowed:
        try:
            rules.add_rule(seccomp.ALLOW, name)
        except (RuntimeError, ValueError):  # not of this architecture
            continue
    rules.load()


def main() -> None:
    unit, command = Path(sys.argv[1]), sys.argv[2:]
    allowed = allowed_calls(unit)
    if ctypes.CDLL(None).prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0):
        sys.exit("this kernel has no PR_SET_MDWE (Linux 6.3)")
    filter_calls(allowed)
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
