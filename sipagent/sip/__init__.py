"""SIP: signalling through pjsua2, SDP, messages. Knows nothing about audio."""
