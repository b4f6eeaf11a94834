"""Calls of peers that are listed, registered with or strangers, and what is decided of them."""

from __future__ import annotations

from dataclasses import replace

from sipagent.call.admission.decision import Decision
from sipagent.call.admission.incoming import decide
from sipagent.call.admission.question import Load
from sipagent.config import Config
from sipagent.sip.messages import IncomingInvite, OfferedAudio
from tests.call import fake_sip
from tests.call.fake_sip import PBX

CARRIER, SECURE = "198.51.100.5", "203.0.113.7"
REGISTERED = {"sales": frozenset({CARRIER}), "support": frozenset({CARRIER})}


def invite(source: str = PBX, to: str = "100", to_header: str | None = None) -> IncomingInvite:
    return replace(fake_sip.invite(source, to), to_uri=f"<sip:{to_header or to}@203.0.113.1>")


def ask(
    config: Config,
    request: IncomingInvite | None = None,
    load: Load | None = None,
    codecs: tuple[str, ...] | None = ("PCMU", "PCMA", "telephone-event"),
    now: float = 0.0,
) -> Decision:
    offered = None if codecs is None else OfferedAudio(codecs)
    return decide(request or invite(), offered, load or Load(), config, REGISTERED, now)
