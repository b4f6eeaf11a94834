"""Rules of routes.yaml and lists of callers, met by SIPp peers, and what the record tells of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from sipagent.simulator.realtime_options import Faults, RealtimeOptions
from sipagent.simulator.realtime_server import RealtimeServer
from tests.e2e.support import sipp
from tests.e2e.support.ports import free_port
from tests.e2e.support.server import Server, running
from tests.e2e.support.setup import NUMBER, Setup, write_setup

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

SECOND = "127.0.0.3"
CLOSED, OPEN, ELSEWHERE, ON_SECOND, BROKEN, SPARED = "2000", "2001", "2002", "3001", "2003", "2004"
EVERY_DAY = {"mon-sun": "00:00-24:00"}
CALENDARS = {
    "never": {"time_zone": "Europe/London", "hours": EVERY_DAY, "holidays": ["01-01..12-31"]},
    "always": {"time_zone": "Europe/London", "hours": EVERY_DAY},
}
RULES: list[dict[str, Any]] = [
    {"name": "vip", "when": {"header": {"X-Line": "vip*"}}, "agent": "sales"},
    {"name": "known", "when": {"caller": "+1555777*"}, "agent": "night"},
    {"name": "second", "when": {"trunk": "second", "called": "~30\\d+"}, "agent": "sales"},
    {
        "name": "closed",
        "when": {"called": CLOSED, "hours": "not never"},
        "refuse": {"status": 480, "reason": "We are closed", "retry_after_s": 3600},
    },
    {"name": "open", "when": {"called": OPEN, "hours": "always"}, "agent": "night"},
    {
        "name": "overflow",
        "when": {"called": "2002"},
        "redirect": {"to": ["sip:15550100@overflow.example", "tel:+15550100"]},
    },
    {"name": "spared", "when": {"called": SPARED, "backend": {"down": "broken"}}, "agent": "night"},
]

Play = Callable[..., Coroutine[Any, Any, None]]


def write_routes(setup: Setup, rules: list[dict[str, Any]], calendars: Mapping[str, Any] = CALENDARS) -> None:
    document = {"calendars": dict(calendars), "rules": rules}
    setup.config.with_name("routes.yaml").write_text(yaml.safe_dump(document))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    gone = f"ws://127.0.0.1:{free_port()}"
    setup = write_setup(
        tmp_path_factory.mktemp("house"),
        None,
        trunk={"numbers": {NUMBER: "receptionist", BROKEN: "broken", SPARED: "broken"}},
        agents={
            "sales": {},
            "night": {},
            "broken": {"backend": {"kind": "openai_realtime", "url": gone}},
        },
        trunks={"second": {"allowed_addresses": [SECOND], "numbers": {}}},
        callers={"block": ["+15550666*"]},
        backend_health={"down_after_failures": 2, "retry_s": 300},
        rtp={"first_packet_timeout_s": 0},  # SIPp sends no RTP
    )
    write_routes(setup, RULES)
    async with running(setup) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="module")
async def server(house: Server) -> AsyncIterator[Server]:
    house.skip_records()
    yield house
    await house.assert_clean()


@pytest.fixture
def play(server: Server, tmp_path: Path) -> Play:
    async def run(scenario: str, *, caller: str = "+15550001", line: str = "1", **options: Any) -> None:
        address = (server.setup.host, server.setup.sip_port)
        await sipp.play(
            scenario, tmp_path, address, "-key", "caller", caller, "-key", "line", line, **options
        )

    return run


def fitted(record: Mapping[str, Any]) -> list[str]:
    """The rules of routes.yaml that the call fitted."""
    return [
        said["rule"] for said in record["route_trail"] if said["passed"] and said["rule"].startswith("route:")
    ]


@pytest.mark.parametrize(
    ("options", "agent", "route"),
    [
        ({}, "receptionist", f"carrier/{NUMBER} -> receptionist"),
        ({"line": "vip-7"}, "sales", "carrier/vip -> sales"),
        ({"caller": "+15557770001"}, "night", "carrier/known -> night"),
        ({"number": OPEN}, "night", "carrier/open -> night"),
        ({"number": ON_SECOND, "host": SECOND}, "sales", "second/second -> sales"),
    ],
    ids=["number", "header", "caller", "hours", "trunk"],
)
async def test_a_rule_leads_to_its_agent(
    server: Server, play: Play, options: dict[str, str], agent: str, route: str
) -> None:
    await play("uac-caller-and-header-answered", **options)
    record = await server.next_record()
    assert (record["agent"], record["route"]) == (agent, route)
    name = route.partition("/")[2].partition(" ")[0]
    assert fitted(record) == ([] if name == NUMBER else [f"route:{name}"])
    assert record["route_trail"][-1]["rule"] == "codec"
    assert (await server.metrics())[routed(route, "admitted")] >= 1


async def test_a_rule_refuses_in_its_own_words(server: Server, play: Play) -> None:
    await play("uac-route-refused-480", number=CLOSED)
    record = await server.next_record()
    assert (record["sip_status"], record["reason_code"], record["route"]) == (480, "route_refused", "closed")
    assert (record["call_status"], record["end_reason"]) == ("rejected", "refused")
    assert "never: " in record["detail"]
    assert "holiday 01-01..12-31" in record["detail"]
    assert fitted(record) == ["route:closed"]
    assert (await server.metrics())[routed("closed", "refused")] == 1


async def test_a_rule_redirects(server: Server, play: Play) -> None:
    await play("uac-redirected-302", number=ELSEWHERE)
    record = await server.next_record()
    assert (record["call_status"], record["end_reason"]) == ("redirected", "redirected")
    assert (record["sip_status"], record["route"]) == (302, "carrier/overflow")
    assert record["redirected_to"] == ["sip:15550100@overflow.example", "tel:+15550100"]
    assert (await server.metrics())[routed("carrier/overflow", "redirected")] == 1


async def test_a_caller_that_is_blocked(server: Server, play: Play) -> None:
    await play("uac-caller-blocked-603", caller="+15550666123")
    record = await server.next_record()
    assert (record["sip_status"], record["reason_code"]) == (603, "caller_blocked")
    assert record["route_trail"][-1] == {
        "rule": "server_callers",
        "passed": False,
        "detail": "+15550666123 is blocked by +15550666*",
    }


async def test_a_backend_that_keeps_failing_is_left_alone(server: Server, play: Play) -> None:
    for _ in range(2):
        await play("uac-backend-not-ready-503", number=BROKEN)
        assert (await server.next_record())["reason_code"] == "backend_unreachable"
    await play("uac-backend-down-503", number=BROKEN)
    record = await server.next_record()
    assert (record["sip_status"], record["reason_code"]) == (503, "backend_down")
    metrics = await server.metrics()
    assert metrics['sipagent_backend_up{agent="broken"}'] == 0
    assert metrics['sipagent_backend_up{agent="night"}'] == 1
    await play("uac-caller-and-header-answered", number=SPARED)
    assert (await server.next_record())["route"] == "carrier/spared -> night"


async def test_a_backend_that_is_back_is_found_so_by_a_call_that_tries(tmp_path: Path) -> None:
    port = free_port()
    setup = write_setup(
        tmp_path / "server",
        f"ws://127.0.0.1:{port}/v1/realtime",
        backend_health={"down_after_failures": 1, "retry_s": 0.05},
        rtp={"first_packet_timeout_s": 0},
    )
    address = (setup.host, setup.sip_port)
    async with running(setup) as server:
        await sipp.play("uac-backend-not-ready-503", tmp_path, address)
        assert (await server.metrics())['sipagent_backend_up{agent="receptionist"}'] == 0
        async with RealtimeServer(RealtimeOptions(port=port, faults=Faults())):
            await sipp.play("uac-pcmu-answered", tmp_path, address)
            await server.next_records(2)
            assert (await server.metrics())['sipagent_backend_up{agent="receptionist"}'] == 1


def routed(route: str, outcome: str) -> str:
    return f'sipagent_calls_routed_total{{outcome="{outcome}",route="{route}"}}'
