"""One call between a SIP peer and a worker: however it goes, it ends once and leaves one record."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rtp.ports import PortPool
from rtp.session import RtpParams
from sipagent import events
from sipagent.call import keying
from sipagent.call.admission.load import CallLoad
from sipagent.call.current import CurrentConfig
from sipagent.call.directors.director import PressKeys
from sipagent.call.house import House
from sipagent.call.inbound import InboundCall
from sipagent.call.record.costs import Costs
from sipagent.call.record.log import CallLog
from sipagent.call.record.spool import read_lines
from sipagent.call.session import CallSession
from sipagent.call.telling import tell_rejected
from sipagent.config import Config, LoggingConfig, RoutesConfig
from sipagent.errors import EndReason, NoWorker, ReasonCode, SdpError
from sipagent.metrics import Metrics, ServerFigures
from sipagent.sip.ladder import MessageLog
from sipagent.sip.messages import (
    CallConfirmed,
    CallDisconnected,
    Direction,
    IncomingInvite,
    InfoDigit,
    LocalMedia,
    MediaNegotiated,
    NegotiatedMedia,
    RejectedInvite,
    SipEvent,
)
from sipagent.sip.public_address import PublicAddresses
from sipagent.sip.sdp import SessionDescription
from sipagent.tools.toolbox import Toolbox
from sipagent.worker.control.supervisor import Supervisor
from sipagent.worker.orders import AnswerTool, OpenLeg, ToLeg, agent_config
from tests.rtp.test_ports import pool_of

PBX, STRANGER = "192.0.2.1", "203.0.113.200"
PHONE = ("192.0.2.1", 4000)
#: What a leg reports of its packets, as far as anybody here wants to know.
RTP = {"inbound": {"packets": 50, "buffer_depth_ms": 20.0, "mos": 4.4}}
OFFER = (
    "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8\r\n"
)


def invite(source: str = PBX, to: str = "100", offer: str | None = OFFER) -> IncomingInvite:
    return IncomingInvite(
        sip_call_id="sip-1",
        source_ip=source,
        source_port=5060,
        transport="udp",
        request_uri=f"sip:{to}@198.51.100.1",
        from_uri="sip:+15559999@192.0.2.1",
        to_uri=f"sip:{to}@198.51.100.1",
        offer=offer,
    )


def negotiated(
    codec: str = "PCMU", direction: Direction = "sendrecv", dtmf_payload_type: int | None = 101
) -> MediaNegotiated:
    return MediaNegotiated(
        NegotiatedMedia(
            codec=codec,
            payload_type=0,
            dtmf_payload_type=dtmf_payload_type,
            ptime_ms=20,
            direction=direction,
            remote_rtp=PHONE,
            remote_rtcp=(PHONE[0], PHONE[1] + 1),
        )
    )


class FakeSip:
    """The SIP side of a call; its peer does what the test says, and confirms what we do."""

    def __init__(self, request: IncomingInvite | None) -> None:
        self.invite = request
        self.sip_call_id = request.sip_call_id if request is not None else ""
        self.done: list[str] = []
        self.local: LocalMedia | None = None
        self.unanswerable: SdpError | None = None
        self.dtmf_payload_type: int | None = 101
        self.holds = False
        self.messages = MessageLog()
        self._events: asyncio.Queue[SipEvent] = asyncio.Queue()
        self._acted = asyncio.Event()

    async def next_event(self) -> SipEvent:
        return await self._events.get()

    def ring(self) -> None:
        self._did("ring")

    def answer(self, local: LocalMedia, offer: SessionDescription | None) -> None:
        if self.unanswerable is not None:
            raise self.unanswerable
        self.local = local
        self._did("answer")
        self._events.put_nowait(negotiated(dtmf_payload_type=self.dtmf_payload_type))

    def refuse(
        self, sip_status: int, *, reason_code: str, retry_after_s: int | None = None, phrase: str = ""
    ) -> None:
        self._did(f"refuse {sip_status} {reason_code}" + (f" {retry_after_s}" if retry_after_s else ""))
        self._events.put_nowait(CallDisconnected(sip_status, "", by_remote=False))

    def redirect(self, sip_status: int, targets: tuple[str, ...]) -> None:
        self._did(f"redirect {sip_status} {' '.join(targets)}")
        self._events.put_nowait(CallDisconnected(sip_status, "", by_remote=False))

    def hang_up(self, *, sip_status: int = 480, reason_code: str | None = None) -> None:
        self._did(f"hang_up {reason_code}")
        self._events.put_nowait(CallDisconnected(200, "OK", by_remote=False))

    def send_digit(self, digit: str, duration_ms: int) -> None:
        self._did(f"info {digit} {duration_ms}")

    def hold(self, held: bool) -> None:
        self.holds = held
        self._did("hold" if held else "resume")
        self.send(negotiated(direction="sendonly" if held else "sendrecv"))

    def refer(self, refer_to: str, replacing: object = None) -> None:
        self._did(f"refer {refer_to}")

    # --- the peer ---

    def ack(self) -> None:
        self._events.put_nowait(CallConfirmed())

    def bye(self) -> None:
        self._events.put_nowait(CallDisconnected(200, "OK", by_remote=True))

    def cancel(self) -> None:
        self._events.put_nowait(CallDisconnected(487, "Request Terminated", by_remote=True))

    def send(self, event: SipEvent) -> None:
        self._events.put_nowait(event)

    async def until(self, deed: str) -> None:
        async with asyncio.timeout(2):
            while deed not in self.done:
                self._acted.clear()
                await self._acted.wait()

    def _did(self, deed: str) -> None:
        self.done.append(deed)
        self._acted.set()


class FakeWorkers:
    """Workers that carry one leg at most, which does what the test says, and ends when it is closed."""

    def __init__(self) -> None:
        self.order: OpenLeg | None = None
        self.sockets: tuple[socket.socket, ...] = ()
        self.started: list[RtpParams] = []
        self.pressed: list[tuple[str, int]] = []
        self.dialled: list[tuple[str, bool]] = []
        self.told: list[ToLeg] = []
        self.are_gone = False
        self.defect: Exception | None = None
        self._tell: Callable[[events.LegEvent], None] | None = None
        self._is_ready = False
        self._opened = asyncio.Event()
        self._flowing = asyncio.Event()

    def open_leg(
        self, order: OpenLeg, sockets: tuple[socket.socket, ...], on_event: Callable[[events.LegEvent], None]
    ) -> FakeWorkers:
        if self.are_gone:
            raise NoWorker("no media worker is running")
        self.order, self.sockets, self._tell = order, sockets, on_event
        self._opened.set()
        return self

    # --- what the call orders ---

    def start(self, params: RtpParams) -> None:
        if self.defect is not None:
            raise self.defect
        self.started.append(params)
        self._flowing.set()

    def press(self, digit: str, duration_ms: int = 0) -> None:
        self.pressed.append((digit, duration_ms))

    def send_digits(self, digits: str, inband: bool = False) -> None:
        self.dialled.append((digits, inband))

    def tell(self, message: ToLeg) -> None:
        self.told.append(message)

    def close(self, reason: str) -> None:
        if self._is_ready:
            self.end(reason)
        else:
            self.fail(503, ReasonCode.DRAINING)

    # --- what the worker does ---

    async def opened(self) -> None:
        async with asyncio.timeout(2):
            await self._opened.wait()

    def expect_another(self) -> None:
        """`opened` waits for the leg after this one."""
        self._opened.clear()

    async def flowing(self) -> None:
        async with asyncio.timeout(2):
            await self._flowing.wait()

    def get_ready(self) -> None:
        self._is_ready = True
        self._report(events.LegReady(call_id="c-1", at=1.0, ready_ms=10.0))

    def fail(self, sip_status: int, reason_code: str) -> None:
        self._last(
            events.LegFailed(
                call_id="c-1", at=1.0, sip_status=sip_status, reason_code=reason_code, detail="why"
            )
        )

    def end(self, reason: str) -> None:
        self._last(events.LegEnded(call_id="c-1", at=1.0, reason=reason, rtp=RTP))

    def report(self, event: events.LegEvent) -> None:
        self._report(event)

    def _report(self, event: events.LegEvent) -> None:
        if self._tell is not None:
            self._tell(event)

    def _last(self, event: events.LegEvent) -> None:
        self._report(event)
        self._tell = None


class Exchange:
    """A server's house with one trunk, and the call under test."""

    def __init__(
        self, directory: Path, ports: PortPool, workers: Any, place_call: Any = None, **limits: int
    ) -> None:
        echo = {"name": "echo", "backend": {"kind": "echo"}, "record": False}
        pbx = {
            "name": "pbx",
            "allowed_addresses": [PBX],
            "numbers": {"100": "echo", "secret": "discreet", "model": "model"},
            "codecs": ["PCMA", "PCMU"],
        }
        self.config = Config.model_validate(
            {
                "public_address": "198.51.100.1",
                "limits": limits,
                "trunks": {"pbx": pbx},
                "agents": {
                    "echo": echo,
                    "discreet": echo | {"name": "discreet", "record_digits": False},
                    "model": {
                        "name": "model",
                        "backend": {"kind": "openai_realtime"},
                        "tools": {"hang_up": {"kind": "hang_up"}, "note": {"kind": "take_message"}},
                    },
                },
            }
        )
        self._directory = directory
        self.seen: list[events.Event] = []
        self.ports = ports
        self.metrics = Metrics(dict, lambda: ServerFigures(0, 0, 0))
        self.log = CallLog(
            spool=directory / "spool", transcripts=directory / "tr", recordings=directory / "rec"
        )
        self.house = House(
            current=CurrentConfig(self.config),
            load=CallLoad(self.config, 0.0),
            ports=ports,
            workers=workers,
            calls=self.log,
            costs=Costs(),
            metrics=self.metrics,
            addresses=PublicAddresses(self.config),
            registered_sources=dict,
            watch=self.seen.append,
            tools=Toolbox(self.config.tools),
            place_call=place_call or nobody_is_called,
        )

    def call(self, sip: FakeSip) -> CallSession:
        peer: Any = sip
        return InboundCall("c-1", peer, self.house)

    def only_record(self) -> dict[str, Any]:
        """The call is over: it left one record, told its end once, and holds nothing any more."""
        self.log.close()
        (path,) = (self._directory / "spool").glob("calls-*.jsonl")
        (record,) = read_lines(path, lambda number: None)
        (ended,) = (event for event in self.seen if isinstance(event, events.CallEnded))
        assert record["end_reason"] == ended.end_reason
        assert [path.name for path in (self._directory / "spool" / "open").glob("*")] == []
        assert self.house.load.calls == 0
        assert self.ports.in_use == 0
        active = 'sipagent_calls_active{trunk="pbx"} 0.0'
        assert "CallAdmitted" not in map(kind, self.seen) or active in self.metrics.exposition().decode()
        return record


