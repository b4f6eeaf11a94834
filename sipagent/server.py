"""The server, from start to drained stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import resource
import signal
import sys
import time
import uuid
from dataclasses import replace
from pathlib import Path

from rtp.ports import PortPool
from sipagent import events, logs
from sipagent.api.app import build
from sipagent.api.http_server import HttpServer
from sipagent.api.listening import Hub
from sipagent.call.admission import originating
from sipagent.call.admission.decision import Refuse
from sipagent.call.admission.load import CallLoad
from sipagent.call.current import CurrentConfig
from sipagent.call.house import House
from sipagent.call.inbound import InboundCall
from sipagent.call.origination import Origination, Refused
from sipagent.call.outbound import OutboundCall
from sipagent.call.record.bookkeeping import Bookkeeping
from sipagent.call.record.log import CallLog
from sipagent.call.record.narration import log_event
from sipagent.call.reloading import Reloader, ReloadOutcome
from sipagent.call.session import CallSession
from sipagent.call.telling import tell_rejected
from sipagent.config import Config
from sipagent.control import ServerControl
from sipagent.errors import EndReason
from sipagent.figures import server_figures, worker_figures
from sipagent.metrics import Metrics
from sipagent.outbound.desk import Desk
from sipagent.service.notify import service_manager
from sipagent.service.report import ServiceReport
from sipagent.service.vitals import Vitals
from sipagent.sip.agent import SipAgent
from sipagent.sip.call import SipCall
from sipagent.sip.messages import RejectedInvite
from sipagent.tools.toolbox import Toolbox
from sipagent.webhooks.service import Webhooks
from sipagent.worker.control.supervisor import Supervisor

log = logs.get_logger(__name__)

#: How long calls have to say goodbye to their peers once the drain deadline has cut them off.
GOODBYE_S = 5.0
#: How long a thread that writes records may keep the loop from going on; Python's default is 5 ms.
THREADS_TURN_S = 0.0005


class Server:
    """Start, serve until told to stop, stop admitting, drain, end."""

    def __init__(self, config: Config, path: Path) -> None:
        """`path` is the file that `config` was read from, and is read from again."""
        now = time.monotonic()
        rtp, storage = config.rtp, config.storage
        workers = config.media.workers
        self._current = CurrentConfig(config)
        self._calls: dict[str, tuple[CallSession, asyncio.Task[None]]] = {}
        self._rejected: set[asyncio.Task[None]] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._stop = asyncio.Event()
        self._reload_wanted = asyncio.Event()
        self._reloading: asyncio.Task[None] | None = None
        count = workers if workers != "auto" else len(os.sched_getaffinity(0))
        self._hub = Hub(config.redact)
        self._workers = Supervisor(count, config.logging, self._hub.hear)
        self._log = CallLog(
            spool=storage.spool,
            transcripts=storage.transcripts,
            recordings=storage.recordings,
            ladders=storage.ladders if config.call_log.ladder else None,
            redact=config.redact,
        )
        self._metrics = Metrics(
            lambda: worker_figures(self._workers),
            lambda: server_figures(self._house, self._sip, self._workers),
        )
        self._books = Bookkeeping(config, self._metrics)
        self._webhooks = Webhooks(config, self._metrics)
        self._sip = SipAgent(
            config,
            on_invite=self._on_invite,
            on_trunk=self._on_trunk,
            on_rejected=self._on_rejected,
            on_target=self._on_target,
        )
        self._tools = Toolbox(config.tools, self._metrics.tool_down)
        self._house = House(
            current=self._current,
            load=CallLoad(config, now, self._workers.cpu_share),
            ports=PortPool(rtp.bind_address, rtp.first_port, rtp.last_port, rtp.quarantine_s, rtp.dscp),
            workers=self._workers,
            calls=self._log,
            costs=self._books.costs,
            metrics=self._metrics,
            addresses=self._sip.addresses,
            registered_sources=self._registered_sources,
            watch=self._watch,
            place_call=self._sip.place_call,
            tools=self._tools,
        )

        self._reloader = Reloader(path, self._current, self._sip, self._house.load, self._metrics)
        self._control = ServerControl(self._house, self._sip, self._reloader, self._sessions, self._readiness)
        self._desk = Desk(self._current, self, self._metrics, self._webhooks.take_dial)
        self._http = HttpServer(build(self._control, config, self._hub, self._desk), config.http)
        self._service = ServiceReport(service_manager(), self._vitals)

    @property
    def _config(self) -> Config:
        return self._current.config

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then drain; returns when all is closed. SIGHUP reloads."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload_wanted.set)
        try:
            await self._start()
            await self._stop.wait()
            await self._drain()
        finally:
            await self._close()

    async def reload(self) -> ReloadOutcome:
        """Go by the configuration as it is on disk now, if nothing is wrong with it."""
        return await self._reloader.reload()

    async def _reload_on_request(self) -> None:
        while True:
            await self._reload_wanted.wait()
            self._reload_wanted.clear()
            self._service.reloading()
            await self.reload()
            self._service.reloaded()

    async def _start(self) -> None:
        raise_file_limit()
        sys.setswitchinterval(THREADS_TURN_S)
        await self._webhooks.open()
        self._log.recover(self._config.prices)
        self._books.start()
        self._webhooks.start()
        await self._workers.start()
        await self._sip.start()
        await self._desk.open()
        await self._http.start()
        self._reloading = asyncio.create_task(self._reload_on_request(), name="reload")
        self._service.start()
        spare_what_stays()
        log.info(
            "server_started",
            trunks=sorted(self._config.trunks),
            agents=sorted(self._config.agents),
            max_calls=min(self._config.limits.max_calls, self._sip.max_calls),
        )

    async def _drain(self) -> None:
        """No new calls; those that are on may finish until the deadline, then they are ended."""
        self._house.load.draining = True
        for session, _ in list(self._calls.values()):
            if isinstance(session, OutboundCall):
                session.call_off()
        deadline_s = self._config.limits.drain_deadline_s
        self._service.stopping(deadline_s + GOODBYE_S)
        log.info("server_draining", calls=len(self._calls), deadline_s=deadline_s)
        try:
            async with asyncio.timeout(deadline_s):
                await self._sip.unregister()
                await self._idle.wait()
        except TimeoutError:
            for session, _ in list(self._calls.values()):
                session.end(EndReason.DRAIN_DEADLINE)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GOODBYE_S):
                    await self._idle.wait()

    async def _close(self) -> None:
        if self._reloading is not None:
            self._reloading.cancel()
        await self._http.stop()
        await self._desk.stop()
        await self._sip.stop()
        await self._abandon_calls()
        await self._workers.stop()
        await self._tools.close()
        self._log.close()
        self._books.stop()
        await self._webhooks.stop()
        self._house.ports.close()
        await self._service.stop()
        log.info("server_stopped")

    async def _abandon_calls(self) -> None:
        """Calls that would not end in good order get their record while it can be written."""
        left = [task for _, task in self._calls.values()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _watch(self, event: events.Event) -> None:
        """Every event of every call passes here, when its record has taken it in."""
        log_event(event)
        self._webhooks.take(event)
        self._hub.publish(event)
        self._desk.observe(event)

    # --- calls --------------------------------------------------------------------------------------

    def originate(self, origination: Origination) -> str:
        """Place a call; returns its id. What becomes of it is told in its events, `CallEnded` the last.

        It counts against every limit from now on. Raises `Refused`.
        """
        now, house = time.monotonic(), self._house
        load = replace(house.load.snapshot(), exceeded=house.costs.exceeded(house.config))
        decision = originating.decide(origination, load, house.config, now)
        if isinstance(decision, Refuse):
            raise Refused(decision.reason_code, decision.detail, decision.retry_after_s)
        call_id = uuid.uuid4().hex
        with logs.call(call_id):
            self._take_on(OutboundCall(call_id, origination, decision, house))
        return call_id

    def hang_up(self, call_id: str) -> None:
        """End a call, if it is on: nobody wants it any more."""
        if call_id in self._calls:
            self._calls[call_id][0].end(EndReason.API_HUNG_UP, "its dial was cancelled")

    def _on_invite(self, sip: SipCall) -> None:
        call_id = uuid.uuid4().hex
        with logs.call(call_id):
            self._take_on(InboundCall(call_id, sip, self._house))

    def _take_on(self, session: CallSession) -> None:
        call_id = session.call_id
        task = asyncio.create_task(self._run_call(session), name=f"call {call_id}")
        self._calls[call_id] = (session, task)
        self._idle.clear()

    async def _run_call(self, session: CallSession) -> None:
        try:
            await session.run()
        except Exception:  # the call's edge: one call's defect must not end the others
            log.exception("call_crashed")
            await session.abandon()
        except asyncio.CancelledError:
            log.warning("call_abandoned", state=session.state)
            await session.abandon()
            raise
        finally:
            del self._calls[session.call_id]
            if not self._calls:
                self._idle.set()

    def _sessions(self) -> dict[str, CallSession]:
        return {call_id: session for call_id, (session, _) in self._calls.items()}

    def _on_rejected(self, rejected: RejectedInvite) -> None:
        """pjsip refused an INVITE by itself; it gets its record all the same."""
        call_id = uuid.uuid4().hex
        with logs.call(call_id):
            story = tell_rejected(call_id, rejected, self._house)
            task = asyncio.create_task(story, name=f"call {call_id}")
        self._rejected.add(task)
        task.add_done_callback(self._rejected.discard)

    def _on_trunk(self, event: events.TrunkStateChanged) -> None:
        self._webhooks.take_trunk(event)
        self._control.note_trunk(event)
        self._metrics.observe_trunk(event)
        log.info(
            "trunk_state",
            trunk=event.trunk,
            registered=event.registered,
            status=event.sip_status,
            detail=event.detail,
            target=event.target,
        )

    def _on_target(self, event: events.TargetStateChanged) -> None:
        fields = {"target": event.target, "status": event.sip_status, "rtt_ms": event.rtt_ms}
        log.debug("trunk_target", trunk=event.trunk, is_up=event.is_up, **fields)

    def _registered_sources(self) -> dict[str, frozenset[str]]:
        return {
            name: self._sip.registrar_addresses(name)
            for name, trunk in self._config.trunks.items()
            if trunk.registration is not None
        }

    # --- how the server is --------------------------------------------------------------------------

    def _readiness(self) -> dict[str, bool]:
        return {
            "workers": bool(self._workers.ready_workers()),
            "workers_stable": not self._workers.crash_loops(),
            "accepting_calls": not self._house.load.draining,
        }

    def _vitals(self) -> Vitals:
        return Vitals(
            polled_at=self._sip.polled_at,
            heard_at=self._workers.last_heard,
            calls=len(self._calls),
            draining=self._house.load.draining,
            registered=self._control.registered(),
        )


def spare_what_stays() -> None:
    """Keep the garbage collector from what the server is made of: going through that takes a tenth of a
    second, in which nobody is answered."""
    gc.collect()
    gc.freeze()


def raise_file_limit() -> None:
    """Every port pair and every worker costs descriptors: take all that the system allows us."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
