"""The doctor: what it makes of the facts of a machine, and the fix it names."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rtp.stun import Binding
from sipagent import doctor
from sipagent.config import Config
from sipagent.doctor import (
    Finding,
    addresses,
    backends,
    call_log,
    examination,
    host,
    nat,
    pjsip,
    ports,
    servers,
    srtp,
)
from sipagent.sip.targets import Target
from sipagent.worker.priority import Standing

TUNED = "max_calls=2048 ioqueue=epoll handles=8192 tls=OpenSSL/3.0.15 srtp=off version=2.17 build=tuned"
STOCK = "max_calls=4 tls=OpenSSL/1.0.2k srtp=unknown version=2.15.1 build=stock"


def config(**sections: Any) -> Config:
    return Config.model_validate(sections)


def by_name(findings: list[Finding] | Iterator[Finding]) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings}


def statuses(findings: list[Finding] | Iterator[Finding]) -> dict[str, str]:
    return {finding.name: finding.status for finding in findings}


# --- pjsua2 -----------------------------------------------------------------------------------------


def test_a_tuned_build_is_all_right() -> None:
    findings = by_name(pjsip.findings(pjsip.parsed(f"pjsua2 logs\n{TUNED}\n"), config()))
    assert {finding.status for finding in findings.values()} == {"ok"}
    assert findings["pjsua2"].detail == "2.17, tuned build"
    assert findings["pjsua2 call limit"].detail == "2048 calls, limits.max_calls is 100"
    assert findings["pjsua2 TLS"].detail == "OpenSSL/3.0.15"
    assert findings["pjsua2 ioqueue"].detail == "epoll, 8192 sockets"


def test_a_stock_build_is_told_to_carry_four_calls() -> None:
    findings = by_name(pjsip.findings(pjsip.parsed(STOCK), config()))
    assert statuses(iter(findings.values())) == {
        "pjsua2": "warn",
        "pjsua2 call limit": "fail",
        "pjsua2 TLS": "warn",
        "pjsua2 SRTP": "warn",
        "pjsua2 ioqueue": "warn",
    }
    limit = findings["pjsua2 call limit"]
    assert limit.detail == "this build carries 4 calls, limits.max_calls is 100"
    assert limit.fix == "Build the tuned wheel: make pjsua2, or set limits.max_calls to 4."


@pytest.mark.parametrize(("listen_tls", "status"), [(None, "ok"), ("0.0.0.0:5061", "fail")])
def test_a_build_without_tls_fails_only_where_tls_is_wanted(listen_tls: str | None, status: str) -> None:
    tls = {"certificate_file": "c.pem", "key_file": "k.pem"}
    wanted = config(sip={"listen_tls": listen_tls, "tls": tls})
    facts = pjsip.parsed(TUNED) | {"tls": "none"}
    assert statuses(pjsip.findings(facts, wanted))["pjsua2 TLS"] == status


async def test_a_pjsua2_that_cant_be_loaded_is_told_with_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pjsip, "PROBE", (sys.executable, "-c", "import no_such_module"))
    (finding,) = await pjsip.check(config())
    assert finding.status == "fail"
    assert finding.detail == "can't be loaded: ModuleNotFoundError: No module named 'no_such_module'"


async def test_a_probe_that_hangs_is_ended_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pjsip, "PROBE", (sys.executable, "-c", "import signal; signal.pause()"))
    monkeypatch.setattr(examination, "DEADLINE_S", 0.05)
    (finding,) = await examination.examine(config(), ("pjsua2",))
    assert (finding.name, finding.status) == ("pjsua2", "fail")
    assert finding.detail == "no result within 0.05 s"


@pytest.mark.e2e
async def test_the_installed_pjsua2_tells_its_limits() -> None:
    findings = by_name(await pjsip.check(config(limits={"max_calls": 4})))
    assert findings["pjsua2 call limit"].status == "ok"
    assert set(findings) == {"pjsua2", "pjsua2 call limit", "pjsua2 TLS", "pjsua2 SRTP", "pjsua2 ioqueue"}


# --- addresses --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "local", "peer", "status", "why"),
    [
        ("8.8.4.4", "8.8.4.4", "1.1.1.1", "ok", ""),
        ("10.0.0.5", "10.0.0.5", "10.0.0.9", "ok", ""),
        ("127.0.0.1", "127.0.0.1", "127.0.0.1", "ok", ""),
        ("8.8.4.4", "10.0.0.5", "1.1.1.1", "ok", "behind 1:1 NAT"),
        ("10.0.0.5", "10.0.0.5", "1.1.1.1", "fail", "a private address"),
        ("172.17.0.2", "172.17.0.2", "1.1.1.1", "fail", "a private address"),
        ("127.0.0.1", "10.0.0.5", "10.0.0.9", "fail", "a loopback address"),
        ("8.8.4.4", "2a00::5", "2a00::9", "fail", "one is IPv4, the other IPv6"),
        ("8.8.8.8", "8.8.4.4", "1.1.1.1", "warn", "not the address that packets leave from"),
        ("10.0.0.6", "10.0.0.5", "10.0.0.9", "warn", "not the address that packets leave from"),
    ],
)
def test_an_address_in_sdp_must_be_one_the_peer_can_send_to(
    said: str, local: str, peer: str, status: str, why: str
) -> None:
    finding = addresses.judge("public address", said, local, peer)
    assert (finding.status, why in finding.detail) == (status, True)
    assert (finding.fix == "") == (status == "ok")


HERE, ONE, OTHER = ("10.0.0.5", 4000), ("8.8.4.4", 4000), ("8.8.4.4", 61_000)


@pytest.mark.parametrize(
    ("first", "second", "ours", "status", "detail"),
    [
        (Binding(HERE, ONE), Binding(HERE, ONE), ["10.0.0.5"], "ok", "8.8.4.4, ports are kept"),
        (Binding(HERE, ONE), None, ["10.0.0.5"], "ok", "can't be told from one address"),
        (Binding(ONE, ONE), None, ["10.0.0.5", "8.8.4.4"], "ok", "an address of this machine: no NAT"),
        (Binding(HERE, OTHER), Binding(HERE, OTHER), [], "warn", "NAT makes port 61000 of 4000"),
        (Binding(HERE, ONE), Binding(HERE, OTHER), [], "fail", "symmetric NAT: one socket is seen as"),
    ],
)
def test_what_two_bindings_say_of_nat(
    first: Binding, second: Binding | None, ours: list[str], status: str, detail: str
) -> None:
    finding = nat.judge("NAT", first, second, ours)
    assert (finding.status, detail in finding.detail) == (status, True)
    assert (finding.fix == "") == (status == "ok")


async def test_a_stun_server_that_cant_be_asked_is_told() -> None:
    stun = config(
        stun_server="stun.invalid", trunks=trunk(allowed_addresses=["127.0.0.1"], public_address="stun")
    )
    (seen,) = await nat.check(stun)
    (public,) = await addresses.check_public_addresses(stun)
    assert (seen.name, seen.status, public.status) == ("NAT as stun.invalid:3478 sees it", "fail", "fail")
    assert "stun_server" in seen.fix
    assert "stun_server" in public.fix


def trunk(**keys: Any) -> dict[str, Any]:
    return {"t": {"name": "t", **keys}}


async def test_auto_is_shown_as_the_address_of_the_route() -> None:
    (finding,) = await addresses.check_public_addresses(
        config(trunks=trunk(allowed_addresses=["127.0.0.0/8"]))
    )
    assert finding == Finding(
        "public address for t", "ok", "SDP will say 127.0.0.1, the route to 127.0.0.0 leaves from 127.0.0.1"
    )


async def test_a_trunks_own_public_address_is_the_one_looked_at() -> None:
    wrong = trunk(allowed_addresses=["127.0.0.1"], public_address="2001:db8::1")
    (finding,) = await addresses.check_public_addresses(config(trunks=wrong))
    assert finding.status == "fail"
    assert "SDP will say 2001:db8::1" in finding.detail


async def test_a_registrar_that_cant_be_found_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "LOOK_UP_S", 0.05)
    registered = config(
        trunks=trunk(registration={"registrar": "sip:sip.example.com", "username": "x"}),
        sip={"nameservers": ["127.0.0.1:9"]},
    )
    (found,) = await servers.check(registered)
    (public,) = await addresses.check_public_addresses(registered)
    assert found.detail.startswith("sip.example.com can't be located")
    assert (found.status, public.status) == ("fail", "fail")


async def test_servers_that_answer_and_that_do_not() -> None:
    answering, silent = Target("192.0.2.1", 5060, "udp"), Target("192.0.2.2", 5060, "udp")
    refusing = Target("192.0.2.3", 5061, "tls")
    assert servers.judge("s", {answering: 12.3}) == Finding("s", "ok", "udp:192.0.2.1:5060 answers in 12 ms")
    assert servers.judge("s", {answering: 12.3, refusing: None}).status == "warn"
    assert servers.judge("s", {silent: None}).status == "warn"  # it may ignore strangers
    assert servers.judge("s", {refusing: None}).status == "fail"


async def test_a_server_is_asked_by_options() -> None:
    loop = asyncio.get_running_loop()
    asked: asyncio.Future[bytes] = loop.create_future()

    class Registrar(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
            self.transport = transport

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            asked.set_result(data)
            self.transport.sendto(b"SIP/2.0 404 Not Found\r\n\r\n", addr)

    transport, _ = await loop.create_datagram_endpoint(Registrar, local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    registered = config(trunks=trunk(registration={"registrar": f"sip:127.0.0.1:{port}", "username": "x"}))
    (finding,) = await servers.check(registered)
    transport.close()
    assert (finding.name, finding.status) == ("servers of t", "ok")
    assert (await asked).startswith(f"OPTIONS sip:127.0.0.1:{port} SIP/2.0\r\n".encode())


# --- ports ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ephemeral", "reserved", "fix"),
    [
        ((32768, 60999), "", ""),
        ((32768, 60999), "8080", ""),
        ((16384, 60999), "20000-29999", ""),
        ((16384, 60999), "5060,18000-31000", ""),
        ((16384, 60999), "", "ip_local_reserved_ports=20000-29999,"),
        ((16384, 60999), "5060,20000-20009", "ip_local_reserved_ports=5060,20000-20009,20000-29999,"),
        ((28000, 60999), "", "ip_local_reserved_ports=28000-29999,"),
    ],
)
def test_rtp_ports_must_not_be_handed_to_others(ephemeral: tuple[int, int], reserved: str, fix: str) -> None:
    finding = ports.collisions(config(), ephemeral, reserved)
    assert finding.status == ("warn" if fix else "ok")
    assert fix in finding.fix


async def test_the_ranges_of_this_machine_can_be_read() -> None:
    assert set(statuses(await ports.check_rtp_range(config()))) == {"RTP ports", "RTP port count"}


def test_ports_in_quarantine_are_counted_in() -> None:
    tight = {"first_port": 20000, "last_port": 20199}
    finding = ports.size(config(rtp=tight, limits={"max_calls": 100}))
    assert (finding.status, finding.fix) == ("warn", "Set rtp.last_port to 20319 or more.")
    assert ports.size(config(rtp=tight | {"last_port": 20319}, limits={"max_calls": 100})).status == "ok"


@pytest.fixture
def held_port() -> Iterator[int]:
    """A TCP port of loopback that somebody listens on, and doesn't answer."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        yield held.getsockname()[1]


