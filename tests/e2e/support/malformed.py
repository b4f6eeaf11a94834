"""SIP messages of the kinds that RFC 4475 collects, in words of our own: for a parser to take or refuse.

pjsip answers what it can't read with silence, and REGISTER and methods that it doesn't know too.
"""

from __future__ import annotations

from tests.e2e.support.kinds import SDP, Kind, invite, request, response

#: The end of a request that gets a call or is told why not.
CALL = (200, 400, 404, 406, 415, 416, 420, 482, 483, 488, 493, 501, 503)


def _cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


MANY_VIAS = tuple(f"Via: SIP/2.0/UDP hop{n}.example.com;branch=z9hG4bKhop{n}" for n in range(30))
LONG = "a-very-long-value-" * 25
MIXED = (
    f"--edge\r\nContent-Type: application/sdp\r\n\r\n{SDP}\r\n"
    "--edge\r\nContent-Type: text/plain\r\n\r\nhi\r\n--edge--\r\n"
)
OTHER_HOPS = tuple(
    f"Via: SIP/2.0/{each} h.example.com;branch=z9hG4bK{each}" for each in ("UDP", "SCTP", "TLS", "X", "TCP")
)

KINDS = (
    # 3.1.1: odd and valid
    Kind(
        "odd spelling and folding",
        "3.1.1.1",
        "INVITE sip:1000@{server};odd-param=yes SIP/2.0\r\nTO  :\r\n sip:1000@{server}\r\n"
        'fRoM: "An\\\\\\"na"  <sip:anna@{ip}>\r\n  ;\r\n  tag = t{id}\r\nMaX-fOrWaRdS: 0068\r\n'
        "Call-ID: {id}\r\nX-Unheard-Of: a\r\n b\r\ncseq: 0009\r\n  INVITE\r\n"
        "Via  : SIP  /  2.0\r\n /UDP\r\n    {ip}:{port};branch=z9hG4bK{id};rport\r\n"
        's:\r\nm:\r\n "Q" < sip:anna@{ip}:{port} >\r\n ; newparam =\r\n newvalue\r\nl: 0\r\n\r\n',
    ),
    Kind("every character that a token may have", "3.1.1.2", request("!in-te~*%'`_+.method")),
    Kind("escapes in the URI", "3.1.1.3", request(uri="sip:%31%30%30%30%3Bx@{server};p=%25"), (200, 404)),
    Kind("an escaped NUL", "3.1.1.4", request("REGISTER", "sip:{server}", to="To: <sip:nul%00@{ip}>")),
    Kind("percent in a method", "3.1.1.5", request("RE%47IST")),
    Kind(
        "no space before the angle bracket",
        "3.1.1.6",
        request(sender="From: Anna<sip:anna@{ip}>;tag=t{id}"),
        (200,),
    ),
    Kind(
        "long values",
        "3.1.1.7",
        invite(f"X-{LONG[:80]}: {LONG}", *MANY_VIAS, sender=f'From: "{LONG}" <sip:anna@{{ip}}>;tag=t{{id}}'),
        CALL,
    ),
    Kind("a second request after the first", "3.1.1.8", request("REGISTER") + request("INVITE")),
    Kind("semicolon in the user part", "3.1.1.9", request(uri="sip:1000;p=1@{server}"), (200, 404)),
    Kind(
        "transports of many names in Via", "3.1.1.10", request("OPTIONS", "sip:{server}", *OTHER_HOPS), (200,)
    ),
    Kind(
        "several parts", "3.1.1.11", invite("Content-Type: multipart/mixed;boundary=edge", body=MIXED), CALL
    ),
    Kind("a response without a reason", "3.1.1.13", response("SIP/2.0 100 ")),
    Kind(
        "a reason in another script",
        "3.1.1.12",
        response("SIP/2.0 200 = 2**3 * 5**2 но сто девяносто девять"),
    ),
    # 3.1.2: invalid
    Kind(
        "commas and semicolons that don't belong",
        "3.1.2.1",
        invite(
            'Contact: "A" <sip:a@{ip}>;;,;,,', via="Via: SIP/2.0/UDP {ip}:{port};branch=z9hG4bK{id};;,;,,"
        ),
    ),
    Kind("content length larger than the message", "3.1.2.2", invite(length="Content-Length: 9999")),
    Kind("negative content length", "3.1.2.3", invite(length="Content-Length: -999")),
    Kind(
        "numbers out of range",
        "3.1.2.4",
        request(cseq="CSeq: 36893488147419103232 OPTIONS", forwards="Max-Forwards: 300"),
    ),
    Kind(
        "numbers out of range in a response",
        "3.1.2.5",
        response(
            "SIP/2.0 503 no",
            "Retry-After: 949302838503028349304023988",
            cseq="CSeq: 9292394834772304023312 OPTIONS",
        ),
    ),
    Kind("an open quote", "3.1.2.6", invite(to='To: "Mr. 1000 <sip:1000@{server}>')),
    Kind("a URI in angle brackets", "3.1.2.7", invite(uri="<sip:1000@{server}>")),
    Kind("space within the URI", "3.1.2.8", invite(uri="sip:1000@{server}; lr")),
    Kind("many spaces in the first line", "3.1.2.9", request(uri="  sip:{server}  ")),
    Kind("space at the end of the first line", "3.1.2.10", request(version="SIP/2.0  ")),
    Kind(
        "escaped headers in the URI",
        "3.1.2.11",
        invite(uri="sip:1000@{server}?Route=%3Csip:h.example.com%3E"),
    ),
    Kind("a date that is none of GMT", "3.1.2.12", invite("Date: Fri, 01 Jan 2010 16:00:00 EST"), CALL),
    Kind(
        "a URI that is not enclosed",
        "3.1.2.13",
        invite("Contact: sip:anna@{ip}:{port}?Route=%3Csip:x%3E", contact=""),
    ),
    Kind("spaces in an address", "3.1.2.14", request(to="To: < sip:1000@{server} >")),
    Kind("no token for a name", "3.1.2.15", request(sender="From: Anna, A. <sip:anna@{ip}>;tag=t{id}")),
    Kind("an unknown version", "3.1.2.16", request(version="SIP/7.0")),
    Kind("methods that differ", "3.1.2.17", request(cseq="CSeq: 8 INVITE")),
    Kind("an unknown method, and another in CSeq", "3.1.2.18", request("NEWMETHOD", cseq="CSeq: 8 INVITE")),
    Kind("a status beyond all", "3.1.2.19", response("SIP/2.0 4294967301 better not")),
    # 3.2: transactions
    Kind(
        "a branch of the cookie alone",
        "3.2.1",
        request(via="Via: SIP/2.0/UDP {ip}:{port};branch=z9hG4bK;rport"),
    ),
    # 3.3: what the application is asked
    Kind("fields missing", "3.3.1", request("INVITE", sender="", to="", call_id="")),
    Kind("a URI of an unknown scheme", "3.3.2", request(uri="nobodyknows:totallyopaquecontent")),
    Kind("a known scheme that isn't ours", "3.3.3", request(uri="soap.beep://192.0.2.103:3002")),
    Kind(
        "unknown schemes in the other fields",
        "3.3.4",
        request("REGISTER", to="To: <isbn:2983792873>", sender="From: <http://x.example.com>;tag=t{id}"),
    ),
    Kind(
        "an extension that is required",
        "3.3.5",
        request(
            "OPTIONS",
            "sip:{server}",
            "Require: nothingSupportsThis, nor-this",
            "Proxy-Require: noProxiesEither",
        ),
        (420, 200),
    ),
    Kind(
        "an unknown content type", "3.3.6", invite("Content-Type: application/unknown", body="<audio/>"), CALL
    ),
    Kind(
        "an unknown authorization scheme",
        "3.3.7",
        request("REGISTER", "sip:{server}", "Authorization: NoOneKnowsThis opaque=here"),
    ),
    Kind(
        "fields that may stand once, twice",
        "3.3.8",
        request(
            "INVITE",
            "sip:1000@{server}",
            "CSeq: 8 INVITE",
            "To: <sip:1001@{server}>",
            "From: <sip:b@{ip}>;tag=2",
            "Call-ID: other",
            "Max-Forwards: 5",
            body=SDP,
        ),
    ),
    Kind(
        "content lengths that differ",
        "3.3.9",
        request("OPTIONS", "sip:{server}", "Content-Length: 3", body="abcdef"),
    ),
    Kind(
        "an answer to a via that isn't ours",
        "3.3.10",
        response("SIP/2.0 200 OK", via="Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK{id}"),
    ),
    Kind("no hop left", "3.3.11", request(forwards="Max-Forwards: 0"), (200, 483)),
    Kind(
        "a contact with parameters",
        "3.3.12",
        request("REGISTER", contact="Contact: <sip:a@{ip}?Route=%3Csip:x%3E>"),
    ),
    Kind("a URL in angle brackets twice", "3.3.13", request(contact="Contact: <<sip:anna@{ip}>>")),
    Kind(
        "the expiry of a contact out of range",
        "3.3.14",
        request("REGISTER", contact="Contact: <sip:a@{ip}>;expires=99999999999"),
    ),
    Kind(
        "a body that nobody understands",
        "3.3.15",
        invite("Content-Type: text/plain", "Accept: text/nobodyKnowsThis", body="hello"),
        CALL,
    ),
    # 3.4: before RFC 3261
    Kind(
        "as RFC 2543 had it",
        "3.4.1",
        "INVITE sip:1000@{server} SIP/2.0\r\nVia: SIP/2.0/UDP {ip}:{port};rport\r\n"
        "From: <sip:anna@{ip}>\r\nTo: sip:1000@{server}\r\nCall-ID: {id}\r\nCSeq: 1 INVITE\r\n"
        "Content-Type: application/sdp\r\n\r\n" + SDP,
    ),
    # and of our own
    Kind("half a message", "cut", invite(), raw=_cut),
    Kind("NULs", "bytes", request(), raw=lambda data: data.replace(b"anna", b"an\0na")),
    Kind("no text at all", "bytes", "", raw=lambda data: bytes(range(256)) * 5),
    Kind("keep-alives", "bytes", "\r\n\r\n\r\n\r\n"),
)


