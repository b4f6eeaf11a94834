"""What a model writes as arguments, and what it is told if they don't fit."""

from __future__ import annotations

import pytest

from sipagent.tools.arguments import BadArguments, read, validator

SCHEMA = validator(
    {
        "type": "object",
        "properties": {
            "seats": {"type": "integer", "minimum": 1},
            "day": {"type": "string", "format": "date"},
        },
        "required": ["seats"],
        "additionalProperties": False,
    }
)


@pytest.mark.parametrize(
    ("text", "arguments"),
    [('{"seats": 2}', {"seats": 2}), ('{"seats":1,"day":"2026-03-01"}', {"seats": 1, "day": "2026-03-01"})],
)
def test_arguments_that_fit(text, arguments):
    assert read(text, SCHEMA) == arguments


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "'seats' is a required property"),
        ("{}", "'seats' is a required property"),
        ('{"seats": 0}', "seats: 0 is less than the minimum of 1"),
        ('{"seats": "two"}', "seats: 'two' is not of type 'integer'"),
        ('{"seats": 2, "day": "tomorrow"}', "day: 'tomorrow' is not a 'date'"),
        ('{"seats": 2, "colour": 1}', "Additional properties are not allowed ('colour' was unexpected)"),
        ("[1]", "the arguments must be a JSON object"),
        ('{"seats": ', "the arguments are not JSON"),
        ("[" * 5000, "the arguments are not JSON"),
    ],
)
def test_what_is_wrong_is_told_in_words(text, words):
    with pytest.raises(BadArguments) as raised:
        read(text, SCHEMA)
    assert words in str(raised.value)


def test_a_long_value_is_not_repeated_whole():
    with pytest.raises(BadArguments) as raised:
        read('{"seats": "%s"}' % ("x" * 10_000), SCHEMA)
    assert len(str(raised.value)) < 200


def test_references_lead_nowhere_outside_the_schema():
    elsewhere = validator({"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:9/x.json"}}})
    with pytest.raises(BadArguments, match="schema"):
        read('{"a": 1}', elsewhere)