def nobody_is_called(*arguments: Any, **named: Any) -> Any:
    raise AssertionError("no call is to be placed")


def kind(event: events.Event) -> str:
    return type(event).__name__


@pytest.fixture
def ports() -> Iterator[PortPool]:
    pool = pool_of(1)
    yield pool
    pool.close()


@pytest.fixture
def workers() -> FakeWorkers:
    return FakeWorkers()


@pytest.fixture
def exchange(tmp_path: Path, ports: PortPool, workers: FakeWorkers) -> Iterator[Exchange]:
    exchange = Exchange(tmp_path, ports, workers, max_calls=2)
    yield exchange
    exchange.log.close()


class Talk:
    """A call in progress."""

    def __init__(self, exchange: Exchange, workers: FakeWorkers, sip: FakeSip) -> None:
        self.exchange, self.workers, self.sip = exchange, workers, sip
        self.session = exchange.call(sip)
        self._running = asyncio.create_task(self.session.run())

    async def preparing(self) -> None:
        await self.workers.opened()

    async def answered(self) -> None:
        await self.preparing()
        self.workers.get_ready()
        await self.sip.until("answer")
        await self.workers.flowing()

    async def talking(self) -> None:
        await self.answered()
        self.sip.ack()
        await self.settled()

    async def settled(self) -> None:
        """Whatever is on its way has arrived."""
        for _ in range(5):
            await asyncio.sleep(0)

    async def over(self) -> dict[str, Any]:
        async with asyncio.timeout(2):
            await self._running
        return self.exchange.only_record()

    async def crashed(self) -> dict[str, Any]:
        """As the server treats a call whose task fails."""
        async with asyncio.timeout(2):
            with pytest.raises(ValueError, match="defect"):
                await self._running
            await self.session.abandon()
            await self.session.abandon()
        return self.exchange.only_record()

    async def cut_off(self) -> dict[str, Any]:
        """As a server that stops treats a call that doesn't end by itself."""
        self._running.cancel()
        async with asyncio.timeout(2):
            with pytest.raises(asyncio.CancelledError):
                await self._running
            await self.session.abandon()
        return self.exchange.only_record()


