"""The tuned wheel: pjsip has numbered places for calls, and who had one before leaves the next alone."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pjsua2
import pytest

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        not hasattr(pjsua2, "compiledLimits"), reason="the fallback wheel is installed: make pjsua2"
    ),
]

#: An endpoint with one place for calls, and peers that are a socket each.
PRELUDE = r"""
import json, re, socket, time
import pjsua2 as pj

SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"


class Call(pj.Call):
    def __init__(self, account, call_id):
        super().__init__(account, call_id)
        self.heard = []

    def onCallState(self, prm):
        self.heard.append(self.getInfo().stateText)

    def onCallTsxState(self, prm):
        self.heard.append(f"{prm.e.body.tsxState.tsx.method} {prm.e.body.tsxState.tsx.statusCode}")


class Account(pj.Account):
    def onIncomingCall(self, prm):
        calls.append(Call(self, prm.callId))


def poll(until=lambda: False, seconds=10):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not until():
        endpoint.libHandleEvents(2)


class Peer:
    def __init__(self, name):
        self.name, self.got = name, []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.connect(("127.0.0.1", port))
        self.socket.setblocking(False)
        self.sip = f"127.0.0.1:{self.socket.getsockname()[1]}"

    def request(self, method, cseq, branch, sdp="", tag=""):
        self.send(
            f"{method} sip:b@127.0.0.1:{port} SIP/2.0",
            f"Via: SIP/2.0/UDP {self.sip};branch=z9hG4bK{branch}",
            f"From: <sip:a@{self.sip}>;tag={self.name}",
            f"To: <sip:b@127.0.0.1>{tag}",
            f"Call-ID: {self.name}",
            f"CSeq: {cseq} {method}",
            sdp=sdp,
        )

    def answer(self, status, request):
        copied = re.findall(r"(?m)^((?:Via|From|To|Call-ID|CSeq): .*)\r$", request)
        self.send(f"SIP/2.0 {status}", *copied)

    def send(self, *lines, sdp=""):
        lines += (f"Contact: <sip:a@{self.sip}>", "Max-Forwards: 70")
        lines += ("Content-Type: application/sdp", f"Content-Length: {len(sdp)}", "", sdp)
        self.socket.send("\r\n".join(lines).encode())

    def has(self, start):
        try:
            while True:
                self.got.append(self.socket.recv(4096).decode())
        except BlockingIOError:
            return next((message for message in self.got if message.startswith(start)), None)

    def receive(self, start):
        poll(lambda: self.has(start))
        return self.has(start)


endpoint = pj.Endpoint()
endpoint.libCreate()
config = pj.EpConfig()
config.uaConfig.threadCnt = config.medConfig.threadCnt = 0
config.uaConfig.mainThreadOnly = True
config.uaConfig.maxCalls = 1
config.medConfig.hasIoqueue = False
config.medConfig.clockRate = config.medConfig.sndClockRate = 8000
config.logConfig.level = config.logConfig.consoleLevel = 0
endpoint.libInit(config)
endpoint.audDevManager().setNoDev()
listen = pj.TransportConfig()
listen.port, listen.boundAddress = 0, "127.0.0.1"
transport = endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, listen)
endpoint.libStart()
endpoint.audDevManager().setNoDev()
port = int(endpoint.transportGetInfo(transport).localName.rpartition(":")[2])
settings = pj.AccountConfig()
settings.idUri = f"sip:b@127.0.0.1:{port}"
settings.mediaConfig.useLoopMedTp = True
settings.mediaConfig.srtpUse = pj.PJMEDIA_SRTP_OPTIONAL
account = Account()
account.create(settings)
calls = []
early, late = Peer("early"), Peer("late")
"""

EPILOGUE = """
calls.clear()
early_call = late_call = None
account.shutdown()
endpoint.libDestroy(pj.PJSUA_DESTROY_NO_NETWORK)
print("\\n" + json.dumps(result), flush=True)
"""


def run(script: str) -> Any:
    """Run a script after the prelude; its `result` comes back as the last line (pjlib writes before it)."""
    code = f"{PRELUDE}\n{script}\n{EPILOGUE}"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_call_is_not_hung_up_by_the_one_whose_place_it_has() -> None:
    result = run("""
early.request("INVITE", 1, "one")
poll(lambda: calls)
early.request("CANCEL", 1, "one")
early.receive("SIP/2.0 487")
late.request("INVITE", 1, "two")
poll(lambda: len(calls) == 2)
early_call, late_call = calls
same_place = early_call.getId() == late_call.getId()
calls.clear()
early_call = None
answer = pj.CallOpParam()
answer.statusCode = 180
late_call.answer(answer)
result = [same_place, bool(late.receive("SIP/2.0 180")), "EARLY" in late_call.heard]
""")
    assert result == [True, True, True]


def test_call_hears_nothing_of_the_one_whose_place_it_has() -> None:
    result = run("""
early.request("INVITE", 1, "one", SDP)
poll(lambda: calls)
answer = pj.CallOpParam()
answer.statusCode = 200
calls[0].answer(answer)
tag = re.search(r"To: .*(;tag=.*)\\r", early.receive("SIP/2.0 200"))[1]
early.request("ACK", 1, "two", tag=tag)
poll(lambda: "CONFIRMED" in calls[0].heard)
calls[0].reinvite(pj.CallOpParam(True))
reinvite = early.receive("INVITE")
early.request("BYE", 2, "three", tag=tag)
poll(lambda: "DISCONNECTED" in calls[0].heard)
late.request("INVITE", 1, "four")
poll(lambda: len(calls) == 2)
before = list(calls[1].heard)
early.answer("488 Not Acceptable Here", reinvite)
early.receive("ACK")
result = [calls[0].getId() == calls[1].getId(), calls[1].heard[len(before):]]
""")
    assert result == [True, []]
