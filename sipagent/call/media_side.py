"""The media side of one call: its leg in a worker, who directs it, and what was negotiated for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from rtp.ports import PortPair
from sipagent import events, logs
from sipagent.call.casting import cast_of
from sipagent.call.directors.director import Accept, Command, Hold, PressKeys, Reject, Resume, Scene, Transfer
from sipagent.call.holding import Holding
from sipagent.call.house import House
from sipagent.call.keying import Keying
from sipagent.call.order import instead, keeps_digits, rtp_params
from sipagent.call.telling import Telling
from sipagent.call.transfer.attempt import Happening
from sipagent.call.transfer.director import Line
from sipagent.config import AgentConfig, TrunkConfig
from sipagent.errors import NoWorker, ReinviteFailed
from sipagent.sip.call import SipCall
from sipagent.sip.messages import NegotiatedMedia
from sipagent.worker.orders import Inject, OpenLeg, ToLeg

log = logs.get_logger(__name__)

Tell = Callable[[events.Event | Happening], None]
#: Every command but the call's end.
Wish = ToLeg | PressKeys | Transfer | Hold | Resume | Accept | Reject


@dataclass(frozen=True, slots=True)
class Parties:
    """Whose call it is: over which trunk, whose agent talks, and who may take over from it, by name."""

    trunk: TrunkConfig
    agent: AgentConfig
    agents: Mapping[str, AgentConfig]


class MediaSide:
    """Lives from the order for the leg to the end of the call. `tell` puts what happens into its inbox."""

    def __init__(
        self,
        order: OpenLeg,
        ports: PortPair,
        parties: Parties,
        telling: Telling,
        house: House,
        tell: Tell,
    ) -> None:
        """Raises `NoWorker`."""
        trunk, agent = parties.trunk, parties.agent
        most = house.config.limits.max_call_duration_s
        self.max_duration_s = min(most, agent.max_call_duration_s or most)
        self._call_id = order.call_id
        self._order, self._sockets = order, (ports.rtp_sock, ports.rtcp_sock)
        self._trunk = trunk
        self._keeps_digits = telling.keeps_digits = keeps_digits(trunk, agent)
        self._telling = telling
        self._house = house
        self._tell = tell
        self._keying: Keying | None = None
        self._holding = Holding(order.call_id)
        self._line = self._line_of(agent)
        self.cast = cast_of(self._scene(agent), self._line, house, parties.agents)
        self.leg = house.workers.open_leg(order, self._sockets, tell)

    def use(self, sip: SipCall) -> None:
        """This is the call's dialog."""
        self._line.sip = sip
        self._keying = Keying(sip, self.leg, self._trunk.dtmf.send)

    def reopen(self, failed: events.LegFailed) -> bool:
        """Is there somebody to answer in the place of an agent that can't? Then another leg gets ready."""
        fallback = self.cast.fallback
        agent = fallback.instead_of(failed)
        if agent is None:
            return False
        order = instead(self._order, agent, alone=fallback.answers_alone)
        try:
            self.leg = self._house.workers.open_leg(order, self._sockets, self._tell)
        except NoWorker:
            return False
        if self._keying is not None:
            self._keying.use(self.leg)
        return True

    def flow(self, media: NegotiatedMedia) -> events.CallHeld | events.CallResumed | None:
        """Let audio flow as negotiated. Whether that puts the call on hold, or ends a hold."""
        sip = self._line.sip
        assert sip is not None
        invite = sip.invite
        if media.srtp is not None and invite is not None and invite.transport != "tls":
            log.warning("srtp_keys_in_clear", transport=invite.transport)
        change = self._holding.changes(media, "us" if sip.holds else "peer", time.monotonic())
        host = invite.source_ip if invite is not None else None
        strict_source = not self._trunk.symmetric_rtp
        self.leg.start(rtp_params(media, strict_source=strict_source, signalling_host=host))
        return change

    def heed_hold(self, change: events.CallHeld | events.CallResumed) -> None:
        """While we hold the peer, nobody speaks to it. Who is being transferred is nobody's to give back."""
        if self.cast.transfers.is_under_way:
            return
        held_by_us = isinstance(change, events.CallHeld) and change.by == "us"
        for order in self._holding.lay_aside(held_by_us, self._trunk.hold_file):
            self.leg.tell(order)

    def do(self, command: Wish) -> Iterable[Command]:
        """What is asked of the call. Returns what is to be done next.

        Raises ValueError, with nothing done, for what can't be done.
        """
        match command:
            case PressKeys():
                self.send_digits(command.digits)
            case Transfer():
                return self.cast.transfers.begin(command, time.monotonic())
            case Hold() | Resume():
                self._hold(isinstance(command, Hold))
            case Accept() | Reject():
                raise ValueError("it does not wait for anybody's word")
            case Inject():
                self.cast.history.note(command.text)
                self.leg.tell(command)
            case _:
                self.leg.tell(command)
        return ()

    def send_digits(self, digits: str) -> None:
        """Press keys (0-9, *, #, A-D) towards the peer. Raises ValueError, with none sent, for others."""
        media = self._holding.media
        if self._keying is None or media is None:
            raise ValueError("nobody has answered yet")
        method = self._keying.press(digits, media.dtmf_payload_type is not None)
        shown, now = digits if self._keeps_digits else events.MASKED, time.monotonic()
        self._telling.publish(events.DigitsSent(call_id=self._call_id, at=now, digits=shown, method=method))

    def close(self) -> None:
        """The call is over."""
        if self._keying is not None:
            self._keying.close()
        self.cast.close()

    def _hold(self, held: bool) -> None:
        sip = self._line.sip
        if sip is None or self._holding.media is None:
            raise ValueError("nobody has answered yet")
        try:
            sip.hold(held)
        except ReinviteFailed as error:
            raise ValueError(str(error)) from None

    def _scene(self, agent: AgentConfig) -> Scene:
        return Scene(
            call_id=self._call_id,
            direction=self._telling.record.direction,
            trunk=self._trunk.name,
            agent=agent,
            max_duration_s=self.max_duration_s,
            tell=self._tell,
            is_recorded=self._order.recording is not None,
            detects_machine=self._order.detects_machine,
        )

    def _line_of(self, agent: AgentConfig) -> Line:
        telling = self._telling
        record = telling.record
        return Line(
            call_id=self._call_id,
            trunk=self._trunk,
            agent=agent,
            caller=record.from_ if record.direction == "inbound" else record.to,
            tell=self._tell,
            follow=lambda sip: telling.follow(sip.messages),
            holding=self._holding,
        )
