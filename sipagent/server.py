"""The server, from start to drained stop."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
import sys
import time
from pathlib import Path

from rtp.ports import PortPool
from sipagent import events, logs
from sipagent.api.app import build
from sipagent.api.http_server import HttpServer
from sipagent.api.listening import Hub
from sipagent.call.active import ActiveCalls
from sipagent.call.admission.load import CallLoad
from sipagent.call.current import CurrentConfig
from sipagent.call.house import House
from sipagent.call.record.bookkeeping import Bookkeeping
from sipagent.call.record.log import CallLog
from sipagent.call.record.narration import log_event
from sipagent.call.reloading import Reloader, ReloadOutcome
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
            on_invite=lambda sip: self.calls.receive(sip),
            on_trunk=self._on_trunk,
            on_rejected=lambda rejected: self.calls.note_rejected(rejected),
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
        self.calls = ActiveCalls(self._house)
        self._reloader = Reloader(path, self._current, self._sip, self._house.load, self._metrics)
        self._control = ServerControl(
            self._house, self._sip, self._reloader, self.calls.sessions, self._readiness
        )
        self._desk = Desk(self._current, self.calls, self._metrics, self._webhooks.take_dial)
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
        self.calls.call_off()
        deadline_s = self._config.limits.drain_deadline_s
        self._service.stopping(deadline_s + GOODBYE_S)
        log.info("server_draining", calls=len(self.calls), deadline_s=deadline_s)
        try:
            async with asyncio.timeout(deadline_s):
                await self._sip.unregister()
                await self.calls.all_over()
        except TimeoutError:
            await self.calls.end_all(EndReason.DRAIN_DEADLINE, GOODBYE_S)

    async def _close(self) -> None:
        if self._reloading is not None:
            self._reloading.cancel()
        await self._http.stop()
        await self._desk.stop()
        await self._sip.stop()
        await self.calls.abandon()
        await self._workers.stop()
        await self._tools.close()
        self._log.close()
        self._books.stop()
        await self._webhooks.stop()
        self._house.ports.close()
        await self._service.stop()
        log.info("server_stopped")

    def _watch(self, event: events.Event) -> None:
        """Every event of every call passes here, when its record has taken it in."""
        log_event(event)
        self._webhooks.take(event)
        self._hub.publish(event)
        self._desk.observe(event)

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
            calls=len(self.calls),
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
