"""What pjsua2 reports, and to whom: the interfaces between `pjsua` and the objects that act on it.

Handlers are called from within pjsua2, which is then in the middle of something: they return soon, and end no
call there and then.
"""

from __future__ import annotations

from typing import Protocol

from sipagent.sip.messages import NegotiatedMedia


class CallbackHandler(Protocol):
    def on_callback_failed(self) -> None:
        """Another method raised. The exception is logged already."""


class CallHandler(CallbackHandler, Protocol):
    def on_state(self, state: str, sip_status: int, reason: str, by_remote: bool) -> None:
        """A new state of the dialog, by pjsip's name for it; `by_remote` if the peer's message caused it."""

    def on_offer(self, offer: str) -> int:
        """A new offer within the call. Returns the SIP status to answer with; any but 200 refuses it."""

    def local_sdp(self) -> str | None:
        """The SDP to send: the answer to the offer just reported, else an offer of ours.

        None lets pjsip's own stand, where that is known not to be sent.
        """

    def on_media(self, stream: NegotiatedMedia | None, remote_sdp: str) -> None:
        """Offer and answer are complete. `stream` is what pjmedia made of them, None for no active stream.

        `remote_sdp` is the peer's part of it, empty where this pjsua2 can't tell.
        """

    def on_invite_answered(self, sip_status: int, message: str) -> None:
        """An answer to an INVITE of ours came in: to the first one, or to one within the call."""

    def on_sent(self, message: str) -> None:
        """A message of a transaction within the call went out; this is its text."""

    def on_received(self, message: str) -> None:
        """A message of a transaction within the call came in."""

    def on_refer_status(self, sip_status: int, reason: str) -> None:
        """A REFER of ours was taken (100) or refused, or the peer tells by NOTIFY how it gets on with it."""

    def on_info_digit(self, digit: str, duration_ms: int) -> None:
        """A DTMF digit by SIP INFO."""


class AccountHandler(CallbackHandler, Protocol):
    def on_incoming(self, call_id: int, source: str, message: str) -> None:
        """An INVITE came in. It must have its `PjCall` when this returns, or pjsua2 refuses it."""

    def on_registration(self, sip_status: int, reason: str, expires_s: int, message: str) -> None:
        """A REGISTER was answered, or failed (408, 503). `expires_s` is 0 if it took us off.

        `message` is the text of the answer, empty if there was none.
        """


class StackHandler(CallbackHandler, Protocol):
    def select_account(self, source: str) -> int | None:
        """The index of the account that a request from this address belongs to; None for the default."""

    def on_rejected(self, sip_status: int, source: str, message: str) -> None:
        """pjsip refused an INVITE by itself: no call came of it."""

    def on_connection_lost(self, transport: str) -> None:
        """A TCP or TLS connection, by pjsip's name for it, is gone."""
