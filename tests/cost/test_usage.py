"""Usage as backends report it, told apart by what has a price of its own."""

from __future__ import annotations

from typing import Any

import pytest

from sipagent.cost.usage import Quantities, quantities

#: As in the documentation of OpenAI Realtime.
RESPONSE = {
    "total_tokens": 253,
    "input_tokens": 132,
    "output_tokens": 121,
    "input_token_details": {
        "text_tokens": 119,
        "audio_tokens": 13,
        "image_tokens": 0,
        "cached_tokens": 64,
        "cached_tokens_details": {"text_tokens": 64, "audio_tokens": 0, "image_tokens": 0},
    },
    "output_token_details": {"text_tokens": 30, "audio_tokens": 91},
}


def test_cached_tokens_are_a_part_of_the_input() -> None:
    assert quantities(RESPONSE) == Quantities(
        text_input=55, cached_text_input=64, audio_input=13, text_output=30, audio_output=91
    )


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({}, Quantities()),
        ({"input_tokens": 10, "output_tokens": 4}, Quantities(text_input=10, text_output=4)),
        (
            {
                "input_tokens": 13,
                "input_token_details": {"text_tokens": 0, "audio_tokens": 13},
                "output_tokens": 9,
            },
            Quantities(audio_input=13, text_output=9),
        ),
        ({"type": "duration", "seconds": 2.4}, Quantities(seconds=2.4)),
        (
            {"input_tokens": 30, "input_token_details": {"text_tokens": 10, "image_tokens": 20}},
            Quantities(text_input=30),
        ),
        (
            {"input_tokens": 9, "input_token_details": {"text_tokens": 9, "cached_tokens": 4}},
            Quantities(text_input=5, cached_text_input=4),
        ),
    ],
)
def test_servers_that_say_less(usage: dict[str, Any], expected: Quantities) -> None:
    assert quantities(usage) == expected


@pytest.mark.parametrize(
    "usage",
    [
        {"input_tokens": "many", "input_token_details": 7},
        {"input_tokens": -5, "output_tokens": 1e300},
        {"input_token_details": {"cached_tokens": 99, "cached_tokens_details": {"audio_tokens": 99}}},
        {"seconds": True},
    ],
)
def test_nonsense_costs_nothing(usage: dict[str, Any]) -> None:
    assert quantities(usage) == Quantities()


def test_quantities_add_up() -> None:
    assert (quantities(RESPONSE) + quantities(RESPONSE)).audio_output == 182
    assert quantities(RESPONSE).tokens == {
        "text_input": 55,
        "cached_text_input": 64,
        "audio_input": 13,
        "text_output": 30,
        "audio_output": 91,
    }
