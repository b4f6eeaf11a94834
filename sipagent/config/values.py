"""The value types that configuration is made of."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainSerializer,
    PlainValidator,
    Tag,
    ValidationInfo,
    model_validator,
)

from sipagent.errors import ConfigError


class Section(BaseModel):
    """A part of the configuration: frozen, and every key must be known. Errors never repeat the input."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


@dataclass(frozen=True, slots=True)
class HostPort:
    """An address to listen on. Prints, and is written, as `host:port` or `[v6]:port`."""

    host: str
    port: int

    @classmethod
    def parse(cls, value: object) -> HostPort:
        if isinstance(value, HostPort):
            return value
        host, colon, port = str(value).rpartition(":")
        if not colon or not port.isdecimal() or not 0 < int(port) < 65536:
            raise ValueError("must be 'address:port', such as '0.0.0.0:5060' or '[::]:5060'")
        bracketed = host.startswith("[") and host.endswith("]")
        literal = _ip_literal(host[1:-1] if bracketed else host)
        if ":" in literal and not bracketed:
            raise ValueError(f"an IPv6 address stands in brackets: '[{literal}]:{port}'")
        return cls(literal, int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


_SERVER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::(\d{1,5}))?")

Listen = Annotated[HostPort, PlainValidator(HostPort.parse), PlainSerializer(str, return_type=str)]


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """A server that we ask something of, by name or address. Written as `host` or `host:port`."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


STUN_PORT = 3478
DNS_PORT = 53


def _stun_server(value: object) -> ServerAddress:
    return _server(value, STUN_PORT, "must be 'host' or 'host:port', such as 'stun.example:3478'")


def _name_server(value: object) -> ServerAddress:
    wanted = "must be an IP address, such as '192.0.2.53', with ':port' if need be"
    server = _server(value, DNS_PORT, wanted)
    return ServerAddress(_ip_literal(server.host), server.port)


def _server(value: object, default_port: int, wanted: str) -> ServerAddress:
    if isinstance(value, ServerAddress):
        return value
    match = _SERVER.fullmatch(str(value))
    port = int(match[2] or default_port) if match else 0
    if match is None or not 0 < port < 65536:
        raise ValueError(wanted)
    return ServerAddress(match[1].strip("[]"), port)


_PLACES = "{env: NAME}, {file: path} or {credential: NAME}"


class Secret(Section):
    """Where a secret is to be found: `{env: NAME}`, `{file: path}` or `{credential: NAME}`, one that systemd
    passes (systemd.exec(5), LoadCredential). It never holds the secret itself."""

    env: str | None = None
    file: ConfigPath | None = None
    credential: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$")] | None = None

    @model_validator(mode="before")
    @classmethod
    def _not_literal(cls, value: Any) -> Any:
        if isinstance(value, (dict, Secret)):
            return value
        raise ValueError(f"secrets don't stand in configuration: write {_PLACES}")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if [self.env, self.file, self.credential].count(None) != 2:
            raise ValueError(f"write one of {_PLACES}")
        return self

    def resolve(self) -> str:
        """The secret itself. Raises `ConfigError` where `problem` has something to say."""
        if problem := self.problem():
            raise ConfigError([problem])
        return self._read()

    def problem(self) -> str | None:
        """Why the secret can't be used now, in words that don't give it away."""
        try:
            if self.file is not None and self.file.stat().st_mode & stat.S_IROTH:
                return f"{self.file} is readable by everyone on this machine: chmod o-r it"
            return None if self._read() else f"{self} is empty"
        except KeyError as missing:
            variable = f"environment variable {missing.args[0]} is not set"
            return variable if self.env else f"{self} is not there: {variable}"
        except (OSError, UnicodeDecodeError) as error:
            return f"{self} can't be read: {getattr(error, 'strerror', None) or 'it is not text'}"

    def _read(self) -> str:
        if self.env is not None:
            return os.environ[self.env].strip()
        directory = Path() if self.file else Path(os.environ["CREDENTIALS_DIRECTORY"])
        return (directory / (self.file or self.credential or "")).read_text().strip()

    def __str__(self) -> str:
        if self.env is not None:
            return f"environment variable {self.env}"
        return f"credential {self.credential}" if self.credential else str(self.file)


def _text_or_secret(value: object) -> str:
    return "secret" if isinstance(value, (dict, Secret)) else "text"


HeaderValue = Annotated[
    Annotated[str, Tag("text")] | Annotated[Secret, Tag("secret")], Discriminator(_text_or_secret)
]


@lru_cache(maxsize=1024)
def plain_ip(text: str) -> IPv4Address | IPv6Address:
    """The address a peer has: an IPv4 peer of an IPv6 socket is itself, not `::ffff:a.b.c.d`."""
    address = ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _ip_literal(value: str) -> str:
    try:
        return str(ip_address(value))
    except ValueError:
        raise ValueError(f"'{value}' is not an IP address") from None


def _network(value: object) -> IPv4Network | IPv6Network:
    text = str(value)
    try:
        loose = ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"'{text}' is neither an IP address nor a block such as 203.0.113.0/24") from None
    if loose.network_address != ip_address(text.partition("/")[0]):
        raise ValueError(f"'{text}' names a host inside a block: write {loose} or the address alone")
    return loose


def _public_address(value: object) -> str:
    return str(value) if value in ("auto", "stun") else _ip_literal(str(value))


def _beside_its_file(path: Path, info: ValidationInfo) -> Path:
    """Relative paths start at the file they stand in; the loader passes its directory as context."""
    directory: Path | None = (info.context or {}).get("directory")
    return path if directory is None else (directory / path).resolve()


ConfigPath = Annotated[Path, AfterValidator(_beside_its_file)]
_AS_TEXT = PlainSerializer(str, return_type=str)
Network = Annotated[IPv4Network | IPv6Network, PlainValidator(_network), _AS_TEXT]
PublicAddress = Annotated[str, BeforeValidator(_public_address)]
IpLiteral = Annotated[str, AfterValidator(_ip_literal)]
NameServer = Annotated[ServerAddress, PlainValidator(_name_server), _AS_TEXT]
StunServer = Annotated[ServerAddress, PlainValidator(_stun_server), _AS_TEXT]

Secret.model_rebuild()
