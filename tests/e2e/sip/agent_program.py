"""A process with nothing but a `SipAgent`: it rings, answers with a fixed port, and prints what happens.

    python agent_program.py '{"config": {...}, "answer": true, "hang_up": false}'

Each thing that happens is a line of JSON. With `answer` false it rings for ever; with `refuse` it answers
503; with `hang_up` it ends a call as soon as it stands; with `call` it places a call over the first trunk,
and gives up at once with `give_up`, or after an event with `give_up_when`; `hold` puts a call on hold as soon
as it stands; with `restart` it has stopped and started before; with `lose` pjsip forgets a call that rings.
SIGTERM stops it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
from typing import Any

import msgspec
import pjsua2 as pj
import uvloop

from sipagent.config import Config
from sipagent.errors import ReasonCode, SdpError
from sipagent.events import TargetStateChanged, TrunkStateChanged
from sipagent.sip import sdp
from sipagent.sip.agent import SipAgent
from sipagent.sip.call import SipCall
from sipagent.sip.messages import CallConfirmed, CallDisconnected, LocalMedia, RejectedInvite


def say(event: str, **fields: Any) -> None:
    print(json.dumps({"event": event, **fields}, default=str), flush=True)


class Program:
    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        self.config = Config.model_validate(options["config"])
        codecs = tuple(options.get("codecs", ("PCMU", "PCMA")))
        address, srtp = options.get("address", "127.0.0.1"), options.get("srtp", "off")
        self.local = LocalMedia(address, 40000, 40001, codecs, srtp=srtp)
        self.agent = SipAgent(
            self.config,
            on_invite=self.on_invite,
            on_trunk=self.on_trunk,
            on_rejected=self.on_rejected,
            on_target=self.on_target,
        )
        self.tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        stopped = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
        await self.agent.start()
        if self.options.get("restart"):
            await self.agent.stop()
            await self.agent.start()
        say("started", max_calls=self.agent.max_calls)
        if "call" in self.options:
            self.spawn(self.report(self.place()))
        await stopped.wait()
        await self.agent.stop()
        await self.agent.stop()
        say("stopped", calls=self.agent.calls)

    def place(self) -> SipCall:
        call = self.agent.place_call(
            next(iter(self.config.trunks)),
            self.options["call"],
            self.local,
            from_uri=self.options.get("from"),
            hide_caller=self.options.get("hide_caller", False),
            headers=[("X-Test", "here")],
        )
        if self.options.get("give_up"):
            call.hang_up()
        return call

    def on_invite(self, call: SipCall) -> None:
        self.spawn(self.serve(call))

    def on_trunk(self, change: TrunkStateChanged) -> None:
        say("trunk", **msgspec.structs.asdict(change))

    def on_target(self, change: TargetStateChanged) -> None:
        say("target", **msgspec.structs.asdict(change))

    def on_rejected(self, rejected: RejectedInvite) -> None:
        say("rejected", status=rejected.sip_status, reason_code=rejected.reason_code)

    def spawn(self, coroutine: Any) -> None:
        task = asyncio.create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def serve(self, call: SipCall) -> None:
        assert call.invite is not None
        say("invite", call=call.sip_call_id, **msgspec.to_builtins(call.invite))
        if self.options.get("refuse"):
            call.refuse(503, reason_code=ReasonCode.TRUNK_CALL_LIMIT, retry_after_s=7)
        else:
            call.ring()
        if self.options.get("lose"):
            lose(call)
        if self.options.get("answer", True) and not self.options.get("refuse"):
            self.answer(call)
        await self.report(call)

    def answer(self, call: SipCall) -> None:
        assert call.invite is not None
        offer = call.invite.offer
        try:
            agreed = call.answer(self.local, None if offer is None else sdp.parse(offer))
        except SdpError as error:
            call.refuse(error.sip_status, reason_code=error.reason_code)
        else:
            say("answered", call=call.sip_call_id, agreed=msgspec.to_builtins(agreed))

    async def report(self, call: SipCall) -> None:
        while True:
            event = await call.next_event()
            say(type(event).__name__, call=call.sip_call_id, **msgspec.to_builtins(event))
            if isinstance(event, CallConfirmed) and self.options.get("hang_up"):
                call.hang_up(reason_code="agent_hung_up")
            if type(event).__name__ == self.options.get("give_up_when"):
                call.hang_up()
            if isinstance(event, CallConfirmed) and self.options.get("hold"):
                call.hold(True)
            if isinstance(event, CallDisconnected):
                call.ring()
                call.hang_up()
                return


def lose(call: SipCall) -> None:
    """End the call within pjsip so that it tells nobody: as somebody else's, who is gone before its end."""
    assert call._pj is not None
    pj.Call(call.account, call._pj.getId())


if __name__ == "__main__":
    logging.basicConfig(level=logging.DEBUG if "--debug" in sys.argv else logging.INFO, stream=sys.stderr)
    uvloop.run(Program(json.loads(sys.argv[1])).run())
