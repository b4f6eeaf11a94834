"""RTP for one call: a library without I/O, without a clock, and without knowledge of SIP or voice models.

    inbound    udp -> session -> receiver: packet, latch, dtmf, jitter (depth, timeline), filler -> frames
               filler: plc for loss, comfort noise for pauses; playclock: frames by a clock, for another phone
    outbound   playout (speech) -> session -> sender: dtmf, packet -> udp, when pacer says so
    RTCP       session -> reporter: rtcp, stats
    audio      g711 (laws), resample (rates), taps and wav (recordings), inband (digits heard as tones)
    I/O        ports (the pool of bound pairs), udp (the asyncio shell); everything else is pure

A leg needs `session.RtpSession` (bytes in, frames and events out, bytes to send), `playout.Playout` (the only
place where agent audio waits) and `pacer.Pacer`. Vocabulary: params (what was negotiated), events (what
happened), address, seq (numbers that wrap). Time is always an argument, in monotonic seconds; audio is
little-endian s16 unless named by its law.
"""
