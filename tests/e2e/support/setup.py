"""Configurations of a server under test, on disk."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.support.ports import free_ports
from tests.e2e.support.sip import host_port

HOST = "127.0.0.1"
NUMBER = "1000"
RTP_PAIRS = 20
WORKERS = 2


@dataclass(frozen=True, slots=True)
class Setup:
    """A configuration on disk, so that a server can be started on it again after a crash."""

    config: Path
    storage: Path
    sip_port: int
    tls_port: int
    http_port: int
    rtp_ports: Collection[int]
    host: str = HOST


def write_setup(
    directory: Path,
    model_url: str | None,
    *,
    agent: Mapping[str, Any] | None = None,
    trunk: Mapping[str, Any] | None = None,
    agents: Mapping[str, Mapping[str, Any]] | None = None,
    trunks: Mapping[str, Mapping[str, Any]] | None = None,
    certificate: tuple[Path, Path] | None = None,
    host: str = HOST,
    rtp_pairs: int = RTP_PAIRS,
    top: Mapping[str, Any] | None = None,
    **sections: Mapping[str, Any],
) -> Setup:
    """A server with a trunk, `carrier`, whose only number reaches an agent, the `receptionist`.

    Without `model_url` agents echo. `agent` and `trunk` are laid over the defaults of these two, key by key,
    and so are `sections` of sipagent.yaml (`sip`, `limits`, `storage`, ...). Further `agents` and `trunks`,
    by name, have the same defaults. `top` holds keys of sipagent.yaml that are no sections. With a
    `certificate` and its key there is a TLS listener.
    """
    directory.mkdir(parents=True, exist_ok=True)
    sip, tls, http, _, *rtp = free_ports(4 + 2 * rtp_pairs, host)
    storage = Path(sections.get("storage", {}).get("directory", directory / "storage"))
    backend = {"kind": "echo"} if model_url is None else {"kind": "openai_realtime", "url": model_url}
    defaults = {
        "sip": {"listen_udp": host_port((host, sip)), "listen_tcp": host_port((host, sip))},
        "rtp": {"bind_address": host, "first_port": rtp[0], "last_port": rtp[-1]},
        "media": {"workers": WORKERS},
        "limits": {"max_calls": rtp_pairs, "max_calls_per_second": 1000},
        "http": {"listen": f"{HOST}:{http}"},
        "storage": {"directory": str(storage)},
        "logging": {"level": "debug", "full_numbers": True},
    }
    if certificate is not None:
        ours = {"certificate_file": str(certificate[0]), "key_file": str(certificate[1])}
        defaults["sip"] |= {"listen_tls": f"{host}:{tls}", "tls": ours}
    names = defaults.keys() | sections.keys()
    _write(
        directory / "sipagent.yaml",
        {name: {**defaults.get(name, {}), **sections.get(name, {})} for name in names} | dict(top or {}),
    )
    carrier = {"allowed_addresses": [host], "numbers": {NUMBER: "receptionist"}}
    for name, differing in ({"carrier": trunk or {}} | dict(trunks or {})).items():
        _write(directory / f"trunks/{name}.yaml", carrier | dict(differing))
    receptionist = {"backend": backend, "instructions": "You are the receptionist."}
    for name, differing in ({"receptionist": agent or {}} | dict(agents or {})).items():
        _write(directory / f"agents/{name}.yaml", receptionist | dict(differing))
    return Setup(directory / "sipagent.yaml", storage, sip, tls, http, rtp, host)


def _write(path: Path, document: Mapping[str, Any]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(dict(document)))
