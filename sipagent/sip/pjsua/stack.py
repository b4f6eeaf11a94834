"""pjsua2 as a whole: listeners, what it hears outside of accounts and calls, and whom it answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pjsua2 as pj

from sipagent.config import HostPort, SipConfig, TlsConfig
from sipagent.errors import ConfigError
from sipagent.sip import pjlog
from sipagent.sip.handlers import StackHandler
from sipagent.sip.messages import Transport
from sipagent.sip.pjsua.base import IS_TUNED, UNTUNED_MAX_CALLS, PjError, contained, reason, text

#: How long a TLS handshake may take, either way; unlimited, half-open connections would add up.
HANDSHAKE_MS = 5000
#: The shortest that pjmedia makes for a stream: it is never fed.
JITTER_BUFFER_MS = 20
#: As many as pjsua2 holds.
MAX_NAMESERVERS = 4


class _Endpoint(pj.Endpoint):  # type: ignore[misc] # pjsua2 is untyped
    handler: StackHandler

    @contained
    def onSelectAccount(self, prm: Any) -> None:
        index = self.handler.select_account(prm.rdata.srcAddress)
        if index is not None:
            prm.accountIndex = index

    @contained
    def onRejectedIncomingCall(self, prm: Any) -> None:
        self.handler.on_rejected(prm.statusCode, prm.rdata.srcAddress, text(prm.rdata.wholeMsg))

    @contained
    def onTransportState(self, prm: Any) -> None:
        if prm.state == pj.PJSIP_TP_STATE_DISCONNECTED:
            self.handler.on_connection_lost(prm.type)


class _LogWriter(pj.LogWriter):  # type: ignore[misc] # pjsua2 is untyped
    def write(self, entry: Any) -> None:
        pjlog.forward(entry.level, text(entry.msg))


class Stack:
    """pjsua2 as a whole, one per process, for signalling alone: it opens no media socket and no device."""

    def __init__(self, handler: StackHandler) -> None:
        self._endpoint = _Endpoint()
        self._endpoint.handler = handler

    def start(self, sip: SipConfig, nameservers: Iterable[str] = ()) -> None:
        """Open the listeners. Raises `ConfigError` when one can't be opened.

        Names that come up within calls (in Contact, say) are asked of `nameservers`, by pjsip and without
        blocking anybody; without any, each of them holds up the process.
        """
        self._endpoint.libCreate()
        self._endpoint.libInit(_endpoint_config(sip.user_agent, nameservers))
        for transport, listen in _listeners(sip):
            try:
                self._endpoint.transportCreate(*_transport(transport, listen, sip.tls))
            except PjError as error:
                raise ConfigError(
                    [f"sip.listen_{transport}: can't listen on {listen}: {reason(error)}"]
                ) from None
        self._endpoint.audDevManager().setNoDev()
        self._endpoint.libStart()
        self._endpoint.audDevManager().setNoDev()

    def poll(self) -> None:
        """Let pjsua2 read sockets and run timers, without waiting."""
        self._endpoint.libHandleEvents(0)

    def stop(self) -> None:
        """Every `PjCall` and `PjAccount` must be gone by now."""
        self._endpoint.libDestroy(pj.PJSUA_DESTROY_NO_NETWORK)
        del self._endpoint  # now, not when the last reference to us goes: a process has one at most


def max_calls() -> int:
    """How many calls this build of pjsua2 can carry, whatever it is asked for."""
    if not IS_TUNED:
        return UNTUNED_MAX_CALLS
    return int(dict(fact.split("=", 1) for fact in pj.compiledLimits().split())["max_calls"])


def set_source_filter(networks: Iterable[str]) -> None:
    """Answer requests from these networks only. Tuned builds alone can do that."""
    pj.setSourceFilter(" ".join(networks))


def dropped_requests() -> int:
    """Requests that the source filter dropped since the process began."""
    return int(pj.sourceFilterDropped()) if IS_TUNED else 0


def _endpoint_config(user_agent: str, nameservers: Iterable[str]) -> Any:
    config = pj.EpConfig()
    config.uaConfig.nameserver = pj.StringVector(list(nameservers)[:MAX_NAMESERVERS])
    config.uaConfig.threadCnt = 0
    config.uaConfig.mainThreadOnly = True
    config.uaConfig.maxCalls = max_calls()
    config.uaConfig.userAgent = user_agent
    config.medConfig.clockRate = config.medConfig.sndClockRate = 8000
    config.medConfig.hasIoqueue = False
    config.medConfig.threadCnt = 0
    config.medConfig.jbMax = JITTER_BUFFER_MS
    config.logConfig.level = config.logConfig.consoleLevel = pjlog.wanted_level()  # "console" is the writer
    config.logConfig.decor = pj.PJ_LOG_HAS_SENDER
    config.logConfig.writer = _LogWriter().__disown__()  # libDestroy deletes it
    return config


def _listeners(sip: SipConfig) -> Iterable[tuple[Transport, HostPort]]:
    transports: tuple[Transport, ...] = ("udp", "tcp", "tls")
    return [(name, listen) for name in transports if (listen := sip.listener(name)) is not None]


def _transport(transport: Transport, listen: HostPort, tls: TlsConfig | None) -> tuple[int, Any]:
    config = pj.TransportConfig()
    config.boundAddress, config.port = listen.host, listen.port
    if transport == "tls" and tls is not None:
        config.tlsConfig.certFile = str(tls.certificate_file)
        config.tlsConfig.privKeyFile = str(tls.key_file)
        config.tlsConfig.CaListFile = str(tls.ca_file or "")
        config.tlsConfig.verifyServer = config.tlsConfig.verifyClient = tls.verify_peer
        config.tlsConfig.msecTimeout = HANDSHAKE_MS
        config.tlsConfig.proto = pj.PJ_SSL_SOCK_PROTO_TLS1_2 | pj.PJ_SSL_SOCK_PROTO_TLS1_3
    suffix = "6" if ":" in listen.host else ""
    return getattr(pj, f"PJSIP_TRANSPORT_{transport.upper()}{suffix}"), config