def sdp(*lines: str) -> str:
    return SDP + "".join(f"{line}\r\n" for line in lines)


KEYS = [f"a=crypto:{tag} AES_CM_128_HMAC_SHA1_80 inline:" + "A" * 40 for tag in range(1, 60)]
BODIES = (
    Kind("many keys", "SDP", invite(body=sdp(*KEYS)), CALL),
    Kind("a line that hardly ends", "SDP", invite(body=sdp("a=x:" + "y" * 4000)), CALL),
    Kind("a hundred media", "SDP", invite(body=sdp(*("m=audio 6000 RTP/AVP 0",) * 100)), CALL),
    Kind("a hundred formats", "SDP", invite(body=SDP.replace("AVP 0", "AVP" + " 0" * 100)), CALL),
    Kind("cut in the middle", "SDP", invite(body=SDP[:40]), CALL),
    Kind("no connection", "SDP", invite(body=SDP.replace("c=IN IP4 {ip}\r\n", "")), CALL),
    Kind("a port beyond all", "SDP", invite(body=SDP.replace("6000", "99999999999")), CALL),
    Kind("control characters", "SDP", invite(body="\x01\x02\x7f" * 100), CALL),
    Kind("nothing but line ends", "SDP", invite(body="\r\n" * 50), CALL),
    Kind("to everybody", "SDP", invite(body=SDP.replace("{ip}", "255.255.255.255")), CALL),
    Kind("to ourselves", "SDP", invite(body=SDP.replace("6000", "{rtp}")), CALL),
)