@pytest.fixture
async def talk(exchange: Exchange, workers: FakeWorkers) -> Talk:
    """A call that is coming in."""
    return Talk(exchange, workers, FakeSip(invite()))


def outcome(record: dict[str, Any]) -> tuple[str, str, int, str | None]:
    return record["call_status"], record["end_reason"], record["sip_status"], record["reason_code"]


# --- a call that is answered ------------------------------------------------------------------------


async def test_the_caller_hangs_up(talk: Talk) -> None:
    await talk.talking()
    talk.sip.bye()
    record = await talk.over()
    assert outcome(record) == ("completed", "caller_hung_up", 200, None)
    assert talk.sip.done == ["ring", "answer"]
    assert list(map(kind, talk.exchange.seen)) == [
        "CallReceived",
        "CallRouted",
        "CallAdmitted",
        "LegReady",
        "CallAnswered",
        "LegEnded",
        "CallCharged",
        "CallEnded",
    ]
    assert (record["route"], record["codec"]) == ("pbx/100 -> echo", "PCMU")
    assert record["rtp"] == RTP


async def test_nothing_is_answered_before_the_leg_is_ready(talk: Talk) -> None:
    await talk.preparing()
    await talk.settled()
    assert talk.sip.done == ["ring"]
    talk.sip.cancel()
    await talk.over()


