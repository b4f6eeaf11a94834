"""The build of pjsua2. It is asked in a process of its own: in this one, pjsua2 is the SIP agent's alone."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Mapping

from sipagent.config import Config
from sipagent.doctor.finding import Finding, fail, ok, warn

PROBE = (sys.executable, "-m", "sipagent.sip.probe")
BUILD_IT = "Build the tuned wheel: make pjsua2."


async def check(config: Config) -> list[Finding]:
    process = await asyncio.create_subprocess_exec(
        *PROBE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        reason = (errors.decode(errors="replace").strip().splitlines() or ["it crashed"])[-1]
        return [fail("pjsua2", f"can't be loaded: {reason}", BUILD_IT)]
    return list(findings(parsed(output.decode(errors="replace")), config))


def parsed(output: str) -> dict[str, str]:
    """The facts in the last line of the probe's output; pjsua2 may have logged before it."""
    words = output.strip().rpartition("\n")[2].split()
    facts: dict[str, str] = {}
    for key, is_fact, value in (word.partition("=") for word in words):
        if is_fact:
            facts[key] = value
    return facts


def findings(facts: Mapping[str, str], config: Config) -> Iterator[Finding]:
    """What the facts mean for this configuration."""
    yield _build(facts)
    yield _call_limit(int(facts["max_calls"]), config)
    yield _tls(facts["tls"], config)
    yield _srtp(facts["srtp"], config)
    yield _ioqueue(facts.get("ioqueue", "select"), facts.get("handles", "64"))


def _build(facts: Mapping[str, str]) -> Finding:
    if facts["build"] != "tuned":
        return warn("pjsua2", f"{facts['version']}, a stock build: good for trying things out", BUILD_IT)
    return ok("pjsua2", f"{facts['version']}, tuned build")


def _call_limit(compiled: int, config: Config) -> Finding:
    wanted = config.limits.max_calls
    if compiled < wanted:
        detail = f"this build carries {compiled} calls, limits.max_calls is {wanted}"
        return fail("pjsua2 call limit", detail, f"{BUILD_IT[:-1]}, or set limits.max_calls to {compiled}.")
    return ok("pjsua2 call limit", f"{compiled} calls, limits.max_calls is {wanted}")


def _tls(library: str, config: Config) -> Finding:
    name = "pjsua2 TLS"
    needed = config.sip.listen_tls is not None
    if library == "none":
        detail = "built without TLS"
        return fail(name, f"{detail}, but sip.listen_tls is set", BUILD_IT) if needed else ok(name, detail)
    if library.startswith("OpenSSL/1."):
        return warn(name, f"{library}, which is no longer maintained", BUILD_IT)
    return ok(name, library)


def _srtp(state: str, config: Config) -> Finding:
    if state != "off":
        trunks = [trunk.name for trunk in config.trunks.values() if trunk.srtp != "off"]
        if trunks:
            return fail("pjsua2 SRTP", f"this build leaves none to us: not for {', '.join(trunks)}", BUILD_IT)
        detail = f"{state}: pjsip's own SRTP parser can be overflowed before authentication (CVE-2026-57162)"
        return warn("pjsua2 SRTP", detail, BUILD_IT)
    return ok("pjsua2 SRTP", "off, as it should be: SRTP is ours")


def _ioqueue(kind: str, handles: str) -> Finding:
    if not kind.startswith("epoll"):
        return warn("pjsua2 ioqueue", f"{kind} with {handles} sockets: few TCP and TLS peers fit", BUILD_IT)
    return ok("pjsua2 ioqueue", f"{kind}, {handles} sockets")
