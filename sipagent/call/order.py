"""What a worker is told of a call: the leg to open, and the media that was negotiated. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from rtp.params import SrtpParams
from rtp.session import RtpParams
from sipagent.call.admission.decision import Admit
from sipagent.call.directors.story.opening import is_staged
from sipagent.config import AgentConfig, Config, TrunkConfig
from sipagent.sip.crypto import codecs_to_take
from sipagent.sip.messages import NegotiatedMedia
from sipagent.sip.sdp import SessionDescription
from sipagent.worker.media_watch import MediaTimeouts
from sipagent.worker.orders import OpenLeg


def leg_order(
    call_id: str,
    admitted: Admit,
    codec: str,
    config: Config,
    recording: str | None,
    *,
    detects_machine: bool = False,
) -> OpenLeg:
    """The leg for an admitted call, which is expected to have this codec."""
    rtp, trunk, agent = config.rtp, admitted.trunk, admitted.agent
    return OpenLeg(
        call_id=call_id,
        agent=spoken_for(agent, detects_machine).model_dump_json(),
        codec=codec,
        recording=recording,
        jitter_min_ms=rtp.jitter_min_ms,
        jitter_max_ms=rtp.jitter_max_ms,
        timeouts=MediaTimeouts(rtp.first_packet_timeout_s, rtp.timeout_s, rtp.hold_timeout_s),
        detect_inband=trunk.dtmf.detect_inband,
        record_digits=keeps_digits(trunk, agent),
        hold_tone=trunk.hold == "tone",
        record_at_once=agent.story.consent is None,
        detects_machine=detects_machine,
    )


def instead(order: OpenLeg, agent: AgentConfig, *, alone: bool) -> OpenLeg:
    """The same leg for another agent; `alone`: nobody speaks for it."""
    return replace(
        order,
        agent=spoken_for(agent, order.detects_machine).model_dump_json(),
        has_agent=not alone,
        record_at_once=agent.story.consent is None,
    )


def spoken_for(agent: AgentConfig, detects_machine: bool = False) -> AgentConfig:
    """The agent as a media worker gets it: one whose story begins the call doesn't greet by itself."""
    return agent.model_copy(update={"greeting": None}) if is_staged(agent, detects_machine) else agent


def is_recorded(admitted: Admit) -> bool:
    """The trunk's word counts, if it has one."""
    trunk, agent = admitted.trunk, admitted.agent
    return trunk.record if trunk.record is not None else agent.record


def keeps_digits(trunk: TrunkConfig, agent: AgentConfig) -> bool:
    """Whether digits may stand in recording, record and log. The trunk's word counts, if it has one."""
    return trunk.record_digits if trunk.record_digits is not None else agent.record_digits


def expected_codec(offer: SessionDescription | None, trunk: TrunkConfig) -> str:
    """What an answer to the offer will come to; for a late offer, what we will like best."""
    if offer is None:
        return trunk.codecs[0]
    offered = codecs_to_take(offer.offered, trunk.srtp)
    return next(codec for codec in trunk.codecs if codec in offered)


def rtp_params(
    media: NegotiatedMedia, *, strict_source: bool = False, signalling_host: str | None = None
) -> RtpParams:
    """The negotiated media in the words of the RTP library."""
    srtp = media.srtp
    return RtpParams(
        codec=media.codec,
        payload_type=media.payload_type,
        dtmf_payload_type=media.dtmf_payload_type,
        ptime_ms=media.ptime_ms,
        direction=media.direction,
        remote_rtp=media.remote_rtp,
        remote_rtcp=media.remote_rtcp,
        srtp=SrtpParams(srtp.suite, srtp.send_key, srtp.receive_key) if srtp else None,
        strict_source=strict_source,
        signalling_host=signalling_host,
    )