async def test_the_leg_gets_the_sockets_the_agent_and_the_best_codec(
    talk: Talk, ports: PortPool, workers: FakeWorkers
) -> None:
    await talk.talking()
    assert workers.order is not None
    assert (workers.order.codec, agent_config(workers.order.agent).name) == ("PCMA", "echo")
    assert workers.order.recording is None
    assert [sock.getsockname()[1] % 2 for sock in workers.sockets] == [0, 1]
    assert talk.sip.local is not None
    assert talk.sip.local.address == "198.51.100.1"
    assert talk.sip.local.rtp_port == workers.sockets[0].getsockname()[1]
    assert (workers.started[0].remote_rtp, workers.started[0].codec) == (PHONE, "PCMU")
    assert ports.in_use == 1
    talk.sip.bye()
    await talk.over()


async def test_a_late_offer_expects_the_codec_that_the_trunk_prefers(
    exchange: Exchange, workers: FakeWorkers
) -> None:
    talk = Talk(exchange, workers, FakeSip(invite(offer=None)))
    await talk.talking()
    assert workers.order is not None
    assert workers.order.codec == "PCMA"
    talk.sip.bye()
    await talk.over()


async def test_a_reinvite_reaches_the_leg_and_the_call_was_answered_once(
    talk: Talk, workers: FakeWorkers
) -> None:
    await talk.talking()
    talk.sip.send(negotiated("PCMA"))
    talk.sip.bye()
    record = await talk.over()
    assert [params.codec for params in workers.started] == ["PCMU", "PCMA"]
    assert sum(isinstance(event, events.CallAnswered) for event in talk.exchange.seen) == 1
    assert outcome(record)[1] == "caller_hung_up"


async def test_digits_by_info_reach_the_leg_which_tells_of_those_that_count(
    talk: Talk, workers: FakeWorkers
) -> None:
    await talk.talking()
    talk.sip.send(InfoDigit("5", 160))
    await talk.settled()
    workers.report(events.DigitReceived(call_id="c-1", at=1.0, digit="5", duration_ms=160, method="info"))
    talk.sip.bye()
    (digit,) = (await talk.over())["digits"]
    assert (digit["digit"], digit["method"], workers.pressed) == ("5", "info", [("5", 160)])


# --- digits that we send ----------------------------------------------------------------------------


