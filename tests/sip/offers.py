"""Offers as carriers and PBXs send them, with documentation addresses."""


def _sdp(text: str) -> str:
    return text.strip().replace("\n", "\r\n") + "\r\n"


TWILIO = _sdp("""
v=0
o=root 1831097479 1831097479 IN IP4 203.0.113.5
s=Twilio Media Gateway
c=IN IP4 203.0.113.5
t=0 0
m=audio 17634 RTP/AVP 0 101
a=maxptime:20
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-16
a=sendrecv
""")

TELNYX = _sdp("""
v=0
o=FreeSWITCH 1700000000 1700000001 IN IP4 203.0.113.7
s=FreeSWITCH
c=IN IP4 203.0.113.7
t=0 0
m=audio 24312 RTP/AVP 9 0 8 18 101
a=rtpmap:9 G722/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:18 G729/8000
a=fmtp:18 annexb=no
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=rtcp:24313 IN IP4 203.0.113.7
a=ptime:20
""")

ASTERISK = _sdp("""
v=0
o=- 1318291231 1318291231 IN IP4 203.0.113.9
s=Asterisk
c=IN IP4 203.0.113.9
t=0 0
m=audio 10962 RTP/AVP 8 0 101
a=rtpmap:8 PCMA/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-16
a=ptime:20
a=maxptime:140
a=sendrecv
""")

CISCO = _sdp("""
v=0
o=CiscoSystemsSIP-GW-UserAgent 9154 5427 IN IP4 203.0.113.20
s=SIP Call
c=IN IP4 203.0.113.20
t=0 0
m=audio 16452 RTP/AVP 18 0 101
c=IN IP4 203.0.113.20
a=rtpmap:18 G729/8000
a=fmtp:18 annexb=no
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=ptime:240
""")

FREESWITCH_WITH_VIDEO = _sdp("""
v=0
o=FreeSWITCH 1699999999 1700000000 IN IP4 203.0.113.11
s=FreeSWITCH
c=IN IP4 203.0.113.11
t=0 0
m=video 21000 RTP/AVP 96
b=AS:1024
a=rtpmap:96 H264/90000
m=audio 30268 RTP/AVP 102 0 8 100 101 13
a=rtpmap:102 opus/48000/2
a=fmtp:102 useinbandfec=1; maxaveragebitrate=30000
a=rtpmap:0 pcmu/8000
a=rtpmap:8 pcma/8000/1
a=rtpmap:100 telephone-event/48000
a=fmtp:100 0-15
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=rtpmap:13 CN/8000
a=ptime:20
m=image 0 udptl t38
""")

STATIC_TYPES_ALONE = _sdp("""
v=0
o=- 1 1 IN IP4 203.0.113.30
s=-
c=IN IP4 203.0.113.30
t=0 0
m=audio 5004 RTP/AVP 0 8
""")

SRTP_ALONE = _sdp("""
v=0
o=- 1 1 IN IP4 203.0.113.40
s=-
c=IN IP4 203.0.113.40
t=0 0
m=audio 5004 RTP/SAVP 0
a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj
""")
