"""A SIP peer that says exactly what a test tells it to, as caller or callee, right or wrong."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Iterable

from tests.e2e.support.sip import Address, Message, Socket, host_port
from tests.e2e.support.waiting import PATIENCE_S

HOST = "127.0.0.1"
REASONS = {
    100: "Trying", 180: "Ringing", 183: "Session Progress", 200: "OK", 302: "Moved", 422: "Too Small",
    481: "No Call", 487: "Request Terminated", 491: "Request Pending",
}  # fmt: skip
#: To hold the media of a peer that sends none: nothing listens there.
RTP_PORT = 9
Headers = Iterable[tuple[str, str]]


def sdp(direction: str = "sendrecv", version: int = 1) -> str:
    lines = [
        "v=0",
        f"o=- 1 {version} IN IP4 {HOST}",
        "s=-",
        f"c=IN IP4 {HOST}",
        "t=0 0",
        f"m=audio {RTP_PORT} RTP/AVP 0 101",
        "a=rtpmap:101 telephone-event/8000",
        f"a={direction}",
        "",
    ]
    return "\r\n".join(lines)


class Peer:
    """One end of one dialog. Messages are read in order; retransmissions are left out."""

    def __init__(self) -> None:
        self.call_id = secrets.token_hex(8)
        self.tag = secrets.token_hex(4)
        self.cseq = 0
        self.target: Address = ("", 0)
        self.uri = ""
        self.far = ""
        self._seen: set[tuple[str, ...]] = set()
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        self._socket: Socket

    async def open(self, host: str, port: int) -> None:
        self._socket = await Socket.open(self._receive, (host, port))

    def close(self) -> None:
        self._socket.close()

    @property
    def address(self) -> Address:
        return self._socket.address

    def _receive(self, data: bytes, addr: Address) -> None:
        message = Message.parse(data)
        key = (message.start, message["via"], message["cseq"], message.get("rseq") or "", message["to"])
        if key not in self._seen:
            self._seen.add(key)
            self.target = addr
            self._messages.put_nowait(message)

    async def next(self, wanted: str, within_s: float = PATIENCE_S) -> Message:
        """The next message that begins so: `INVITE` is a request, `200 INVITE` an answer to one."""
        return (await self.next_of_each(wanted, within_s=within_s))[0]

    async def next_of_each(self, *wanted: str, within_s: float = PATIENCE_S) -> list[Message]:
        """The next message that begins as each of `wanted`; they may come in any order."""
        found: dict[str, Message] = {}
        passed: list[str] = []
        try:
            async with asyncio.timeout(within_s):
                while len(found) < len(wanted):
                    message = await self._messages.get()
                    kind = f"{message.status or ''} {message.method}".strip()
                    if kind in wanted and kind not in found:
                        found[kind] = message
                    else:
                        passed.append(message.start)
        except TimeoutError:
            missing = [kind for kind in wanted if kind not in found]
            raise AssertionError(f"no {', '.join(missing)}, but {passed}") from None
        return [found[kind] for kind in wanted]

    # --- as a caller --------------------------------------------------------------------------------

    def request(
        self,
        method: str,
        *,
        headers: Headers = (),
        body: str = "",
        branch: str | None = None,
        cseq: int | None = None,
    ) -> str:
        """Send a request within the dialog, or one that begins it; returns its branch."""
        if cseq is None:
            self.cseq += method not in ("ACK", "CANCEL")
            cseq = self.cseq
        branch = branch or secrets.token_hex(8)
        me = host_port(self.address)
        lines = [
            f"{method} {self.uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {me};branch=z9hG4bK{branch}",
            f"From: <sip:+15550001@{me}>;tag={self.tag}",
            f"To: {self.far or f'<{self.uri}>'}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {cseq} {method}",
            f"Contact: <sip:+15550001@{me}>",
            "Max-Forwards: 70",
            *(f"{name}: {value}" for name, value in headers),
        ]
        self._send(lines, body)
        return branch

    def calls(self, number: str, target: Address) -> None:
        """Whom it will call."""
        self.target = target
        self.uri = f"sip:{number}@{host_port(target)}"

    def follow(self, answer: Message) -> None:
        """Take the far end's tag and Contact from an answer to an INVITE."""
        self.far = answer["to"]
        if (contact := answer.get("contact")) is not None:
            self.uri = contact.partition("<")[2].partition(">")[0]

    async def answered(self) -> Message:
        """The 200 to the INVITE, acknowledged."""
        answer = await self.next("200 INVITE")
        self.acknowledge(answer)
        return answer

    def acknowledge(self, answer: Message) -> None:
        """ACK a 200 to the INVITE."""
        self.follow(answer)
        self.request("ACK", cseq=int(answer["cseq"].split()[0]))

    def acknowledge_ringing(self, ringing: Message) -> None:
        """PRACK a reliable 180 (RFC 3262, 7.2)."""
        self.follow(ringing)
        self.request("PRACK", headers=[("RAck", f"{ringing['rseq']} {ringing['cseq']}")])

    # --- as a callee --------------------------------------------------------------------------------

    def respond(
        self, request: Message, status: int, *, headers: Headers = (), body: str = "", tag: str | None = None
    ) -> None:
        """Answer a request."""
        tag = tag or self.tag
        copied = [
            (name, value) for name, value in request.headers if name in ("via", "from", "call-id", "cseq")
        ]
        to = request["to"] if ";tag=" in request["to"] or status == 100 else f"{request['to']};tag={tag}"
        lines = [
            f"SIP/2.0 {status} {REASONS[status]}",
            *(f"{name}: {value}" for name, value in copied),
            f"To: {to}",
            f"Contact: <sip:{tag}@{host_port(self.address)}>",
            *(f"{name}: {value}" for name, value in headers),
        ]
        self._send(lines, body)

    def take(self, invite: Message) -> None:
        """Be the callee of this INVITE: requests of ours go the other way."""
        self.call_id = invite["call-id"]
        self.far = invite["from"]
        self.uri = invite["contact"].partition("<")[2].partition(">")[0]
        self.to = f"{invite['to']};tag={self.tag}"

    def request_as_callee(self, method: str, *, headers: Headers = (), body: str = "") -> None:
        """Send a request within the dialog that the other side began."""
        self.cseq += 1
        lines = [
            f"{method} {self.uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {host_port(self.address)};branch=z9hG4bK{secrets.token_hex(8)}",
            f"From: {self.to}",
            f"To: {self.far}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {self.cseq} {method}",
            f"Contact: <sip:{self.tag}@{host_port(self.address)}>",
            "Max-Forwards: 70",
            *(f"{name}: {value}" for name, value in headers),
        ]
        self._send(lines, body)

    def _send(self, lines: list[str], body: str) -> None:
        content = ["Content-Type: application/sdp"] if body else []
        message = "\r\n".join([*lines, *content, f"Content-Length: {len(body)}", "", body])
        self._socket.send(message.encode(), self.target)


@contextlib.asynccontextmanager
async def peer(port: int = 0, host: str = HOST) -> AsyncIterator[Peer]:
    """One that hasn't said anything yet."""
    one = Peer()
    await one.open(host, port)
    try:
        yield one
    finally:
        one.close()