async def test_digits_go_out_as_telephone_events_where_they_were_negotiated(
    talk: Talk, workers: FakeWorkers
) -> None:
    await talk.talking()
    talk.session.do(PressKeys(digits="12#"))
    talk.sip.bye()
    (sent,) = (await talk.over())["digits_sent"]
    assert (sent["digits"], sent["method"], workers.dialled) == ("12#", "rfc4733", [("12#", False)])


async def test_digits_go_out_by_info_to_a_peer_without_telephone_events(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keying, "INFO_PRESS_MS", 1)
    monkeypatch.setattr(keying, "INFO_PAUSE_MS", 0)
    talk.sip.dtmf_payload_type = None
    await talk.talking()
    talk.session.do(PressKeys(digits="9d"))
    await talk.sip.until("info D 1")
    talk.sip.bye()
    (sent,) = (await talk.over())["digits_sent"]
    assert sent["method"] == "info"
    assert [deed for deed in talk.sip.done if deed.startswith("info")] == ["info 9 1", "info D 1"]


async def test_digits_go_out_as_tones_to_a_peer_without_info(
    exchange: Exchange, workers: FakeWorkers
) -> None:
    sip = FakeSip(replace(invite(), headers=(("Allow", "INVITE, ACK, BYE, CANCEL"), ("Allow", "OPTIONS"))))
    sip.dtmf_payload_type = None
    talk = Talk(exchange, workers, sip)
    await talk.talking()
    talk.session.do(PressKeys(digits="1"))
    sip.bye()
    (sent,) = (await talk.over())["digits_sent"]
    assert (sent["method"], workers.dialled) == ("inband", [("1", True)])


@pytest.mark.parametrize("digits", ["12x", "1 2", "flash"])
async def test_what_is_no_digit_is_not_sent(talk: Talk, workers: FakeWorkers, digits: str) -> None:
    await talk.talking()
    with pytest.raises(ValueError, match="not DTMF digits"):
        talk.session.do(PressKeys(digits=digits))
    talk.sip.bye()
    assert (await talk.over())["digits_sent"] == []
    assert workers.dialled == []


async def test_before_the_answer_there_is_nobody_to_send_digits_to(talk: Talk, workers: FakeWorkers) -> None:
    await talk.preparing()
    with pytest.raises(ValueError, match="nobody"):
        talk.session.do(PressKeys(digits="1"))
    talk.sip.cancel()
    await talk.over()


async def test_digits_that_are_not_to_be_kept_are_masked_in_the_record(
    exchange: Exchange, workers: FakeWorkers
) -> None:
    talk = Talk(exchange, workers, FakeSip(invite(to="secret")))
    await talk.talking()
    assert workers.order is not None
    assert not workers.order.record_digits
    talk.session.do(PressKeys(digits="1234"))
    talk.sip.bye()
    (sent,) = (await talk.over())["digits_sent"]
    assert sent["digits"] == "***"


async def test_digits_that_came_are_masked_for_all_but_the_directors(
    exchange: Exchange, workers: FakeWorkers
) -> None:
    talk = Talk(exchange, workers, FakeSip(invite(to="secret")))
    await talk.talking()
    workers.report(events.DigitReceived(call_id="c-1", at=1.0, digit="7", kept=False, duration_ms=100))
    pin = events.ToolCalled(call_id="c-1", at=1.0, tool_call_id="t", name="pin", arguments='{"pin": "1234"}')
    workers.report(pin)
    talk.sip.bye()
    record = await talk.over()
    assert [press["digit"] for press in record["digits"]] == ["***"]
    assert record["tools"][0]["arguments"] == '{"pin": "***"}'
    assert [event.digit for event in exchange.seen if isinstance(event, events.DigitReceived)] == ["***"]


# --- directors --------------------------------------------------------------------------------------


