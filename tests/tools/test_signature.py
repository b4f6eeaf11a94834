"""Standard Webhooks, against the example of its specification."""

from __future__ import annotations

from sipagent.tools.signature import signed_headers


def test_the_example_of_the_specification():
    headers = signed_headers(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_any_other_secret_is_taken_as_it_stands():
    one, other = (signed_headers(secret, "m", 1, b"")["webhook-signature"] for secret in ("whsec_!", "b"))
    assert one != other
