"""The server as its API sees it: see `api.control`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import msgspec
from sqlalchemy import select

from sipagent import events, logs
from sipagent.api.control import CantBeDone, Reloaded
from sipagent.call.directors.director import Accept, Command, HangUp, Reject
from sipagent.call.house import House
from sipagent.call.record.outward import summary_of
from sipagent.call.record.redaction import redacted_record
from sipagent.call.record.spool import read_lines
from sipagent.call.reloading import Reloader
from sipagent.call.session import CallSession
from sipagent.call.state import State
from sipagent.call_log.database import Database, DatabaseDown, database_url
from sipagent.call_log.schema import calls
from sipagent.call_log.tail import spool_files
from sipagent.config import Config
from sipagent.sip.agent import SipAgent

log = logs.get_logger(__name__)

OVER = frozenset({State.HANGING_UP, State.CLOSING, State.ENDED})
ANSWERED = frozenset({State.ANSWERED, State.TALKING})
#: Spool files that are searched for a call that the database doesn't have (yet).
SPOOL_FILES = 2


class ServerControl:
    """`sessions` are the calls that are on, by their ids."""

    def __init__(
        self,
        house: House,
        sip: SipAgent,
        reloader: Reloader,
        sessions: Callable[[], Mapping[str, CallSession]],
        readiness: Callable[[], Mapping[str, bool]],
    ) -> None:
        """Raises `ConfigError` for a database that can't be one."""
        self._house = house
        self._sip = sip
        self._reloader = reloader
        self._sessions = sessions
        self._database = Database(database_url(house.config))
        self._trunk_states: dict[str, events.TrunkStateChanged] = {}
        self.readiness = readiness
        self.exposition = house.metrics.exposition

    def note_trunk(self, event: events.TrunkStateChanged) -> None:
        self._trunk_states[event.trunk] = event

    # --- calls --------------------------------------------------------------------------------------

    def live(self) -> list[dict[str, Any]]:
        return [summary_of(session.record, self._config.redact) for session in self._sessions().values()]

    def live_record(self, call_id: str) -> dict[str, Any] | None:
        session = self._sessions().get(call_id)
        return None if session is None else self._shown(session)

    async def record(self, call_id: str) -> dict[str, Any] | None:
        live = self.live_record(call_id)
        return live if live is not None else await asyncio.to_thread(self._kept, call_id)

    def do(self, call_id: str, command: Command) -> None:
        session = self._sessions().get(call_id)
        if session is None or session.state in OVER:
            raise CantBeDone("call_over", "the call is over")
        if not isinstance(command, Accept | Reject | HangUp) and session.state not in ANSWERED:
            raise CantBeDone("call_not_answered", f"the call is {session.state}")
        with logs.call(call_id):
            try:
                session.do(command)
            except ValueError as error:
                raise CantBeDone("not_possible", str(error)) from None

    def _shown(self, session: CallSession) -> dict[str, Any]:
        return redacted_record(session.record, self._config.redact)

    def _kept(self, call_id: str) -> dict[str, Any] | None:
        """From the database, or from the spool if that has not been fed yet, or is down."""
        try:
            found = self._database.records(select(calls.c.record).where(calls.c.call_id == call_id))
        except DatabaseDown as error:
            log.warning("api_without_database", error=str(error))
            found = []
        return found[0] if found else self._spooled(call_id)

    def _spooled(self, call_id: str) -> dict[str, Any] | None:
        for path in reversed(spool_files(self._config.storage.spool)[-SPOOL_FILES:]):
            for record in read_lines(path, lambda number: None):
                if record.get("call_id") == call_id:
                    return record
        return None

    # --- the rest -----------------------------------------------------------------------------------

    def trunks(self) -> list[dict[str, Any]]:
        live = self.live()
        return [
            {
                "name": name,
                "transport": trunk.transport,
                "registers": trunk.registration is not None,
                "numbers": sorted(trunk.numbers),
                "calls": sum(call["trunk"] == name for call in live),
                "max_calls": trunk.max_calls,
                **self._registration(name),
                "servers": [
                    {"target": str(each.target), "is_up": each.is_up, "rtt_ms": each.rtt_ms}
                    for each in self._sip.servers(name)
                ],
            }
            for name, trunk in self._config.trunks.items()
        ]

    def registered(self) -> dict[str, bool]:
        """The trunks that register, by whether they are registered now."""
        return {
            name: name in self._trunk_states and self._trunk_states[name].registered
            for name, trunk in self._config.trunks.items()
            if trunk.registration is not None
        }

    def agents(self) -> list[dict[str, Any]]:
        live = self.live()
        return [
            {
                "name": name,
                "backend": agent.backend.kind,
                "model": getattr(agent.backend, "model", None),
                "voice": agent.voice,
                "record": agent.record,
                "accept": agent.accept,
                "calls": sum(call["agent"] == name for call in live),
            }
            for name, agent in self._config.agents.items()
        ]

    async def reload(self) -> Reloaded:
        outcome = await self._reloader.reload()
        changes = {key: value for key, value in asdict(outcome).items() if key != "problems"}
        return Reloaded(outcome.problems, changes)

    def drain(self, draining: bool) -> int:
        self._house.load.draining = draining
        log.info("api_drain", draining=draining, calls=len(self._sessions()))
        return len(self._sessions())

    def directory(self, kind: Literal["recordings", "transcripts"]) -> Path:
        storage = self._config.storage
        return storage.recordings if kind == "recordings" else storage.transcripts

    def _registration(self, trunk: str) -> dict[str, Any]:
        state = self._trunk_states.get(trunk)
        if state is None:
            return {"registered": None}
        fields: dict[str, Any] = msgspec.to_builtins(state)
        return {key: value for key, value in fields.items() if key not in ("type", "at", "trunk")}

    @property
    def _config(self) -> Config:
        return self._house.config