async def test_what_directors_tell_is_heard_by_all_and_answers_the_model(
    exchange: Exchange, workers: FakeWorkers
) -> None:
    talk = Talk(exchange, workers, FakeSip(invite(to="model")))
    await talk.talking()
    call = {"call_id": "c-1", "at": 1.0, "tool_call_id": "t-1"}
    workers.report(events.ToolCalled(**call, name="note", arguments='{"message": "Hi"}'))
    await talk.settled()
    talk.sip.bye()
    record = await talk.over()
    assert [message["fields"] for message in record["messages"]] == [{"message": "Hi"}]
    assert [use["outcome"] for use in record["tools"]] == ["ok"]
    (answer,) = workers.told
    assert isinstance(answer, AnswerTool)
    assert answer.tool_call_id == "t-1"


async def test_a_tool_that_the_end_of_the_call_overtook_has_its_answer_in_the_record(
    exchange: Exchange, workers: FakeWorkers
) -> None:
    talk = Talk(exchange, workers, FakeSip(invite(to="model")))
    await talk.talking()
    call = {"call_id": "c-1", "at": 1.0, "tool_call_id": "t-1"}
    workers.report(events.ToolCalled(**call, name="hang_up", arguments="{}"))
    talk.sip.bye()
    assert [use["outcome"] for use in (await talk.over())["tools"]] == ["call_ended"]


# --- hold -------------------------------------------------------------------------------------------


async def test_holds_are_told_once_each_and_stand_in_the_record(talk: Talk, workers: FakeWorkers) -> None:
    await talk.talking()
    for direction in ("recvonly", "inactive", "sendrecv", "sendrecv", "sendonly"):
        talk.sip.send(negotiated(direction=direction))
    talk.sip.bye()
    first, second = (await talk.over())["holds"]
    assert (first["direction"], second["direction"], second["ended_s"]) == ("recvonly", "sendonly", None)
    assert first["started_s"] <= first["ended_s"]
    kinds = [kind(event) for event in talk.exchange.seen]
    assert kinds.count("CallHeld") == 2
    assert kinds.count("CallResumed") == 1
    directions = [params.direction for params in workers.started]
    assert directions[1:] == ["recvonly", "inactive", "sendrecv", "sendrecv", "sendonly"]


@pytest.mark.parametrize("reason", [EndReason.BACKEND_LOST, EndReason.WORKER_LOST, EndReason.MEDIA_TIMEOUT])
async def test_a_leg_that_ends_by_itself_hangs_up(
    talk: Talk, workers: FakeWorkers, reason: EndReason
) -> None:
    await talk.talking()
    workers.end(reason)
    assert outcome(await talk.over()) == ("completed", reason, 200, None)
    assert talk.sip.done[-1] == f"hang_up {reason}"


async def test_a_leg_that_ends_before_the_ack_hangs_up_too(talk: Talk, workers: FakeWorkers) -> None:
    await talk.answered()
    workers.end(EndReason.BACKEND_LOST)
    await talk.sip.until("hang_up backend_lost")
    talk.sip.ack()
    assert outcome(await talk.over()) == ("completed", "backend_lost", 200, None)


async def test_a_call_that_lasts_too_long_is_ended(exchange: Exchange, workers: FakeWorkers) -> None:
    talk = Talk(exchange, workers, FakeSip(invite()))
    await talk.preparing()
    assert talk.session._media is not None
    talk.session._media.max_duration_s = 0
    workers.get_ready()
    record = await talk.over()
    assert outcome(record) == ("completed", "max_duration", 200, None)
    assert talk.sip.done[-1] == "hang_up max_duration"


async def test_the_server_ends_a_call_that_is_on(talk: Talk) -> None:
    await talk.talking()
    talk.session.end(EndReason.DRAIN_DEADLINE)
    talk.session.end(EndReason.MAX_DURATION)
    assert outcome(await talk.over()) == ("completed", "drain_deadline", 200, None)


async def test_a_signalling_failure_is_not_the_callers_doing(talk: Talk) -> None:
    await talk.talking()
    talk.sip.send(CallDisconnected(408, "Request Timeout", by_remote=False))
    record = await talk.over()
    assert outcome(record) == ("completed", "signalling_failed", 408, None)
    assert record["detail"] == "Request Timeout"


# --- a call that is not ------------------------------------------------------------------------------


async def test_the_caller_cancels_while_the_leg_gets_ready(talk: Talk) -> None:
    await talk.preparing()
    talk.sip.cancel()
    assert outcome(await talk.over()) == ("canceled", "caller_cancelled", 487, None)
    assert talk.sip.done == ["ring"]


