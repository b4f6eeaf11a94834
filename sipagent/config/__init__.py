"""Configuration: a frozen value, checked whole before anything starts.

`load` reads `sipagent.yaml` with `trunks/*.yaml` and `agents/*.yaml` beside it; `check` also looks whether
the secrets and files it refers to are there. Both raise one `ConfigError` that holds every problem found.
"""

from sipagent.config.agent import (
    AgentConfig,
    BackendConfig,
    BargeInConfig,
    EchoConfig,
    OpenAIRealtimeConfig,
    PromptConfig,
    SemanticVadConfig,
    ServerVadConfig,
    TranscriptionConfig,
    TurnDetectionConfig,
    VoicemailConfig,
)
from sipagent.config.api import ApiConfig, TokenConfig
from sipagent.config.call_log import CallLogConfig, RedactionConfig, RetentionConfig
from sipagent.config.callers import CallersConfig
from sipagent.config.fallback import FallbackConfig, FallbackStep
from sipagent.config.loading import check, check_again, load
from sipagent.config.outbound import (
    DEFAULT_TENANT,
    CapsConfig,
    OutboundConfig,
    PoolConfig,
    RetryConfig,
    TenantConfig,
)
from sipagent.config.prices import BudgetConfig, CallPrices, ModelPrices, PricesConfig, TrunkPrices
from sipagent.config.routes import RoutesConfig
from sipagent.config.server import (
    BackendHealthConfig,
    Config,
    HttpConfig,
    LimitsConfig,
    LoggingConfig,
    MediaConfig,
    RtpConfig,
    SipConfig,
    StorageConfig,
    TlsConfig,
)
from sipagent.config.transfer import TransferPolicyConfig, TransferTargetConfig
from sipagent.config.trunk import (
    ANY_NUMBER,
    CallerIdConfig,
    RegistrationConfig,
    SessionTimerConfig,
    TrunkConfig,
    host_and_port,
)
from sipagent.config.values import HostPort, Secret, ServerAddress, plain_ip
from sipagent.config.webhooks import WebhookConfig

__all__ = [
    "ANY_NUMBER",
    "DEFAULT_TENANT",
    "AgentConfig",
    "ApiConfig",
    "BackendConfig",
    "BackendHealthConfig",
    "BargeInConfig",
    "BudgetConfig",
    "CallLogConfig",
    "CallPrices",
    "CallerIdConfig",
    "CallersConfig",
    "CapsConfig",
    "Config",
    "EchoConfig",
    "FallbackConfig",
    "FallbackStep",
    "HostPort",
    "HttpConfig",
    "LimitsConfig",
    "LoggingConfig",
    "MediaConfig",
    "ModelPrices",
    "OpenAIRealtimeConfig",
    "OutboundConfig",
    "PoolConfig",
    "PricesConfig",
    "PromptConfig",
    "RedactionConfig",
    "RegistrationConfig",
    "RetentionConfig",
    "RetryConfig",
    "RoutesConfig",
    "RtpConfig",
    "Secret",
    "SemanticVadConfig",
    "ServerAddress",
    "ServerVadConfig",
    "SessionTimerConfig",
    "SipConfig",
    "StorageConfig",
    "TenantConfig",
    "TlsConfig",
    "TokenConfig",
    "TranscriptionConfig",
    "TransferPolicyConfig",
    "TransferTargetConfig",
    "TrunkConfig",
    "TrunkPrices",
    "TurnDetectionConfig",
    "VoicemailConfig",
    "WebhookConfig",
    "check",
    "check_again",
    "host_and_port",
    "load",
    "plain_ip",
]
