"""What this build of pjsua2 can do, measured in a process of its own: `python -m sipagent.sip.probe`.

The last line of output holds the facts as `max_calls=2048 tls=OpenSSL/3.0.15 ...`. A tuned build knows them
by itself. Any other is tried out on loopback, for pjsua2 silently cuts a `maxCalls` above its compiled limit.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import pjsua2 as pj

#: As many calls as are tried: more than a stock build carries.
TRIED_CALLS = 8


def facts() -> str:
    """The facts as words of `key=value`. To be called once: it uses up the process's endpoint."""
    if hasattr(pj, "compiledLimits"):
        return f"{pj.compiledLimits()} build=tuned"
    return _measured()


def _measured() -> str:
    endpoint = pj.Endpoint()
    endpoint.libCreate()
    endpoint.libInit(_quiet_config())
    loopback = pj.TransportConfig()
    loopback.boundAddress = "127.0.0.1"
    endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, loopback)
    tls = _tls_library() if _can_tls(endpoint, loopback) else "none"
    endpoint.audDevManager().setNoDev()
    endpoint.libStart()
    endpoint.audDevManager().setNoDev()
    calls, version = _calls_until_refused(), endpoint.libVersion().full
    return f"max_calls={calls} tls={tls} srtp=unknown version={version} build=stock"


def _quiet_config() -> Any:
    config = pj.EpConfig()
    config.uaConfig.maxCalls = TRIED_CALLS
    config.uaConfig.threadCnt = 0
    config.uaConfig.mainThreadOnly = True
    config.logConfig.level = config.logConfig.consoleLevel = 0
    config.medConfig.clockRate = config.medConfig.sndClockRate = 8000
    config.medConfig.hasIoqueue = False
    config.medConfig.threadCnt = 0
    return config


def _can_tls(endpoint: Any, transport: Any) -> bool:
    try:
        endpoint.transportCreate(pj.PJSIP_TRANSPORT_TLS, transport)
    except pj.Error:
        return False
    return True


def _tls_library() -> str:
    """The version of the libssl that pjsua2 brought along, by the name of its file."""
    found = re.search(r"/libssl[^/\n]*\.so\.(\S+)", Path("/proc/self/maps").read_text())
    return f"OpenSSL/{found[1]}" if found else "yes"


def _calls_until_refused() -> int:
    """Place calls to nowhere on loopback until pjsua2 has no place for one more."""
    config = pj.AccountConfig()
    config.idUri = "sip:probe@127.0.0.1"
    config.mediaConfig.useLoopMedTp = True
    account = pj.Account()
    account.create(config)
    calls: list[Any] = []
    try:
        while len(calls) < TRIED_CALLS:
            call = pj.Call(account)
            call.makeCall("sip:nobody@127.0.0.1:9", pj.CallOpParam(True))
            calls.append(call)
    except pj.Error:
        pass
    return len(calls)


if __name__ == "__main__":
    sys.stdout.write(f"\n{facts()}\n")
    sys.stdout.flush()
    os._exit(0)  # calls in progress: nothing to tear down in order