async def test_the_caller_cancels_in_the_moment_the_leg_is_ready(talk: Talk, workers: FakeWorkers) -> None:
    await talk.preparing()
    workers.close = lambda reason: None  # type: ignore[method-assign]
    talk.sip.cancel()
    await talk.settled()
    workers.get_ready()
    workers.end(EndReason.CALLER_CANCELLED)
    assert outcome(await talk.over()) == ("canceled", "caller_cancelled", 487, None)


async def test_a_leg_that_fails_refuses_the_call_with_its_reason(talk: Talk, workers: FakeWorkers) -> None:
    await talk.preparing()
    workers.fail(503, ReasonCode.BACKEND_NOT_READY)
    record = await talk.over()
    assert outcome(record) == ("rejected", "refused", 503, "backend_not_ready")
    assert talk.sip.done == ["ring", "refuse 503 backend_not_ready"]
    assert record["detail"] == "why"


async def test_a_worker_lost_while_the_leg_gets_ready_refuses_the_call(
    talk: Talk, workers: FakeWorkers
) -> None:
    await talk.preparing()
    workers.end(EndReason.WORKER_LOST)
    assert outcome(await talk.over()) == ("rejected", "refused", 503, "no_worker")


async def test_a_worker_lost_after_the_caller_hung_up_changes_nothing(
    talk: Talk, workers: FakeWorkers
) -> None:
    await talk.talking()
    workers.close = lambda reason: None  # type: ignore[method-assign]
    talk.sip.bye()
    await talk.settled()
    workers.end(EndReason.WORKER_LOST)
    assert outcome(await talk.over()) == ("completed", "caller_hung_up", 200, None)


async def test_the_server_ends_a_call_that_rings(talk: Talk) -> None:
    await talk.preparing()
    talk.session.end(EndReason.DRAIN_DEADLINE)
    assert outcome(await talk.over()) == ("rejected", "drain_deadline", 503, "draining")
    assert talk.sip.done[-1] == "refuse 503 draining"


async def test_an_offer_that_cannot_be_answered_after_all_is_refused_by_its_rule(talk: Talk) -> None:
    talk.sip.unanswerable = SdpError("c= is a host name")
    await talk.preparing()
    talk.workers.get_ready()
    record = await talk.over()
    assert outcome(record) == ("rejected", "refused", 488, "bad_offer")
    assert record["detail"] == "c= is a host name"
    assert talk.sip.done == ["ring", "refuse 488 bad_offer"]


@pytest.mark.parametrize(
    ("request_", "refusal"),
    [
        (invite(source=STRANGER), "refuse 403 trunk_unknown"),
        (invite(to="200"), "refuse 404 number_unknown"),
        (invite(offer="v=0\r\nnonsense"), "refuse 488 no_common_codec"),
        (invite(offer=OFFER.replace(" 0 8", " 18")), "refuse 488 no_common_codec"),
    ],
    ids=["source", "number", "unreadable offer", "codec"],
)
async def test_a_call_that_a_rule_refuses(
    exchange: Exchange, workers: FakeWorkers, request_: IncomingInvite, refusal: str
) -> None:
    talk = Talk(exchange, workers, FakeSip(request_))
    record = await talk.over()
    assert talk.sip.done == [refusal]
    assert f"refuse {record['sip_status']} {record['reason_code']}" == refusal
    assert outcome(record)[:2] == ("rejected", "refused")
    assert list(map(kind, exchange.seen)) == ["CallReceived", "CallRouted", "CallRefused", "CallEnded"]
    assert record["route_trail"][-1]["passed"] is False


async def test_a_call_that_a_rule_redirects(exchange: Exchange, workers: FakeWorkers) -> None:
    redirect = {"to": ["sip:1@elsewhere.example", "tel:+1"], "status": 302}
    routes = RoutesConfig.model_validate({"rules": [{"name": "away", "redirect": redirect}]})
    exchange.house.current.config = exchange.config.model_copy(update={"routes": routes})
    talk = Talk(exchange, workers, FakeSip(invite()))
    record = await talk.over()
    assert talk.sip.done == ["redirect 302 sip:1@elsewhere.example tel:+1"]
    assert outcome(record) == ("redirected", "redirected", 302, None)
    assert record["redirected_to"] == ["sip:1@elsewhere.example", "tel:+1"]
    assert list(map(kind, exchange.seen)) == ["CallReceived", "CallRouted", "CallRedirected", "CallEnded"]


