"""Are the voice models there: a connection to each server, without asking it for anything."""

from __future__ import annotations

import asyncio
import ssl
import time
from ipaddress import ip_address
from urllib.parse import urlsplit

from sipagent.config import Config, OpenAIRealtimeConfig, Secret
from sipagent.doctor.finding import Finding, fail, ok, warn

#: A connection slower than this is heard: every call waits for it before it is answered.
SLOW_MS = 500


async def check(config: Config) -> list[Finding]:
    """One finding per server, and one per agent whose secrets can't be used."""
    agents = {
        name: a.backend for name, a in config.agents.items() if isinstance(a.backend, OpenAIRealtimeConfig)
    }
    servers = dict.fromkeys(backend.url for backend in agents.values())
    reached = await asyncio.gather(*(_reach(url) for url in servers))
    secrets = [_credentials(name, backend) for name, backend in agents.items()]
    return [*reached, *secrets]


async def _reach(url: str) -> Finding:
    """Connect, with TLS for wss, and tell how long it took."""
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "wss"
    port = parts.port or (443 if secure else 80)
    name = f"backend {parts.netloc.rpartition('@')[2]}"
    started = time.monotonic()
    try:
        _, writer = await asyncio.open_connection(host, port, ssl=secure or None)
    except ssl.SSLError as error:
        fix = "Install ca-certificates, set the clock, or mend the certificate of that server."
        return fail(name, f"TLS failed: {error.reason or error}", fix)
    except OSError as error:
        fix = f"Check the url of the agents that use it, DNS, and that port {port} is open outwards."
        return fail(name, f"can't be reached: {error.strerror or error}", fix)
    elapsed_ms = (time.monotonic() - started) * 1000
    writer.transport.abort()
    detail = f"connected in {elapsed_ms:.0f} ms, {'TLS' if secure else 'no TLS'}"
    if elapsed_ms > SLOW_MS:
        return warn(name, detail, "Choose a region nearer to this machine.")
    return ok(name, detail)


def _credentials(agent: str, backend: OpenAIRealtimeConfig) -> Finding:
    """Are the secrets there, and do they travel encrypted?"""
    name = f"credentials of {agent}"
    secrets = [s for s in (backend.api_key, *backend.headers.values()) if isinstance(s, Secret)]
    problems = [problem for secret in secrets if (problem := secret.problem())]
    if problems:
        return fail(name, "; ".join(problems), "Set it in the environment of the service, or give the file.")
    if secrets and not _stays_secret(backend.url):
        return warn(name, "the key goes over an unencrypted connection", f"Use wss:// in agent {agent}.")
    return ok(name, f"{len(secrets)} present" if secrets else "none needed")


def _stays_secret(url: str) -> bool:
    """Is a connection to `url` encrypted, or does it stay on this machine?"""
    parts = urlsplit(url)
    if parts.scheme == "wss" or parts.hostname == "localhost":
        return True
    try:
        return ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False
