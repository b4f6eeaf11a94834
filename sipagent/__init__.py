"""sipagent: a SIP/RTP media server that lets a realtime voice model answer and make phone calls."""