def listening(port: int, **http: str) -> Config:
    return config(sip={"listen_udp": None, "listen_tcp": f"127.0.0.1:{port}"}, http=http)


async def test_a_port_that_another_program_holds_is_told(held_port: int, unused_tcp_port: int) -> None:
    (finding,) = await ports.check_listeners(listening(held_port, listen=f"127.0.0.1:{unused_tcp_port}"))
    assert finding.status == "fail"
    assert finding.detail == f"sip.listen_tcp 127.0.0.1:{held_port}: Address already in use"
    assert "ss -lnptu" in finding.fix


async def test_free_ports_are_all_right(unused_tcp_port_factory: Any) -> None:
    free, other = unused_tcp_port_factory(), unused_tcp_port_factory()
    (finding,) = await ports.check_listeners(listening(free, listen=f"127.0.0.1:{other}"))
    assert finding.status == "ok"


async def test_ports_that_our_own_server_holds_are_all_right(held_port: int) -> None:
    async def healthz(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        status = b"200 OK" if request.startswith(b"GET /healthz ") else b"404 Not Found"
        writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(healthz, "127.0.0.1", 0) as server:
        http_port = server.sockets[0].getsockname()[1]
        (finding,) = await ports.check_listeners(listening(held_port, listen=f"127.0.0.1:{http_port}"))
    assert finding.status == "ok"
    assert "in use by a running sipagent" in finding.detail


async def test_an_address_that_isnt_ours_is_told(unused_tcp_port: int) -> None:
    (finding,) = await ports.check_listeners(
        config(
            sip={"listen_udp": "198.51.100.1:5060", "listen_tcp": None},
            http={"listen": f"127.0.0.1:{unused_tcp_port}"},
        )
    )
    assert finding.detail == "sip.listen_udp 198.51.100.1:5060: Cannot assign requested address"
    assert finding.status == "fail"


# --- the machine ------------------------------------------------------------------------------------


def test_workers_should_be_allowed_to_run_in_real_time() -> None:
    assert host.scheduling(Standing.REAL_TIME).status == "ok"
    for standing in (Standing.NICE, Standing.ORDINARY):
        found = host.scheduling(standing)
        assert (found.status, "LimitRTPRIO=1" in found.fix) == ("warn", True)


async def test_asking_for_real_time_leaves_the_doctor_as_it_was() -> None:
    before = os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0)
    (finding,) = await host.check_scheduling(config())
    assert finding.name == "scheduling"
    assert (os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0)) == before