async def test_a_call_over_the_limit_is_told_when_to_come_back(
    exchange: Exchange, workers: FakeWorkers
) -> None:
    load = exchange.house.load
    with load.permit("pbx", 0.0), load.permit("pbx", 0.0):
        talk = Talk(exchange, workers, FakeSip(invite()))
        await talk.settled()
    record = await talk.over()
    assert outcome(record) == ("rejected", "refused", 503, "server_call_limit")
    assert talk.sip.done[0].startswith("refuse 503 server_call_limit ")


async def test_without_a_free_port_the_call_is_refused(
    exchange: Exchange, workers: FakeWorkers, ports: PortPool
) -> None:
    taken = ports.acquire(0.0)
    talk = Talk(exchange, workers, FakeSip(invite()))
    await talk.settled()
    ports.release(taken, 0.0)
    assert outcome(await talk.over()) == ("rejected", "refused", 503, "no_rtp_port")


async def test_without_a_worker_the_call_is_refused(exchange: Exchange, workers: FakeWorkers) -> None:
    workers.are_gone = True
    talk = Talk(exchange, workers, FakeSip(invite()))
    assert outcome(await talk.over()) == ("rejected", "refused", 503, "no_worker")


# --- defects, and what never became a call ----------------------------------------------------------


async def test_a_call_that_crashes_still_leaves_one_record(talk: Talk, workers: FakeWorkers) -> None:
    workers.defect = ValueError("defect")
    await talk.preparing()
    workers.get_ready()
    record = await talk.crashed()
    assert outcome(record) == ("completed", "internal_error", 500, None)
    assert talk.sip.done[-1] == "hang_up internal_error"


async def test_a_call_that_a_stopping_server_cuts_off_has_its_record_and_gives_its_ports_back(
    talk: Talk, workers: FakeWorkers
) -> None:
    await talk.preparing()
    talk.session.end(EndReason.DRAIN_DEADLINE)
    record = await talk.cut_off()
    assert record["end_reason"] == "drain_deadline"
    assert talk.sip.done[-1] == "hang_up internal_error"
    assert talk.exchange.house.ports.in_use == 0


async def test_an_invite_that_the_stack_refused_has_its_record(exchange: Exchange) -> None:
    rejected = RejectedInvite(invite(), 488, ReasonCode.NO_COMMON_CODEC)
    await tell_rejected("c-1", rejected, exchange.house)
    record = exchange.only_record()
    assert outcome(record) == ("rejected", "refused", 488, "no_common_codec")
    assert (record["trunk"], record["to"]) == ("pbx", "100")


async def test_the_trunk_has_the_last_word_on_recording(exchange: Exchange, workers: FakeWorkers) -> None:
    trunk = exchange.config.trunks["pbx"].model_copy(update={"record": True})
    exchange.config.trunks["pbx"] = trunk  # type: ignore[index]
    talk = Talk(exchange, workers, FakeSip(invite()))
    await talk.talking()
    assert workers.order is not None
    assert workers.order.recording is not None
    assert Path(workers.order.recording).name == "c-1.wav"
    talk.sip.bye()
    await talk.over()


async def test_a_call_through_a_real_worker(tmp_path: Path, ports: PortPool) -> None:
    supervisor = Supervisor(1, LoggingConfig(level="error"))
    await supervisor.start()
    exchange = Exchange(tmp_path, ports, supervisor)
    sip = FakeSip(invite())
    running = asyncio.create_task(exchange.call(sip).run())
    await sip.until("answer")
    sip.ack()
    sip.bye()
    async with asyncio.timeout(5):
        await running
    record = exchange.only_record()
    assert outcome(record) == ("completed", "caller_hung_up", 200, None)
    path = "caller: rtp -> ulaw>alaw -> backend | agent: backend -> playout -> alaw>ulaw -> rtp"
    assert record["path"] == path
    assert record["timings"]["backend_ready_ms"] is not None
    await supervisor.stop()
