"""The tuned wheel: its compiled limits and its source filter, one Endpoint in one process per test."""

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
        not hasattr(pjsua2, "setSourceFilter"), reason="the fallback wheel is installed: make pjsua2"
    ),
]

PRELUDE = """
import json, socket, time
import pjsua2 as pj


class Log(pj.LogWriter):
    def __init__(self):
        super().__init__()
        self.lines = []

    def write(self, entry):
        self.lines.append(entry.msg.strip())

    def about_drops(self):
        poll(0.05)  # lines are handed over by the event loop
        return [line[line.index("source-filter:"):] for line in self.lines if "source-filter:" in line]


def start(transport=pj.PJSIP_TRANSPORT_UDP, address="127.0.0.1"):
    global endpoint, log
    log = Log()
    endpoint = pj.Endpoint()
    endpoint.libCreate()
    config = pj.EpConfig()
    config.uaConfig.threadCnt = 0
    config.uaConfig.mainThreadOnly = True
    config.medConfig.threadCnt = 0
    config.medConfig.hasIoqueue = False
    config.medConfig.clockRate = config.medConfig.sndClockRate = 8000
    config.logConfig.level = config.logConfig.consoleLevel = 3  # the second one rules what a writer gets
    config.logConfig.writer = log
    endpoint.libInit(config)
    endpoint.audDevManager().setNoDev()
    listen = pj.TransportConfig()
    listen.port = 0
    listen.boundAddress = address
    transport_id = endpoint.transportCreate(transport, listen)
    endpoint.libStart()
    endpoint.audDevManager().setNoDev()
    name = endpoint.transportGetInfo(transport_id).localName
    return int(name.rpartition(":")[2])


def poll(seconds, until=lambda: False):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not until():
        endpoint.libHandleEvents(2)


count = 0


def request(method, port, source="127.0.0.1", target="127.0.0.1", family=socket.AF_INET):
    global count
    count += 1
    peer = socket.socket(family, socket.SOCK_DGRAM)
    peer.bind((source, 0))
    peer.setblocking(False)
    shown = f"[{source}]" if family == socket.AF_INET6 else source
    lines = [
        f"{method} sip:x@{shown} SIP/2.0",
        f"Via: SIP/2.0/UDP {shown}:{peer.getsockname()[1]};rport;branch=z9hG4bK{count}",
        f"From: <sip:a@{shown}>;tag={count}",
        f"To: <sip:b@{shown}>",
        f"Call-ID: {count}",
        f"CSeq: 1 {method}",
        "Max-Forwards: 70",
        "Content-Length: 0",
        "", "",
    ]
    peer.sendto("\\r\\n".join(lines).encode(), (target, port))
    return peer


def answer(peer, wait=0.5):
    got = []

    def arrived():
        try:
            got.append(peer.recv(4096))
        except BlockingIOError:
            pass
        return bool(got)

    poll(wait, arrived)
    return got[0].split(b"\\r\\n")[0].decode() if got else None
"""


def run(script: str) -> Any:
    """Run a script after the prelude; its `result` comes back as the last line (pjlib writes before it)."""
    code = f"{PRELUDE}\n{script}\nendpoint.libDestroy()\nprint('\\n' + json.dumps(result), flush=True)\n"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_limits_are_those_of_a_server() -> None:
    facts = dict(fact.split("=", 1) for fact in pjsua2.compiledLimits().split())
    assert (facts["max_calls"], facts["max_acc"]) == ("2048", "128")
    assert (facts["ioqueue"], facts["handles"]) == ("epoll", "8192")
    assert facts["srtp"] == "off"
    assert facts["tls"].startswith("OpenSSL/3.")


def test_unlisted_source_gets_no_answer_and_a_listed_one_does() -> None:
    result = run("""
port = start()
pj.setSourceFilter("127.0.0.2/32")
before = answer(request("OPTIONS", port))
dropped = pj.sourceFilterDropped()
pj.setSourceFilter("127.0.0.0/8")
after = answer(request("OPTIONS", port))
result = [before, dropped, after, pj.sourceFilterDropped(), len(log.about_drops())]
""")
    assert result == [None, 1, "SIP/2.0 200 OK", 1, 1]