def test_open_files_must_suffice_for_all_calls() -> None:
    many = config(limits={"max_calls": 1000})
    short = host.open_files(many, 1024)
    assert short.status == "fail"
    assert short.detail == "1024 allowed, 12256 needed for 5000 pairs of ports and 1000 calls"
    assert short.fix.startswith("Set LimitNOFILE=12256 in the unit")
    assert host.open_files(many, 65536).status == "ok"
    assert host.open_files(many, -1).status == "ok"


def test_a_clock_must_be_right_and_should_be_kept_so() -> None:
    now = 4e9
    assert host.clock(now, synchronised=True).status == "ok"
    assert host.clock(now, synchronised=None).detail.endswith("synchronisation unknown")
    assert host.clock(now, synchronised=False).status == "warn"
    assert host.clock(0.0, synchronised=True).detail.startswith("1970-01-01T00:00:00")
    assert host.clock(0.0, synchronised=True).status == "fail"


async def test_the_clock_of_this_machine_can_be_read() -> None:
    (finding,) = await host.check_clock(config())
    assert finding.status in {"ok", "warn"}


def test_storage_may_be_made_where_its_parent_is_ours(tmp_path: Path) -> None:
    finding = host.storage(config(storage={"directory": tmp_path / "new" / "sipagent"}))
    assert finding.status in {"ok", "warn"}
    assert "GB free" in finding.detail


