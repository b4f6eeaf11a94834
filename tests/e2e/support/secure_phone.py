"""A telephone that speaks SRTP with keys in SDP, by libsrtp alone, and can be attacked and re-keyed."""

from __future__ import annotations

import base64
import contextlib
import secrets
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pylibsrtp

from tests.e2e.support.phone import Phone
from tests.e2e.support.setup import Setup
from tests.e2e.support.sip import Address, Message, Socket

AES_80, AES_32, GCM = "AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32", "AEAD_AES_256_GCM"
PROFILES = {
    AES_80: (pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 30),
    AES_32: (pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_32, 30),
    GCM: (pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 44),
}


def session(suite: str, key: bytes, direction: int) -> pylibsrtp.Session:
    return pylibsrtp.Session(pylibsrtp.Policy(key, direction, srtp_profile=PROFILES[suite][0]))


class _Sealing:
    """A socket that seals what it sends, and keeps it."""

    def __init__(self, socket: Socket) -> None:
        self.socket = socket
        self.sender: pylibsrtp.Session | None = None
        self.sent: list[bytes] = []

    @property
    def address(self) -> Address:
        return self.socket.address

    @property
    def arrived_at(self) -> float:
        return self.socket.arrived_at

    def send(self, data: bytes, to: Address) -> None:
        sealed = self.sender.protect(data) if self.sender else data
        self.sent.append(sealed)
        self.socket.send(sealed, to)

    def close(self) -> None:
        self.socket.close()


class SecurePhone(Phone):
    """Offers `suites` in that order, or with `late` nothing: then it answers the server's offer in its ACK.

    With `plain` it offers no SRTP at first; with `keyless` its answers in an ACK name no key. `unreadable`
    counts what can't be decrypted; `server_keys` are those that the server said, in order.
    """

    def __init__(
        self,
        setup: Setup,
        *,
        suites: Sequence[str] = (AES_80,),
        late: bool = False,
        plain: bool = False,
        keyless: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(setup, **options)
        self.suites = suites
        self.unreadable = 0
        self.server_keys: list[str] = []
        self.keys = self._new_keys()
        self._late, self._plain, self._keyless = late, plain, keyless
        self._receiver: pylibsrtp.Session | None = None
        self._sealing: _Sealing

    async def open(self) -> None:
        await super().open()
        self._sealing = _Sealing(self._rtp)
        self._rtp = self._sealing  # type: ignore[assignment]

    # --- signalling ---------------------------------------------------------------------------------

    async def reinvite(self, *, secure: bool = True, new_keys: bool = False, attributes: str = "") -> Message:
        """A new offer within the call, and the answer to it."""
        if new_keys:
            self.keys = self._new_keys()
        body = (super()._offer() if not secure else self._offer()) + attributes
        branch = secrets.token_hex(8)
        self._send("INVITE", body=body, branch=branch)
        answer = await self._final("INVITE")
        self._send("ACK", branch=branch if answer.status >= 300 else None)
        if answer.status == 200:
            self._agree(answer.body)
        return answer

    async def reinvite_without_offer(self) -> Message:
        """The server is to offer; it is answered in the ACK."""
        self._send("INVITE")
        answer = await self._final("INVITE")
        assert answer.status == 200
        super()._send("ACK", body=self._answer_to(answer.body))
        return answer

    def _send(self, method: str, *, body: str = "", branch: str | None = None) -> None:
        if self._late and method == "INVITE" and self.answer is None:
            body = ""
        elif self._late and method == "ACK" and branch is None and self.answer is not None:
            body = self._answer_to(self.answer.body)
            self._late = False
        super()._send(method, body=body, branch=branch)

    def _offer(self) -> str:
        if self._plain and self.answer is None:
            return super()._offer()
        lines = [f"a=crypto:{tag} {line}\r\n" for tag, line in enumerate(map(self._line, self.suites), 1)]
        return super()._offer().replace("RTP/AVP", "RTP/SAVP") + "".join(lines)

    def _answer_to(self, offer: str) -> str:
        if "a=crypto" not in offer:
            self._plain = True
            return super()._offer()
        theirs = next(line for line in crypto_lines(offer) if line.split()[1] in self.suites)
        tag, suite, _ = theirs.split()
        self._agree(f"a=crypto:{theirs}\r\n")
        ours = "" if self._keyless else f"a=crypto:{tag} {self._line(suite)}\r\n"
        return super()._offer().replace("RTP/AVP", "RTP/SAVP") + ours

    def _line(self, suite: str) -> str:
        return f"{suite} inline:{base64.b64encode(self.keys[suite]).decode()}"

    def _new_keys(self) -> dict[str, bytes]:
        return {suite: secrets.token_bytes(length) for suite, (_, length) in PROFILES.items()}

    def _agree(self, answer: str) -> None:
        _, suite, key = crypto_lines(answer)[0].split()
        self.server_keys.append(key.removeprefix("inline:"))
        master = base64.b64decode(self.server_keys[-1])
        self._receiver = session(suite, master, pylibsrtp.Policy.SSRC_ANY_INBOUND)
        self._sealing.sender = session(suite, self.keys[suite], pylibsrtp.Policy.SSRC_ANY_OUTBOUND)

    def _talk(self, answer: str) -> None:
        if self._sealing.sender is None and not self._plain:
            self._agree(answer)
        super()._talk(answer)

    # --- RTP ----------------------------------------------------------------------------------------

    @property
    def sent(self) -> list[bytes]:
        """Every RTP datagram that went out, as it was on the wire."""
        return self._sealing.sent

    def inject(self, datagrams: Sequence[bytes]) -> None:
        """Send these as they are, from the call's own address: the worst place that an attacker can have."""
        for data in datagrams:
            self._sealing.socket.send(data, self.rtp_target)

    def _receive_rtp(self, data: bytes, addr: Address) -> None:
        try:
            plain = self._receiver.unprotect(data) if self._receiver else data
        except pylibsrtp.Error:
            self.unreadable += 1
        else:
            super()._receive_rtp(plain, addr)


def crypto_lines(body: str) -> list[str]:
    """The values of `a=crypto`."""
    return [line.removeprefix("a=crypto:") for line in body.split("\r\n") if line.startswith("a=crypto:")]


@contextlib.asynccontextmanager
async def secure_phone(setup: Setup, **options: Any) -> AsyncIterator[SecurePhone]:
    """A telephone that hasn't called yet."""
    caller = SecurePhone(setup, **options)
    await caller.open()
    try:
        yield caller
    finally:
        caller.close()


@contextlib.asynccontextmanager
async def secure_call(setup: Setup, **options: Any) -> AsyncIterator[SecurePhone]:
    """A call that has been answered."""
    async with secure_phone(setup, **options) as caller:
        answer = await caller.invite()
        assert answer.status == 200, answer
        yield caller
