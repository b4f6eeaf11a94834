"""What of another configuration a running server can take up, and what differs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sipagent.config.server import ServerConfig
from sipagent.config.values import Section

#: The keys of `sipagent.yaml` that a running server can take up: those that are asked for with every call.
#: Whatever isn't here was used when the server started, and waits for the next start.
CHANGEABLE = frozenset(
    {
        "limits",
        "callers",
        "backend_health",
        "budget",
        "outbound",
        "prices",
        "public_address",
        "stun_server",
        "stun_refresh_s",
        "rtp.jitter_min_ms",
        "rtp.jitter_max_ms",
        "rtp.first_packet_timeout_s",
        "rtp.timeout_s",
        "rtp.hold_timeout_s",
    }
)


@dataclass(frozen=True, slots=True)
class Changes:
    """The names that are new, gone or different in one of the mappings of a configuration."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]

    @classmethod
    def between(cls, before: Mapping[str, object], after: Mapping[str, object]) -> Changes:
        both = before.keys() & after.keys()
        return cls(
            added=tuple(sorted(after.keys() - before.keys())),
            changed=tuple(sorted(name for name in both if before[name] != after[name])),
            removed=tuple(sorted(before.keys() - after.keys())),
        )


def taken_up(running: ServerConfig, read: ServerConfig) -> ServerConfig:
    """`read`, but where that can't be had without a restart, as it is `running`."""
    return ServerConfig(
        **{key: _section(key, getattr(running, key), getattr(read, key)) for key in ServerConfig.model_fields}
    )


def needs_restart(running: ServerConfig, read: ServerConfig) -> tuple[str, ...]:
    """The keys that differ and that a running server can't take up."""
    return tuple(sorted(_fixed_differences(running, read)))


def _section(key: str, running: Any, read: Any) -> Any:
    if key in CHANGEABLE:
        return read
    inner = [name.partition(".")[2] for name in CHANGEABLE if name.startswith(f"{key}.")]
    return running.model_copy(update={name: getattr(read, name) for name in inner}) if inner else running


def _fixed_differences(running: ServerConfig, read: ServerConfig) -> Iterator[str]:
    for key in ServerConfig.model_fields:
        before, after = getattr(running, key), getattr(read, key)
        if key in CHANGEABLE or before == after:
            continue
        if not (isinstance(before, Section) and isinstance(after, Section)):
            yield key
            continue
        for name in type(before).model_fields:
            path = f"{key}.{name}"
            if path not in CHANGEABLE and getattr(before, name) != getattr(after, name):
                yield path
