"""What may stand in an agent's `story` and `tools`, and how mistakes are told."""

from __future__ import annotations

import wave
from pathlib import Path

import pytest

from sipagent.config import check, load
from sipagent.errors import ConfigError

MODEL = "backend: {kind: openai_realtime}\ninstructions: Be kind.\n"
TRUNK = "allowed_addresses: [192.0.2.1]\nnumbers: {'*': bot}\n"


def written(directory: Path, agent: str) -> Path:
    for name, text in {"sipagent": "", "trunks/pbx": TRUNK, "agents/bot": agent}.items():
        file = directory / f"{name}.yaml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    return directory / "sipagent.yaml"


def problems(directory: Path, agent: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        check(written(directory, agent))
    return [problem.replace(f"{directory}/agents/", "") for problem in raised.value.problems]


@pytest.mark.parametrize(
    ("agent", "problem"),
    [
        ("story: {silence: {after_s: 5}}", "story.silence: write either say or file"),
        ("story: {goodbye: {say: Bye, file: bye.wav}}", "story.goodbye: write either say or file"),
        ("story: {sillence: null}", "story.sillence: unknown key (did you mean 'silence'?)"),
        ("story: {digits: {kind: menu, choices: {'1': {}}}}", "needs exactly one of tell, transfer, hang_up"),
        ("story: {digits: {kind: menu, choices: {x: {tell: x}}}}", "story.digits"),
        ("greeting: Hi\nstory: {greeting_file: a.wav}", "write either greeting or story.greeting_file"),
        ("tools: {book: {kind: http, url: ftp://x}}", "tools.book.url: must begin with https://"),
        ("tools: {book: {kind: http, url: 'https://{h}.x/'}}", "has a placeholder in its host"),
        ("tools: {book: {kind: http, url: 'https://x/{id}'}}", "url needs the argument 'id'"),
        ("tools: {book: {kind: htp, url: 'https://x/'}}", "tools.book: kind must be one of"),
        (
            "tools: {book: {kind: http, url: 'https://x/', parameters: {type: array}}}",
            "JSON schema of type object",
        ),
        ("tools: {book: {kind: http, url: 'https://x/', parameters: {type: objekt}}}", "is no JSON schema"),
        (
            "tools: {book: {kind: http, url: 'https://x/', secret: abc}}",
            "secrets don't stand in configuration",
        ),
        ("tools: {'b k': {kind: hang_up}}", "tools.b k"),
        ("tools: {it: {kind: python, function: 'no.such.module:f'}}", "no.such.module can't be imported"),
        (
            "tools: {it: {kind: python, function: 'tests.tools.operators_tools:gone'}}",
            "has no function 'gone'",
        ),
        (
            "tools: {it: {kind: python, function: 'tests.tools.operators_tools:add'}}",
            "doesn't take these parameters",
        ),
        (
            "tools: {it: {kind: python, function: 'tests.tools.operators_tools:fail', essential: true}}",
            "tools.it.essential: does nothing without safe_mode_instructions",
        ),
        (
            "answering_machine: {then: leave_message, message: {file: gone.wav}}",
            "answering_machine.message.file: gone.wav can't be played: No such file or directory",
        ),
        (
            "answering_machine: {then: leave_message}",
            "then: leave_message needs a message, and nothing else does",
        ),
        ("story: {goodbye: {file: gone.wav}}", "gone.wav can't be played: No such file or directory"),
    ],
)
def test_mistakes(tmp_path: Path, agent: str, problem: str) -> None:
    (found,) = problems(tmp_path, MODEL + agent)
    assert problem in found
    assert found.startswith("bot.yaml:")


def test_only_a_model_says_words_and_calls_tools(tmp_path: Path) -> None:
    agent = "backend: {kind: echo}\nstory: {goodbye: {say: Bye}}\ntools: {hang_up: {kind: hang_up}}\n"
    assert [problem.partition(": ")[2] for problem in problems(tmp_path, agent)] == [
        "story.goodbye.say: a backend of kind echo can't say it: write file",
        "tools: a backend of kind echo calls no tools",
    ]


def test_a_whole_story_and_its_sounds(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "bye.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(320))
    agent = """
story:
  consent: {say: This call is recorded.}
  silence: {after_s: 8, say: 'Are you there?', times: 1}
  goodbye: {file: ../bye.wav}
  digits: {kind: menu, choices: {1: {tell: Sales.}, '#': {hang_up: true}}}
tools:
  hang_up: {kind: hang_up}
  add:
    kind: python
    function: tests.tools.operators_tools:add
    parameters: {type: object, properties: {a: {type: integer}, b: {type: integer}}, required: [a]}
"""
    story = check(written(tmp_path, MODEL + agent)).agents["bot"].story
    assert story.goodbye is not None
    assert story.goodbye.file == tmp_path / "bye.wav"
    assert story.digits.kind == "menu"
    assert set(story.digits.choices) == {"1", "#"}


def test_reading_alone_imports_nothing_and_opens_no_sound(tmp_path: Path) -> None:
    agent = MODEL + "tools: {it: {kind: python, function: 'no.such:f'}}\nstory: {goodbye: {file: gone.wav}}"
    assert load(written(tmp_path, agent)).agents["bot"].tools["it"].kind == "python"