def test_every_method_is_dropped_and_only_known_names_reach_the_log() -> None:
    result = run("""
port = start()
pj.setSourceFilter("")
silent = [answer(request(m, port), 0.05) for m in ("INVITE", "REGISTER", "OPTIONS", "BYE", "SRC=1.2.3.4")]
result = [silent, pj.sourceFilterDropped(), log.about_drops()]
""")
    silent, dropped, lines = result
    # A method with "=" in it doesn't parse, so it never gets as far as the filter.
    assert silent == [None] * 5
    assert dropped == 4
    assert [line.split(" src=127.0.0.1:")[0] for line in lines] == [
        f"source-filter: dropped {name}" for name in ("INVITE", "REGISTER", "OPTIONS", "BYE")
    ]


def test_unknown_method_is_logged_as_other() -> None:
    lines = run("""
port = start()
pj.setSourceFilter("")
answer(request("EVIL", port), 0.05)
result = log.about_drops()
""")
    assert len(lines) == 1
    assert lines[0].startswith("source-filter: dropped OTHER src=127.0.0.1:")


def test_malformed_entry_raises_and_leaves_the_old_list() -> None:
    result = run("""
port = start()
pj.setSourceFilter("127.0.0.2")
refused = []
for bad in ("300.1.1.1", "127.0.0.1/33", "127.0.0.1/", "::/129", "trunk.net", "1.2.3/24", "127.0.0.1/8 x"):
    try:
        pj.setSourceFilter(bad)
    except ValueError:
        refused.append(bad)
unlisted, listed = request("OPTIONS", port), request("OPTIONS", port, source="127.0.0.2")
result = [len(refused), answer(unlisted, 0.2), answer(listed)]
""")
    assert result == [7, None, "SIP/2.0 200 OK"]


def test_filter_before_init_is_an_error_and_clear_opens_it() -> None:
    result = run("""
try:
    pj.setSourceFilter("127.0.0.0/8")
    early = "accepted"
except RuntimeError:
    early = "RuntimeError"
port = start()
pj.setSourceFilter("")
closed = answer(request("OPTIONS", port), 0.2)
pj.clearSourceFilter()
result = [early, closed, answer(request("OPTIONS", port))]
""")
    assert result == ["RuntimeError", None, "SIP/2.0 200 OK"]


def test_ipv6_networks() -> None:
    result = run("""
port = start(pj.PJSIP_TRANSPORT_UDP6, "::1")
def ask():
    return answer(request("OPTIONS", port, "::1", "::1", socket.AF_INET6), 0.2)
answers = []
for cidrs in ("0.0.0.0/0", "2001:db8::/32", "::/127", "::1", "::/0"):
    pj.setSourceFilter(cidrs)
    answers.append(ask() is not None)
result = [answers, log.about_drops()[0]]
""")
    answers, line = result
    assert answers == [False, False, True, True, True]
    assert line.startswith("source-filter: dropped OPTIONS src=[::1]:")


def test_prefixes_that_end_inside_an_octet() -> None:
    result = run("""
port = start()
answers = []
for cidrs in (
    "127.0.0.0/30", "127.0.0.4/30", "127.0.0.0/29", "127.0.0.2/31 10.0.0.0/8", "0.0.0.0/0",
    "::ffff:127.0.0.0/126",
):
    pj.setSourceFilter(cidrs)
    answers.append(answer(request("OPTIONS", port, source="127.0.0.3"), 0.2) is not None)
result = answers
""")
    assert result == [True, False, True, True, True, True]


def test_flood_is_counted_in_full_but_logged_at_a_limited_rate() -> None:
    dropped, lines = run("""
port = start()
pj.setSourceFilter("")
peers = [request("OPTIONS", port) for _ in range(100)]
poll(2, lambda: pj.sourceFilterDropped() == 100)
result = [pj.sourceFilterDropped(), len(log.about_drops())]
""")
    assert dropped == 100
    assert lines <= 21
