"""Our signatures are those of Standard Webhooks, as its own library verifies them."""

from __future__ import annotations

import base64
import time

import pytest
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from sipagent import signing

KEY = bytes(range(24))
SECRET = "whsec_" + base64.b64encode(KEY).decode()
BODY = b'{"type":"call.answered","data":{"from":"+15559999"}}'


def test_the_reference_implementation_verifies_what_we_sign() -> None:
    headers = signing.headers(KEY, "msg_1", int(time.time()), BODY)
    assert Webhook(SECRET).verify(BODY, headers)["type"] == "call.answered"


@pytest.mark.parametrize(
    ("key", "message_id", "body"),
    [(KEY[::-1], "msg_1", BODY), (KEY, "msg_2", BODY), (KEY, "msg_1", BODY + b" ")],
    ids=["key", "id", "body"],
)
def test_another_key_id_or_body_is_no_good(key: bytes, message_id: str, body: bytes) -> None:
    signed = signing.headers(key, "msg_1", int(time.time()), BODY)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body, signed | {"webhook-id": message_id})


def test_an_old_attempt_is_no_good() -> None:
    with pytest.raises(WebhookVerificationError, match="too old"):
        Webhook(SECRET).verify(BODY, signing.headers(KEY, "msg_1", int(time.time()) - 3600, BODY))