def test_storage_that_is_no_directory_fails(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    finding = host.storage(config(storage={"directory": tmp_path / "file"}))
    assert (finding.status, finding.detail) == ("fail", f"{tmp_path}/file can't be written")


def test_space_is_told_in_hours_of_recording() -> None:
    plenty = host.space(config(), 500_000_000_000)
    assert plenty.status == "ok"
    assert plenty.detail.endswith("500.0 GB free: 43 h of recording every call")
    assert host.space(config(), 1_000_000_000).status == "warn"


# --- backends ---------------------------------------------------------------------------------------


def agent(name: str, url: str, **backend: Any) -> dict[str, Any]:
    return {name: {"name": name, "backend": {"kind": "openai_realtime", "url": url, **backend}}}


async def test_each_server_is_tried_once_however_many_agents_use_it() -> None:
    tried = 0

    async def count(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal tried
        tried += 1
        writer.close()

    async with await asyncio.start_server(count, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/realtime"
        findings = by_name(await backends.check(config(agents=agent("a", url) | agent("b", url))))
    assert list(findings) == [f"backend {url[5:-12]}", "credentials of a", "credentials of b"]
    assert {finding.status for finding in findings.values()} == {"ok"}
    assert tried == 1


async def test_a_backend_that_refuses_is_told(unused_tcp_port: int) -> None:
    url = f"ws://127.0.0.1:{unused_tcp_port}/"
    finding = by_name(await backends.check(config(agents=agent("a", url))))[f"backend {url[5:-1]}"]
    assert finding.status == "fail"
    assert finding.detail.startswith("can't be reached: ")
    assert f"port {unused_tcp_port} is open outwards" in finding.fix


async def test_a_backend_that_speaks_no_tls_is_told() -> None:
    async def plain(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(plain, "127.0.0.1", 0) as server:
        url = f"wss://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        finding = (await backends.check(config(agents=agent("a", url))))[0]
    assert finding.status == "fail"
    assert finding.detail.startswith("TLS failed: ")


async def test_credentials_must_be_there_and_travel_encrypted(
    monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    async def reach(url: str) -> Finding:
        return Finding(url, "ok", "")

    monkeypatch.setattr(backends, "_reach", reach)
    monkeypatch.setenv("KEY", "hunter2")
    monkeypatch.delenv("NO_KEY", raising=False)
    agents = (
        agent("good", "wss://a.example", api_key={"env": "KEY"})
        | agent("local", "ws://127.0.0.1", api_key={"env": "KEY"})
        | agent("open", "ws://a.example", api_key={"env": "KEY"})
        | agent("free", "ws://a.example")
        | agent("missing", "wss://a.example", headers={"X-Token": {"env": "NO_KEY"}})
    )
    findings = by_name(await backends.check(config(agents=agents)))
    assert {
        name.removeprefix("credentials of "): f.status for name, f in findings.items() if " of " in name
    } == {
        "good": "ok",
        "local": "ok",
        "open": "warn",
        "free": "ok",
        "missing": "fail",
    }
    assert findings["credentials of missing"].detail == "environment variable NO_KEY is not set"
    assert "hunter2" not in str(findings)


# --- SRTP -------------------------------------------------------------------------------------------


async def test_a_database_of_calls_that_is_away_is_a_warning(tmp_path: Path) -> None:
    url = "postgresql://nobody@127.0.0.1:1/calls"
    (finding,) = await call_log.check(config(call_log={"url": url}))
    assert (finding.name, finding.status) == ("call log", "warn")
    assert "wait in the spool" in finding.fix
    (finding,) = await call_log.check(config(storage={"directory": str(tmp_path)}))
    assert (finding.status, list(tmp_path.iterdir())) == ("ok", [])


async def test_srtp_keys_should_travel_over_tls() -> None:
    peer = {"allowed_addresses": ["192.0.2.1"], "srtp": "required"}
    open_, over_tls, plain = (
        peer | {"name": "a"},
        peer | {"name": "b", "transport": "tls"},
        peer | {"name": "c"},
    )
    trunks = {"a": open_, "b": over_tls, "c": plain | {"srtp": "off"}}
    findings = await srtp.check(config(trunks=trunks))
    assert statuses(findings) == {"SRTP keys of a": "warn", "SRTP keys of b": "ok"}


def test_a_stock_pjsua2_cannot_serve_a_trunk_with_srtp() -> None:
    trunk = {"name": "a", "allowed_addresses": ["192.0.2.1"], "srtp": "optional"}
    found = by_name(list(pjsip.findings(pjsip.parsed(STOCK), config(trunks={"a": trunk}))))
    assert found["pjsua2 SRTP"].status == "fail"


# --- as a whole -------------------------------------------------------------------------------------


def test_without_a_configuration_the_machine_alone_is_examined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pjsip, "PROBE", (sys.executable, "-c", f"print({TUNED!r})"))
    assert set(statuses(doctor.run(None))) == {
        "pjsua2",
        "pjsua2 call limit",
        "pjsua2 TLS",
        "pjsua2 SRTP",
        "pjsua2 ioqueue",
        "clock",
        "scheduling",
        "kernel buffers",
    }


def test_every_finding_but_ok_names_a_fix(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pjsip, "PROBE", (sys.executable, "-c", f"print({STOCK!r})"))
    findings = doctor.run(
        config(
            trunks=trunk(allowed_addresses=["127.0.0.1"]),
            agents=agent("a", "ws://127.0.0.1:1/"),
            storage={"directory": tmp_path},
        )
    )
    assert {finding.name for finding in findings} >= {"open files", "storage", "listeners", "RTP ports"}
    for finding in findings:
        assert (finding.fix == "") == (finding.status == "ok"), finding
        assert finding.fix == "" or finding.fix.endswith((".", ")"))
