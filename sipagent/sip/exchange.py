"""The SDP of one call over its life: what we last said, and what it came to. Pure."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable
from dataclasses import replace

from sipagent.sip import negotiation, sdp
from sipagent.sip.crypto import KeyExchange
from sipagent.sip.messages import LocalMedia, NegotiatedMedia
from sipagent.sip.sdp import SessionDescription

_AUDIO_LINE = re.compile(r"^m=audio (\d+) ", re.MULTILINE)


class SdpExchange:
    """Offers and answers of one call. It says nothing until it has been given `local`.

    `random_bytes` makes the keys of SRTP.
    """

    def __init__(
        self, local: LocalMedia | None = None, random_bytes: Callable[[int], bytes] = os.urandom
    ) -> None:
        self.local = local
        self._keys = KeyExchange(random_bytes)
        self._offered_srtp = False
        self._session_id = secrets.randbits(62)
        self._version = 0
        self._reply: str | None = None
        self._agreed: NegotiatedMedia | None = None

    def answer(self, offer: SessionDescription, local: LocalMedia) -> tuple[str, NegotiatedMedia]:
        """Our answer to an offer, and what it comes to. Raises as `negotiation.answer` does."""
        text, agreed = negotiation.answer(
            offer, local, self._keys, session_id=self._session_id, version=self._next_version()
        )
        self._agreed = agreed
        return text, agreed

    def receive(self, offer: str) -> None:
        """Take a new offer within the call, to be answered with `next_text`. Raises as `answer` and
        `sdp.parse` do."""
        assert self.local is not None, "no offer comes within a call that was not answered or placed"
        self._reply, _ = self.answer(sdp.parse(offer), self.local)

    def next_text(self) -> str | None:
        """What to say now: the answer to the offer just received, else an offer of ours."""
        if self.local is None:
            return None
        if self._reply is not None:
            text, self._reply = self._reply, None
            return text
        self._agreed = None
        text = negotiation.offer(
            self.local, self._keys, session_id=self._session_id, version=self._next_version()
        )
        self._offered_srtp = sdp.parse(text).secure_audio is not None
        return text

    def outcome(self, stream: NegotiatedMedia | None, remote: str = "") -> NegotiatedMedia | None:
        """What was agreed, if it was by an answer of ours; else `stream`, pjmedia's view of the peer's.

        The peer's key is then in its answer, `remote`. Raises `SdpError` if it answered SRTP with something
        else, or with an address that we must not send to.
        """
        if self._agreed is not None or stream is None:
            return self._agreed
        if self.local is not None:
            negotiation.check_remote(stream, self.local)
        if not self._offered_srtp:
            return stream
        audio = sdp.parse(remote).secure_audio
        return replace(stream, srtp=self._keys.conclude(audio.crypto if audio else ()))

    def is_ours(self, message: str) -> bool:
        """Is the SDP in a message that went out ours? Where it can't parse ours, pjsua2 sends its own."""
        lines = _AUDIO_LINE.findall(message)
        return self.local is None or not lines or str(self.local.rtp_port) in lines

    def _next_version(self) -> int:
        self._version += 1
        return self._version
