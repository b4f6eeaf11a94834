"""What stands in `sipagent.yaml`, and the whole configuration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from sipagent.config.agent import AgentConfig
from sipagent.config.api import ApiConfig
from sipagent.config.call_log import CallLogConfig, RedactionConfig, RetentionConfig
from sipagent.config.callers import CallersConfig
from sipagent.config.outbound import OutboundConfig
from sipagent.config.prices import BudgetConfig, PricesConfig
from sipagent.config.routes import RoutesConfig
from sipagent.config.tools import ToolLimitsConfig
from sipagent.config.trunk import TrunkConfig
from sipagent.config.values import (
    ConfigPath,
    HostPort,
    IpLiteral,
    Listen,
    NameServer,
    PublicAddress,
    Section,
    ServerAddress,
    StunServer,
)
from sipagent.config.webhooks import WebhookConfig

Port = Annotated[int, Field(ge=1024, le=65535)]


class TlsConfig(Section):
    """Our certificate, and whether peers must show a valid one (`ca_file` null: the system's authorities)."""

    certificate_file: ConfigPath
    key_file: ConfigPath
    ca_file: ConfigPath | None = None
    verify_peer: bool = True


class SipConfig(Section):
    """Where we listen for SIP. A null listener is off; a trunk needs the listener of its transport.

    `nameservers` are asked instead of those of this system.
    """

    listen_udp: Listen | None = HostPort("0.0.0.0", 5060)
    listen_tcp: Listen | None = HostPort("0.0.0.0", 5060)
    listen_tls: Listen | None = None
    tls: TlsConfig | None = None
    user_agent: str = "sipagent"
    nameservers: tuple[NameServer, ...] = ()

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if self.listen_udp is None and self.listen_tcp is None and self.listen_tls is None:
            raise ValueError("at least one of listen_udp, listen_tcp and listen_tls is needed")
        if self.listen_tls is not None and self.tls is None:
            raise ValueError("listen_tls needs a tls section with certificate_file and key_file")
        return self

    def listener(self, transport: Literal["udp", "tcp", "tls"]) -> HostPort | None:
        return {"udp": self.listen_udp, "tcp": self.listen_tcp, "tls": self.listen_tls}[transport]


class RtpConfig(Section):
    """RTP sockets, the jitter buffer, and after what time without RTP a call is ended (0: never).

    A call takes an even port and the odd one after it.
    """

    bind_address: IpLiteral = "0.0.0.0"
    first_port: Port = 20000
    last_port: Port = 29999
    quarantine_s: Annotated[float, Field(ge=0)] = 3.0
    jitter_min_ms: Annotated[int, Field(ge=0, le=1000)] = 60
    jitter_max_ms: Annotated[int, Field(ge=20, le=1000)] = 200
    first_packet_timeout_s: Annotated[float, Field(ge=0)] = 30.0
    timeout_s: Annotated[float, Field(ge=0)] = 20.0
    hold_timeout_s: Annotated[float, Field(ge=0)] = 300.0
    dscp: Annotated[int, Field(ge=0, le=63)] = 46

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.first_port % 2:
            raise ValueError("first_port must be even: RTP takes the even port of a pair, RTCP the odd one")
        if self.last_port <= self.first_port:
            raise ValueError("last_port must be above first_port")
        if self.jitter_min_ms > self.jitter_max_ms:
            raise ValueError("jitter_min_ms must not be above jitter_max_ms")
        return self

    @property
    def port_pairs(self) -> int:
        return (self.last_port - self.first_port + 1) // 2


class MediaConfig(Section):
    """Media workers: a number, or `auto` for one per core."""

    workers: Annotated[int, Field(ge=1, le=256)] | Literal["auto"] = "auto"


class LimitsConfig(Section):
    """What the server takes in all; a trunk or an agent may allow less."""

    max_calls: PositiveInt = 100
    max_calls_per_second: PositiveFloat = 20.0
    max_call_duration_s: PositiveInt = 3600
    drain_deadline_s: PositiveInt = 60


class BackendHealthConfig(Section):
    """When an agent's backend counts as down, and how often a call then tries whether it is up again."""

    down_after_failures: PositiveInt = 3
    retry_s: PositiveFloat = 30.0


class HttpTlsConfig(Section):
    """The certificate of the HTTP listener; with its chain, as PEM."""

    certificate_file: ConfigPath
    key_file: ConfigPath


class HttpConfig(Section):
    """The control API, health and metrics. `metrics: token` asks for a token with `metrics:read`."""

    listen: Listen = HostPort("127.0.0.1", 8080)
    tls: HttpTlsConfig | None = None
    metrics: Literal["open", "token", "off"] = "open"


class StorageConfig(Section):
    """Where recordings, transcripts, SIP ladders, the spool of call records and their database lie."""

    directory: ConfigPath = Path("/var/lib/sipagent")

    @property
    def recordings(self) -> Path:
        return self.directory / "recordings"

    @property
    def transcripts(self) -> Path:
        return self.directory / "transcripts"

    @property
    def ladders(self) -> Path:
        return self.directory / "ladders"

    @property
    def spool(self) -> Path:
        return self.directory / "spool"

    @property
    def calls_database(self) -> Path:
        """The database of calls, unless `call_log.url` names another."""
        return self.directory / "calls.db"

    @property
    def capacity(self) -> Path:
        """What `sipagent capacity` found."""
        return self.directory / "capacity.json"

    @property
    def webhooks_outbox(self) -> Path:
        """Webhooks that wait for delivery."""
        return self.directory / "webhooks.db"

    @property
    def dials_database(self) -> Path:
        """Dials that wait for their calls, and those that are over."""
        return self.directory / "dials.db"


class LoggingConfig(Section):
    """What is logged, how, and into which file (null: to stderr). Phone numbers are masked unless
    `full_numbers`."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "console"] = "json"
    file: ConfigPath | None = None
    full_numbers: bool = False


class ServerConfig(Section):
    """The contents of `sipagent.yaml`."""

    sip: SipConfig = SipConfig()
    rtp: RtpConfig = RtpConfig()
    media: MediaConfig = MediaConfig()
    limits: LimitsConfig = LimitsConfig()
    tools: ToolLimitsConfig = ToolLimitsConfig()
    callers: CallersConfig = CallersConfig()
    backend_health: BackendHealthConfig = BackendHealthConfig()
    http: HttpConfig = HttpConfig()
    storage: StorageConfig = StorageConfig()
    call_log: CallLogConfig = CallLogConfig()
    retention: RetentionConfig = RetentionConfig()
    redact: RedactionConfig = RedactionConfig()
    budget: BudgetConfig = BudgetConfig()
    prices: PricesConfig | None = None
    api: ApiConfig = ApiConfig()
    webhooks: tuple[WebhookConfig, ...] = ()
    outbound: OutboundConfig = OutboundConfig()
    logging: LoggingConfig = LoggingConfig()
    public_address: PublicAddress = "auto"
    stun_server: StunServer | None = None
    stun_refresh_s: PositiveInt = 30


class Config(ServerConfig):
    """The whole configuration. `numbers` of every trunk name agents that are in `agents`."""

    trunks: Mapping[str, TrunkConfig] = {}
    agents: Mapping[str, AgentConfig] = {}
    routes: RoutesConfig = RoutesConfig()

    def public_address_of(self, trunk: TrunkConfig) -> str:
        """What SDP says to this trunk: an IP address, or where to look for one.

        `auto` is the address of the route to the peer, `stun` the one that a STUN server sees us at.
        """
        return trunk.public_address or self.public_address

    def stun_server_of(self, trunk: TrunkConfig) -> ServerAddress | None:
        """Whom to ask for our address towards this trunk; None if that is not to be asked."""
        if self.public_address_of(trunk) != "stun":
            return None
        return trunk.stun_server or self.stun_server
